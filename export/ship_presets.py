"""Make the .tflite files that the package holds for `awsrn upscale --engine litert`.

    python export/ship_presets.py

One for each preset of awsrn_sd and awsrn_s: fused, float16 weights, free height and width;
verified before it replaces the old one. To be run after a preset has changed; a test
compares each file with the weights of its preset. About a minute on two processor cores.
"""

from awsrn_keras.command_line import command_parser, run_command, start_backend
from awsrn_keras.network.loading import load_model
from awsrn_keras.network.presets import WEIGHTS, presets

VARIANTS = ("awsrn_sd", "awsrn_s")


def main() -> None:
    command_parser(__doc__).parse_args()
    print(start_backend(), flush=True)
    from awsrn_keras.data import load_pairs
    from export.tflite.writing import write_tflite

    for name, card in presets().items():
        if card["variant"] in VARIANTS:
            bank = load_pairs("sample", card["scale"], "validation")
            path = WEIGHTS / f"{name}.tflite"
            model = load_model(name)
            facts = write_tflite(model, path, "float16", (64, 96), bank, name, dynamic=True)
            print(f"{path.name}  {facts['bytes'] / 1e6:.2f} MB", flush=True)


if __name__ == "__main__":
    run_command(main)
