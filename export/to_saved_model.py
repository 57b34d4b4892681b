"""Write a network as a SavedModel for TensorFlow Serving.

    python export/to_saved_model.py awsrn_sd_x2

writes exports/awsrn_sd_x2/saved_model/1/, models.config and batching.config in about a minute,
after comparing every signature with the network:

    serving_default   image float32 (N, H, W, 3), RGB 0..255 -> upscaled, clipped
    upscale_bytes     image_bytes (N,), JPEG or PNG files of any sizes -> upscaled_bytes, PNG
    upscale_tile      image float32 (N, TILE, TILE, 3) -> upscaled, for batching by the server

docs/serving.md says how to start a server with them; export/serve_client.py is a client.
"""

import argparse
import importlib.util
import sys
from pathlib import Path

from awsrn_keras.command_line import add_model, command_parser, run_command, start_backend
from awsrn_keras.errors import InputError
from export.default_folder import FOLDER_HELP, default_folder


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    add_model(parse)
    option = parse.add_argument
    side = "side of the pictures that upscale_tile takes (default %(default)s)"
    option("--tile", type=int, default=256, metavar="PIXELS", help=side)
    option("-o", "--output", type=Path, metavar="DIR", help=FOLDER_HELP)
    return parse


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    if importlib.util.find_spec("tensorflow_serving") is None:
        raise InputError("The warm-up requests need: pip install tensorflow-serving-api")
    print(start_backend(), flush=True)
    import keras

    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"KERAS_BACKEND={keras.backend.backend()}: a SavedModel can be written with "
            "KERAS_BACKEND=tensorflow only."
        )
    from awsrn_keras.network.counts import receptive_field
    from awsrn_keras.network.loading import load_model
    from export.serving.saved_model import MAX_TILE, publish

    if not 1 <= options.tile <= MAX_TILE:
        raise InputError(f"--tile {options.tile}: give 1 to {MAX_TILE} pixels.")
    model = load_model(options.model)
    radius = receptive_field(model)
    if options.tile <= 2 * radius:
        print(
            f"warning: --tile {options.tile} is at most twice the receptive field of {radius} "
            "pixels: every pixel of a tile depends on its border, so tiles leave seams",
            file=sys.stderr,
        )
    folder = options.output or default_folder(model, options.model)
    differences = publish(model, folder, options.tile)
    print(f"{folder / 'saved_model' / '1'}  differs from the network by at most")
    for signature, difference in differences.items():
        note = ", rounded, across windows" if signature == "upscale_bytes" else ""
        print(f"  {difference:#.2g} grey levels in {signature}{note}")


if __name__ == "__main__":
    run_command(main)
