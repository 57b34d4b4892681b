"""List the trained networks that come with the package, with their scores."""

import argparse
from pathlib import Path

from ..files import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all they say to FILE")


def run(options: argparse.Namespace) -> None:
    from ..network.presets import presets

    for name, card in presets().items():
        print(f"{name}  x{card['scale']}, {card['params']:,} parameters; {_scores(card['psnr'])}")
        if "psnr_degraded" in card:
            print(f"    {card['validation_set']} degraded: {_scores(card['psnr_degraded'])}")
        print(f"    trained on {card['trained_on']}; {card['license']}")
    if options.json:
        write_json(options.json, presets())


def _scores(psnr: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2f} dB" for name, value in psnr.items())
