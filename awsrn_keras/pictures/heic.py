"""HEIC files through pillow-heif, without registering it: Pillow's settings belong to others."""

import os
from typing import BinaryIO

from PIL import Image

from .formats import check_available

_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def is_heic(start: bytes) -> bool:
    """Whether a file that begins so, with 12 bytes at least, is HEIC."""
    return start[4:8] == b"ftyp" and start[8:12] in _BRANDS


def open_heic(file: BinaryIO) -> Image.Image:
    """The image with its header read; the decoder turns it upright.

    Raises:
        InputError: pillow-heif is not installed.
    """
    check_available(getattr(file, "name", "The picture"), "heic")
    from pillow_heif import HeifImageFile

    file.seek(0)
    return HeifImageFile(file)


def save_heic(image: Image.Image, path: str | os.PathLike, **options) -> None:
    """Write an image as `Image.save` does, with full colour resolution."""
    from pillow_heif import from_pillow

    # Much faster than by default, hardly larger, and no worse.
    options["enc_params"] = {"preset": "medium"}
    from_pillow(image).save(os.fspath(path), chroma=444, **options)
