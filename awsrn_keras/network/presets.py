"""The trained weights that come with the package, and the cards that describe them.

A preset is two files in `weights/`: `NAME.npz`, the tensors under their official names, and
`NAME.json`, the card: variant, scale, scores, how it was trained, license. Adding a preset
is adding two files (`training/publish_preset.py` writes them).
"""

import json
from pathlib import Path

from ..errors import InputError

WEIGHTS = Path(__file__).parents[1] / "weights"


def presets() -> dict[str, dict]:
    """The card of every preset by name: variant, scale, params, psnr, ssim, license, ..."""
    return {card.stem: json.loads(card.read_text()) for card in sorted(WEIGHTS.glob("*.json"))}


def preset_path(name: str) -> Path:
    """The weights file of a preset.

    Raises:
        InputError: There is no such preset; the message lists those there are.
    """
    known = presets()
    if name not in known:
        raise InputError(f"There is no preset {name!r}: choose one of {', '.join(known)}.")
    return WEIGHTS / f"{name}.npz"
