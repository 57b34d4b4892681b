"""The command `awsrn`, also `python -m awsrn_keras`: upscale pictures, import and list models."""

import argparse
import inspect
import json
from pathlib import Path

from . import __version__, branches, upscale_files
from .command_line import run_command, start_backend
from .files import replacing


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(prog="awsrn", description="AWSRN image super-resolution.")
    parse.add_argument("--version", action="version", version=f"awsrn-keras {__version__}")
    commands = parse.add_subparsers(metavar="COMMAND", required=True)

    def add(name, add_arguments, run, documented):
        description = inspect.getdoc(documented)
        command = commands.add_parser(
            name,
            help=description.splitlines()[0],
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add_arguments(command)
        command.set_defaults(run=run)

    add("upscale", upscale_files.add_arguments, upscale_files.run, upscale_files)
    add("presets", _presets_arguments, list_presets, list_presets)
    add("import-pytorch", _import_arguments, import_pytorch, import_pytorch)
    add("branches", branches.add_arguments, branches.run, branches)
    return parse


def _presets_arguments(command):
    command.add_argument(
        "--json", type=Path, metavar="FILE", help="also write all they say to FILE"
    )


def list_presets(options: argparse.Namespace) -> None:
    """List the trained networks that come with the package, with their scores."""
    from .pretrained import presets

    for name, card in presets().items():
        scores = ", ".join(f"{data} {score:.2f} dB" for data, score in card["psnr"].items())
        print(f"{name}  x{card['scale']}, {card['params']:,} parameters; {scores}")
        print(f"    trained on {card['trained_on']}; {card['license']}")
    if options.json:
        with replacing(options.json) as temporary:
            temporary.write_text(json.dumps(presets(), indent=2) + "\n")


def _import_arguments(command):
    command.add_argument("checkpoint", metavar="FILE", help=".pt, .pth or .npz")
    command.add_argument(
        "-o", "--output", required=True, metavar="OUT", help="a .keras or .weights.h5 file"
    )


def import_pytorch(options: argparse.Namespace) -> None:
    """Convert a checkpoint of the official PyTorch code, verified before it is written.

    Variant and scale are found from its tensors. OUT can be given wherever a MODEL is
    asked for, and trained further.
    """
    print(start_backend(), flush=True)
    from .pytorch import import_checkpoint

    model = import_checkpoint(options.checkpoint, options.output)
    parameters = f"{model.count_params():,} parameters"
    print(f"{options.output}: {model.variant} x{model.scale}, {parameters}, verified")


def run(arguments: list[str] | None = None) -> int | None:
    """Do what the command line says; the exit status."""
    options = parser().parse_args(arguments)
    return options.run(options)


def main() -> None:
    run_command(run)


if __name__ == "__main__":
    main()
