"""Writing picture files: the formats, what each can hold, and the metadata that goes along."""

import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import InputError
from ..files import replacing
from . import png
from .exif import EXIF_PREFIX, upright_exif, upright_xmp
from .formats import SUFFIXES, check_available, format_of
from .heic import save_heic
from .picture import Picture
from .reading import to_eight_bits
from .tiff_writing import write_tiff

_LONGEST_SIDE = {"jpeg": 65500, "webp": 16383, "avif": 16384, "heic": 16384}
_QUALITY = 95
_METADATA = {"exif": "EXIF", "icc": "colour profile", "xmp": "XMP"}
# A JPEG segment has 65,533 bytes; what precedes the content counts. A profile may take 255.
_MOST_BYTES = {
    "jpeg": {"exif": 65527, "icc": 255 * 65519, "xmp": 65504, "comment": 65533},
    "bmp": {"exif": 0, "icc": 0, "xmp": 0},
}
_MOST_DPI = {"jpeg": 65535}
_BMP_HEADER = 54
_SRGB_CHUNKS = {
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
    b"cICP": bytes([1, 13, 0, 1]),
}


def check_size(path: str | os.PathLike, width: int, height: int, format: str) -> None:
    """Raise an `InputError` if the format cannot hold so large a picture."""
    limit = _LONGEST_SIDE.get(format)
    if limit and max(width, height) > limit:
        raise InputError(
            f"{path}: {width} x {height} pixels are more than {format} can hold ({limit} a side); "
            "use --format png or tiff."
        )
    if format == "bmp" and -(-3 * width // 4) * 4 * height + _BMP_HEADER >= 2**32:
        raise InputError(
            f"{path}: {width} x {height} pixels are more than bmp can hold (4 GiB); "
            "use --format png or tiff."
        )


def losses(picture: Picture, format: str) -> list[str]:
    """What of the picture a file of this format does not keep, e.g. `["16 bits (rounded to 8)"]`.

    It begins with what reading has left out.
    """
    return [*picture.left_out, *_fitted(picture, format)[1]]


def _fitted(picture: Picture, format: str) -> tuple[Picture, list[str]]:
    """The picture with the metadata that a file of this format can hold, and what is lost."""
    lost, changes = [], {}
    if picture.alpha is not None and format in ("jpeg", "bmp"):
        lost.append("transparency (laid on white)")
    if picture.pixels.dtype == np.uint16 and format not in ("png", "tiff"):
        lost.append("16 bits (rounded to 8)")
    for field, name in _METADATA.items():
        most, size = _MOST_BYTES.get(format, {}).get(field, 2**31 - 1), len(getattr(picture, field))
        if size > most:
            lost.append(f"{name} ({size} bytes of at most {most})" if most else name)
            changes[field] = b""
    texts = tuple(entry for entry in picture.text if _holds_text(format, *entry))
    if texts != picture.text:
        dropped = [keyword for keyword, text in picture.text if (keyword, text) not in texts]
        lost.append(f"text ({', '.join(dict.fromkeys(dropped))})"[:100])
        changes["text"] = texts
    if format != "png" and (names := _unlike_srgb(picture)):
        lost.append(f"what the colours mean ({', '.join(names)}): they may look different")
    if picture.dpi:
        most = _MOST_DPI.get(format, 1e6)
        if format in ("webp", "avif", "heic"):
            lost.append("resolution")
        elif max(picture.dpi) > most:
            lost.append(f"resolution (over {most:g} pixels per inch)")
        changes["dpi"] = tuple(min(max(side, 1), most) for side in picture.dpi)
    return replace(picture, **changes), lost


def _holds_text(format: str, keyword: str, text: str) -> bool:
    comment = format == "jpeg" and keyword == "Comment"
    return format == "png" or (comment and len(text.encode()) <= _MOST_BYTES["jpeg"]["comment"])


def _unlike_srgb(picture: Picture) -> list[str]:
    """Names of the chunks by which a PNG file departs from sRGB, unless a profile says it all."""
    chunks = dict(picture.colour)
    if b"cICP" in chunks:
        return [] if chunks[b"cICP"] == _SRGB_CHUNKS[b"cICP"] else ["cICP"]
    if picture.icc or b"sRGB" in chunks:
        return []
    return [name.decode() for name, content in chunks.items() if content != _SRGB_CHUNKS[name]]


class PillowCanvas:
    """An image in Pillow's own memory that is filled block by block, so saving it copies nothing.

    Args:
        shape: `(height, width)` or `(height, width, 3)`.
        dtype: uint8.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
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
    picture, _ = _fitted(picture, format)
    picture = replace(
        picture,
        exif=upright_exif(picture.exif, width, height),
        xmp=upright_xmp(picture.xmp, width, height),
    )
    with replacing(path) as temporary:
        if format == "tiff":
            write_tiff(temporary, _stacked(picture), picture)
        elif format == "png" and picture.pixels.dtype == np.uint16:
            png.write_sixteen_bit(temporary, _stacked(picture), picture)
        else:
            _write_by_pillow(picture, temporary, format, quality or _QUALITY)


def _stacked(picture: Picture) -> np.ndarray:
    """Pixels with alpha as the last channel, `(height, width, channels)`."""
    pixels = np.atleast_3d(picture.pixels)
    return pixels if picture.alpha is None else np.dstack([pixels, picture.alpha])


def _write_by_pillow(picture: Picture, path: Path, format: str, quality: int) -> None:
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
    if picture.exif:
        options["exif"] = EXIF_PREFIX + picture.exif
    if format == "jpeg":
        options |= {"quality": quality, "subsampling": 0, "xmp": picture.xmp}
        options["comment"] = dict(picture.text).get("Comment", "").encode()
    elif format == "avif":
        options |= {"quality": quality, "xmp": picture.xmp}
        if image.mode != "L":
            options["subsampling"] = "4:4:4"
    elif format == "heic":
        save_heic(image, path, quality=quality, xmp=picture.xmp, **options)
        return
    elif format == "webp":
        options |= {"quality": quality, "lossless": quality == 100, "xmp": picture.xmp}
    elif format == "png":
        # Suits photographs: as small as the default strategy and four times faster.
        options |= {"compress_type": zlib.Z_RLE, "pnginfo": png.metadata_chunks(picture)}
    image.save(path, format, **options)


def _as_image(values: np.ndarray | PillowCanvas) -> Image.Image:
    if isinstance(values, PillowCanvas):
        return values.image
    return Image.fromarray(to_eight_bits(values))
