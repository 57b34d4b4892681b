"""Picture files in and out: pixels as arrays, with the metadata that a user wants back."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from .errors import InputError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})


def find_images(folder: str | os.PathLike) -> list[Path]:
    """All picture files in `folder` and below, by `IMAGE_SUFFIXES`, sorted by path.

    Raises:
        InputError: The folder is missing, is a file, or holds no picture.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder.")
    found = sorted(
        p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()
    )
    if not found:
        raise InputError(f"{folder}: no image in it ({', '.join(sorted(IMAGE_SUFFIXES))}).")
    return found


def read_rgb(path: str | os.PathLike) -> np.ndarray:
    """Pixels of a picture file as uint8 RGB `(height, width, 3)`, upright.

    Raises:
        InputError: The file is missing, no picture, or damaged.
    """
    try:
        with Image.open(path) as image:
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith("I"):
                grey = np.rint(np.asarray(image, "float64") / 257).clip(0, 255).astype("uint8")
                return np.repeat(grey[..., None], 3, axis=2)
            return np.asarray(image.convert("RGB")).copy()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file.") from None
    except UnidentifiedImageError:
        raise InputError(f"{path}: not a picture that can be read.") from None
    except Exception as error:  # a decoder fed a damaged file may raise anything
        raise InputError(f"{path}: damaged image ({error}).") from error
