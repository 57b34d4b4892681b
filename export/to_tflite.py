"""Write a network as .tflite files for LiteRT (phones, browsers, small computers).

    python export/to_tflite.py awsrn_sd_x2 --height 256 --width 256

writes exports/awsrn_sd_x2/tflite/{float32,float16,dynamic_range,int8,int16x8}.tflite in a few
minutes on two CPU cores. Each file is reloaded with LiteRT and compared with the network before
it is put in place. They take one RGB picture (1, height, width, 3) and return it `scale` times
larger, clipped to 0..255: uint8 pixels for int8, float32 for the others.
"""

import argparse
import sys
from pathlib import Path

from awsrn_keras.command_line import add_model, command_parser, run_command, start_backend
from awsrn_keras.errors import InputError
from awsrn_keras.files import write_json
from export.default_folder import FOLDER_HELP, default_folder
from export.precisions import CONVERTED, PRECISIONS


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    add_model(parse)
    option = parse.add_argument
    option("--height", type=int, default=256, help="of the input, pixels (default %(default)s)")
    option("--width", type=int, default=256, help="of the input, pixels (default %(default)s)")
    free = "leave height and width free; such files run on CPUs only (not int16x8)"
    option("--dynamic", action="store_true", help=free)
    every = "default: all; with --dynamic all but int16x8"
    option("--precision", nargs="+", choices=CONVERTED, help=every)
    option(
        "--calibration",
        nargs="+",
        default=["sample"],
        metavar="DIR",
        help="photographs for int8 and int16x8: sample (default), div2k or folders of "
        "high-resolution pictures",
    )
    option("-o", "--output", type=Path, metavar="DIR", help=FOLDER_HELP)
    option("--json", type=Path, metavar="FILE", help="also write what was measured to this file")
    return parse


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    for name in ("height", "width"):
        if getattr(options, name) < 1:
            raise InputError(f"--{name} {getattr(options, name)}: give at least 1 pixel.")
    precisions = chosen_precisions(options.precision, options.dynamic)

    print(start_backend(), flush=True)
    from awsrn_keras.data import load_pairs
    from awsrn_keras.network.counts import receptive_field
    from awsrn_keras.network.loading import load_model
    from export.tflite.calibration import warn_without_contrast
    from export.tflite.writing import summary, write_tflite

    model = load_model(options.model)
    bank = load_pairs(options.calibration, model.scale, "train")
    if any(PRECISIONS[precision].calibrated for precision in precisions):
        warn_without_contrast(bank)
    size, radius = (options.height, options.width), receptive_field(model)
    if not options.dynamic and min(size) <= 2 * radius:
        print(
            f"warning: {options.height}x{options.width} is at most twice the receptive field "
            f"of {radius} pixels: every pixel depends on the border, so tiles leave seams",
            file=sys.stderr,
        )
    folder = (options.output or default_folder(model, options.model)) / "tflite"
    folder.mkdir(parents=True, exist_ok=True)
    measured = {}
    for precision in precisions:
        path = folder / PRECISIONS[precision].file(options.dynamic)
        facts = write_tflite(model, path, precision, size, bank, options.model, options.dynamic)
        measured[path.name] = facts
        print(summary(path, facts), flush=True)
    if options.json:
        write_json(options.json, measured)


def chosen_precisions(named: list[str] | None, dynamic: bool) -> list[str]:
    """Those that were named, or all that there can be."""
    if not dynamic:
        return named or list(CONVERTED)
    fixed = [name for name in named or () if PRECISIONS[name].fixed_size]
    if fixed:
        raise InputError(f"--dynamic: {fixed[0]} needs a fixed size, leave one of the two out.")
    return named or [name for name in CONVERTED if not PRECISIONS[name].fixed_size]


if __name__ == "__main__":
    run_command(main)
