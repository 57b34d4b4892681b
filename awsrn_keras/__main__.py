"""The command `awsrn`, also `python -m awsrn_keras`: upscale pictures, import and list models."""

import argparse
import inspect

from . import __version__
from .command_line import run_command
from .commands import branches, export_pytorch, import_pytorch, presets, upscale

COMMANDS = {
    "upscale": upscale,
    "presets": presets,
    "import-pytorch": import_pytorch,
    "export-pytorch": export_pytorch,
    "branches": branches,
}


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(prog="awsrn", description="AWSRN image super-resolution.")
    parse.add_argument("--version", action="version", version=f"awsrn-keras {__version__}")
    commands = parse.add_subparsers(metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        description = inspect.getdoc(module) or ""
        command = commands.add_parser(
            name,
            help=description.partition("\n")[0],
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parse


def run(arguments: list[str] | None = None) -> int | None:
    """Do what the command line says; the exit status."""
    options = parser().parse_args(arguments)
    return options.run(options)


def main() -> None:
    run_command(run)


if __name__ == "__main__":
    main()
