"""List the trained networks that come with the package, with their scores."""

import argparse
from pathlib import Path

from ..files import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all they say to FILE")


def run(options: argparse.Namespace) -> None:
    from ..network.presets import presets

    for name, card in presets().items():
        scores = ", ".join(f"{data} {score:.2f} dB" for data, score in card["psnr"].items())
        print(f"{name}  x{card['scale']}, {card['params']:,} parameters; {scores}")
        print(f"    trained on {card['trained_on']}; {card['license']}")
    if options.json:
        write_json(options.json, presets())
