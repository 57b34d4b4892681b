"""Quantisation-aware training: an int8 .tflite that loses less than a calibrated one.

    python export/quantize_aware.py awsrn_sd_x2

trains the network to keep its output with 8-bit kernels and features, and writes
exports/awsrn_sd_x2/tflite/int8_qat.tflite (20 to 40 minutes on one or two CPU cores). Like
int8.tflite it takes and returns uint8 pixels.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from awsrn_keras.command_line import add_model, command_parser, run_command, start_backend
from awsrn_keras.errors import InputError
from awsrn_keras.files import write_json
from export.default_folder import FOLDER_HELP, default_folder
from export.precisions import PRECISIONS

if TYPE_CHECKING:
    from awsrn_keras.data import PairBank
    from awsrn_keras.network.model import AWSRN

_PRECISION = PRECISIONS["int8_qat"]
_SIDE = 48  # of the calibration pictures, pixels


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    add_model(parse)
    option = parse.add_argument
    option("--height", type=int, default=256, help="of the input, pixels (default %(default)s)")
    option("--width", type=int, default=256, help="of the input, pixels (default %(default)s)")
    free = "leave height and width free; such a file runs on CPUs only"
    option("--dynamic", action="store_true", help=free)
    option("--steps", type=int, default=4000, help="batches (default %(default)s)")
    option("--batch-size", type=int, default=8, help="patches in a batch (default %(default)s)")
    option("--patch-size", type=int, default=32, help="side, LR pixels (default %(default)s)")
    option("--learning-rate", type=float, default=3e-5, help="peak (default %(default)s)")
    option("--seed", type=int, default=0, help="decides the patches (default %(default)s)")
    option(
        "--data",
        nargs="+",
        default=["sample"],
        metavar="DIR",
        help="photographs: sample (default, those in two wheels), div2k or folders of "
        "high-resolution pictures",
    )
    option(
        "--degrade",
        metavar="NAME",
        help="degrade LR patches, as fit.py did for this network: photo, or a JSON file",
    )
    option("-o", "--output", type=Path, metavar="DIR", help=FOLDER_HELP)
    option("--json", type=Path, metavar="FILE", help="also write what was measured to this file")
    return parse


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    for name in ("height", "width", "steps", "batch_size", "patch_size", "learning_rate"):
        if not getattr(options, name) > 0:
            flag = "--" + name.replace("_", "-")
            raise InputError(f"{flag} {getattr(options, name)}: give a number above 0.")

    print(start_backend(), flush=True)
    from awsrn_keras.data import load_pairs
    from awsrn_keras.data.degradations import Degradation
    from awsrn_keras.network.loading import load_model
    from export.tflite.calibration import warn_without_contrast
    from export.tflite.writing import summary

    degrade = Degradation.named(options.degrade) if options.degrade else None
    model = load_model(options.model)
    bank = load_pairs(options.data, model.scale, "train")
    warn_without_contrast(bank)
    folder = (options.output or default_folder(model, options.model)) / "tflite"
    folder.mkdir(parents=True, exist_ok=True)

    path = folder / _PRECISION.file(options.dynamic)
    measured = write_trained(
        model,
        path,
        (options.height, options.width),
        bank,
        options.model,
        options.dynamic,
        options.steps,
        options.batch_size,
        patch_size=options.patch_size,
        learning_rate=options.learning_rate,
        seed=options.seed,
        degrade=degrade,
    )
    print(summary(path, measured))
    if options.json:
        write_json(options.json, {path.name: measured})


def write_trained(
    model: AWSRN,
    path: Path,
    size: tuple[int, int],
    bank: PairBank,
    origin: str,
    dynamic: bool = False,
    steps: int = 4000,
    batch_size: int = 8,
    **training: Any,
) -> dict:
    """Train a network for 8 bits and write its verified file.

    Args:
        model, path, size, bank, origin, dynamic: As of `write_tflite`; `bank` is trained on, too.
        steps, batch_size, training: As of `export.qat.training.train`.

    Returns:
        Size in bytes and what `verify_tflite` measured.
    """
    from export.fused_graph import describe
    from export.qat.ranges import narrow_ranges
    from export.qat.training import convert_trained, train
    from export.tflite.calibration import calibration_pictures, held_out_picture
    from export.tflite.equalisation import fuse_for_int8
    from export.tflite.writing import metadata, write_verified

    pictures = calibration_pictures(bank, _SIDE, _SIDE)
    nodes = narrow_ranges(describe(fuse_for_int8(model, pictures), pictures), pictures)
    shape = (None, None) if dynamic else size
    content = convert_trained(train(nodes, bank, steps, batch_size, **training), shape)
    facts = metadata(model, _PRECISION, shape, origin)
    facts["precision"] = "int8"  # an app uses it in the same way
    facts["quantisation"] = f"trained for {steps} steps of {batch_size} patches"
    return write_verified(content, _PRECISION, facts, path, model, held_out_picture(bank, *size))


if __name__ == "__main__":
    run_command(main)
