"""Make the .tflite files that the package holds for `awsrn upscale` with LiteRT.

    python export/ship_presets.py awsrn_sd_x2
    python export/ship_presets.py awsrn_nano_x2 --int8 --data my/photographs

The first writes awsrn_sd_x2.tflite: fused, float16 weights, free height and width; the second
awsrn_nano_x2_int8.tflite as well, an 8-bit network trained on these photographs for some minutes,
degraded ones for presets for photographs.
Each is verified before it replaces the old one. To be run after a preset has changed; a test
compares each file with its preset.
"""

import argparse

from awsrn_keras.command_line import above_zero, command_parser, run_command, start_backend
from awsrn_keras.network.presets import PHOTO, WEIGHTS, preset_path
from export.quantize_aware import write_trained

_SIZE = (64, 96)  # of the picture that a file is verified with, pixels


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    parse.add_argument("presets", nargs="+", metavar="PRESET", help="see `awsrn presets`")
    parse.add_argument("--int8", action="store_true", help="the 8-bit file as well")
    parse.add_argument(
        "--data",
        nargs="+",
        default=["sample"],
        metavar="DIR",
        help="photographs for --int8: sample (default), div2k or folders",
    )
    parse.add_argument(
        "--steps",
        type=above_zero(int),
        default=4000,
        help="batches that --int8 trains on (default %(default)s)",
    )
    return parse


def main() -> None:
    options = parser().parse_args()
    for name in options.presets:
        preset_path(name)
    print(start_backend(), flush=True)
    from awsrn_keras.data import load_pairs
    from awsrn_keras.data.degradations import SETTINGS
    from awsrn_keras.network.loading import load_model
    from export.tflite.writing import summary, write_tflite

    for name in options.presets:
        model = load_model(name)
        bank = load_pairs("sample", model.scale, "validation")
        path = WEIGHTS / f"{name}.tflite"
        print(summary(path, write_tflite(model, path, "float16", _SIZE, bank, name, dynamic=True)))
        if options.int8:
            bank = load_pairs(options.data, model.scale, "train")
            path = WEIGHTS / f"{name}_int8.tflite"
            degrade = SETTINGS["photo"] if name.endswith(PHOTO) else None
            measured = write_trained(
                model, path, _SIZE, bank, name, True, options.steps, degrade=degrade
            )
            print(summary(path, measured))


if __name__ == "__main__":
    run_command(main)
