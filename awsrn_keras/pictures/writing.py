"""Writing picture files: the formats, what each can hold, and the metadata that goes along."""

import os
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from ..errors import InputError
from ..files import replacing
from . import encoders
from .exif import descriptive_tags, upright_exif
from .formats import SUFFIXES, check_available, format_of
from .heic import save_heic
from .reading import Picture, to_eight_bits

_LONGEST_SIDE = {"jpeg": 65500, "webp": 16383, "avif": 16384, "heic": 16384}
_QUALITY = 95
_JPEG_EXIF_BYTES = 65533 - len(b"Exif\0\0")  # of one segment


def check_size(path: str | os.PathLike, width: int, height: int, format: str) -> None:
    """Raise an `InputError` if the format cannot hold so large a picture."""
    limit = _LONGEST_SIDE.get(format)
    if limit and max(width, height) > limit:
        raise InputError(
            f"{path}: {width} x {height} pixels are more than {format} can hold ({limit} a side); "
            "use --format png or tiff."
        )


def losses(picture: Picture, format: str) -> list[str]:
    """What of the picture a file of this format cannot hold, e.g. `["16 bits (rounded to 8)"]`."""
    lost = []
    if picture.alpha is not None and format in ("jpeg", "bmp"):
        lost.append("transparency (laid on white)")
    if picture.pixels.dtype == np.uint16 and format not in ("png", "tiff"):
        lost.append("16 bits (rounded to 8)")
    if format == "jpeg" and len(picture.exif) > _JPEG_EXIF_BYTES:
        lost.append("EXIF of more than 64 kB")
    if format == "bmp" and (picture.exif or picture.icc):
        lost.append("EXIF and colour profile")
    return lost


class PillowCanvas:
    """An image in Pillow's own memory that is filled block by block, so saving it copies nothing.

    Args:
        shape: `(height, width)` or `(height, width, 3)`.
        dtype: uint8.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype):
        self.shape = shape
        self.image = Image.new("L" if len(shape) == 2 else "RGB", (shape[1], shape[0]))

    def __setitem__(self, where: tuple[slice, slice], block: np.ndarray) -> None:
        rows, columns = where
        self.image.paste(Image.fromarray(block), (columns.start, rows.start))


def canvas_for(format: str, dtype: np.dtype) -> Callable:
    """What the pixels of a file of this format are best collected in."""
    by_pillow = dtype == np.uint8 and format != "tiff"
    return PillowCanvas if by_pillow else np.empty


def write_picture(
    picture: Picture,
    path: str | os.PathLike,
    format: str | None = None,
    quality: int | None = None,
) -> None:
    """Write a picture under a temporary name and rename it to `path`.

    Args:
        picture: What to write, pixels and alpha as arrays or as `PillowCanvas`; its EXIF
            size entries are set to that of its pixels.
        path: The file, replaced if it exists.
        format: A key of `SUFFIXES`; None goes by the suffix of `path`.
        quality: 1 to 100, for JPEG, WebP, AVIF and HEIC; 100 makes WebP lossless. None means 95.

    What a format cannot hold is lost, see `losses`.

    Raises:
        InputError: The format is unknown, cannot be written here, or cannot hold so large a
            picture.
    """
    format = format or format_of(path)
    if format not in SUFFIXES:
        raise InputError(f"{path}: unknown format {format!r}: choose one of {', '.join(SUFFIXES)}.")
    check_available(path, format)
    height, width = picture.pixels.shape[:2]
    check_size(path, width, height, format)
    exif = upright_exif(picture.exif, width, height)
    with replacing(path) as temporary:
        if format == "tiff":
            tags = descriptive_tags(exif)
            encoders.write_tiff(temporary, _stacked(picture), tags, picture.icc, picture.dpi)
        elif format == "png" and picture.pixels.dtype == np.uint16:
            encoders.write_png(temporary, _stacked(picture), exif, picture.icc, picture.dpi)
        else:
            _write_by_pillow(picture, temporary, format, exif, quality or _QUALITY)


def _stacked(picture):
    """Pixels with alpha as the last channel, `(height, width, channels)`."""
    pixels = np.atleast_3d(picture.pixels)
    return pixels if picture.alpha is None else np.dstack([pixels, picture.alpha])


def _write_by_pillow(picture, path, format, exif, quality):
    image = _as_image(picture.pixels)
    if picture.alpha is not None:
        alpha = _as_image(picture.alpha)
        if format in ("jpeg", "bmp"):
            image = Image.composite(image, Image.new(image.mode, image.size, "white"), alpha)
        else:
            image.putalpha(alpha)
    options = {"dpi": picture.dpi} if picture.dpi else {}
    if picture.icc:
        options["icc_profile"] = picture.icc
    if exif and not (format == "jpeg" and len(exif) > _JPEG_EXIF_BYTES):
        options["exif"] = b"Exif\0\0" + exif
    if format == "jpeg":
        options |= {"quality": quality, "subsampling": 0}
    elif format == "avif":
        options |= {"quality": quality}
        if image.mode != "L":
            options["subsampling"] = "4:4:4"
    elif format == "heic":
        save_heic(image, path, quality=quality, **options)
        return
    elif format == "webp":
        options |= {"quality": quality, "lossless": quality == 100}
    elif format == "png":
        # Suits photographs: as small as the default strategy and four times faster.
        options["compress_type"] = zlib.Z_RLE
    image.save(path, format, **options)


def _as_image(values):
    if isinstance(values, PillowCanvas):
        return values.image
    return Image.fromarray(to_eight_bits(values))
