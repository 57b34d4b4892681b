"""The trained weights that come with the package, and the cards that describe them.

A preset is two files in `weights/`: `NAME.npz`, the tensors under their official names, and
`NAME.json`, the card: variant, scale, scores, how it was trained, license. Adding a preset
is adding two files (`training/publish_preset.py` writes them).
"""

import json
from pathlib import Path

from ..errors import InputError

WEIGHTS = Path(__file__).parents[1] / "weights"
PHOTO = "_photo"  # ends the names of presets for photographs with JPEG artifacts and noise


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


def default_preset(scale: int = 2, photo: bool = False, variant: str = "awsrn_sd") -> str:
    """The preset to take where none is named: of this variant, or what there is of this scale.

    Args:
        scale: Magnification.
        photo: For photographs with JPEG artifacts and noise.
        variant: Key of `VARIANTS`.

    Raises:
        InputError: There is none.
    """
    matching = [
        name
        for name, card in presets().items()
        if card["scale"] == scale and name.endswith(PHOTO) == photo
    ]
    if not matching:
        raise InputError(
            f"There is no preset of x{scale}{' for photographs' * photo}: see `awsrn presets`."
        )
    default = f"{variant}_x{scale}" + PHOTO * photo
    return default if default in matching else matching[0]
