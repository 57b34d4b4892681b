"""Photographs from which a converter learns the ranges of an int8 or int16 network."""

import sys

import numpy as np

from awsrn_keras.data import PairBank

_PIXELS, _FEWEST, _MOST = 100_000, 4, 48
_LEAST_CONTRAST = 10  # standard deviation; photographs have 30 to 80


def calibration_pictures(bank: PairBank, height: int, width: int) -> list[np.ndarray]:
    """Crops of low-resolution photographs, and one picture of black, white and ramps.

    The last one makes the network give pure black and pure white, so that its output
    covers 0..255 whatever the photographs hold.

    Args:
        bank: Photographs; those smaller than the crops are mirrored at their borders.
        height, width: Of the crops, pixels. The smaller, the more of them.

    Returns:
        float32 arrays `(1, height, width, 3)`, 0..255; the same for the same arguments.
    """
    count = int(np.clip(_PIXELS // (height * width), _FEWEST, _MOST))
    rng = np.random.default_rng(0)
    crops = [_crop(bank.lr(i % len(bank)), height, width, rng) for i in range(count)]
    return [crop[None].astype("float32") for crop in [*crops, black_and_white(height, width)]]


def warn_without_contrast(bank: PairBank) -> None:
    """Say on stderr that these photographs are too flat to learn ranges from, if they are."""
    contrast = max(bank.lr(i).std() for i in range(min(len(bank), _MOST)))
    if contrast < _LEAST_CONTRAST:
        print(
            f"warning: the calibration pictures hardly differ from flat grey (standard deviation "
            f"{contrast:.1f} of 255), so 8-bit files may be poor on photographs: give photographs",
            file=sys.stderr,
        )


def held_out_picture(bank: PairBank, height: int, width: int) -> np.ndarray:
    """A crop of the last photograph that is none of `calibration_pictures`: mirrored left-right."""
    crop = _crop(bank.lr(len(bank) - 1), height, width, np.random.default_rng(1))
    return crop[None, :, ::-1].astype("float32")


def black_and_white(height: int, width: int, slope: int = 16) -> np.ndarray:
    """Vertical bars of 0 and 255, eight pixels wide, with ramps of `slope` per pixel between."""
    ramp = np.arange(0, 255, slope)
    period = np.concatenate([np.zeros(8), ramp, np.full(8, 255), ramp[::-1]])
    row = np.resize(np.roll(period, 4), width)
    return np.broadcast_to(row[None, :, None], (height, width, 3))


def _crop(image: np.ndarray, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    missing = [
        (0, max(0, side - had)) for side, had in zip((height, width), image.shape, strict=False)
    ]
    image = np.pad(image, [*missing, (0, 0)], mode="symmetric")
    top = rng.integers(image.shape[0] - height + 1)
    left = rng.integers(image.shape[1] - width + 1)
    return image[top : top + height, left : left + width]
