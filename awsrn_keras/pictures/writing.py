"""Writing picture files: the formats, what each can hold, and the metadata that goes along."""

import os
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ..errors import InputError
from ..files import replacing
from . import png
from .exif import EXIF_PREFIX, upright_exif, upright_xmp
from .formats import SUFFIXES, check_available, format_of
from .heic import save_heic
from .picture import Picture, to_eight_bits
from .tiff_writing import write_tiff

_QUALITY = 95
_METADATA = {"exif": "EXIF", "icc": "colour profile", "xmp": "XMP"}


class _Most(NamedTuple):
    """The most that a file of a format holds: pixels of a side, bytes of metadata, resolution."""

    side: int = 2**31 - 1
    exif: int = 2**31 - 1
    icc: int = 2**31 - 1
    xmp: int = 2**31 - 1
    comment: int = 0
    dpi: float = 1e6  # pixels per inch
    alpha: bool = True
    bits: int = 8


_MOST = {
    "png": _Most(bits=16),
    # A segment has 65,533 bytes; what precedes the content counts. A profile may take 255.
    "jpeg": _Most(65500, 65527, 255 * 65519, 65504, comment=65533, dpi=65535, alpha=False),
    "webp": _Most(16383, dpi=0),
    "tiff": _Most(bits=16),
    "bmp": _Most(exif=0, icc=0, xmp=0, alpha=False),
    "gif": _Most(65535, exif=0, icc=0, xmp=0, comment=65535, dpi=0),
    "avif": _Most(16384, dpi=0),
    "heic": _Most(16384, dpi=0),
}
_BMP_HEADER = 54
_SRGB_CHUNKS = {
    b"gAMA": struct.pack(">I", 45455),
    b"cHRM": struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
    b"cICP": bytes([1, 13, 0, 1]),
}


def check_size(path: str | os.PathLike, width: int, height: int, format: str) -> None:
    """Raise an `InputError` if the format cannot hold so large a picture."""
    if max(width, height) > _MOST[format].side:
        limit = f"{_MOST[format].side} a side"
    elif format == "bmp" and -(-3 * width // 4) * 4 * height + _BMP_HEADER >= 2**32:
        limit = "4 GiB"
    else:
        return
    raise InputError(
        f"{path}: {width} x {height} pixels are more than {format} can hold ({limit}); "
        "use --format png or tiff."
    )


def losses(picture: Picture, format: str) -> list[str]:
    """What of the picture a file of this format does not keep, e.g. `["16 bits (rounded to 8)"]`.

    It begins with what reading has left out.
    """
    return [*picture.left_out, *_fitted(picture, format)[1]]


def _fitted(picture: Picture, format: str) -> tuple[Picture, list[str]]:
    """The picture with the metadata that a file of this format can hold, and what is lost."""
    most, lost = _MOST[format], []
    changes: dict[str, Any] = {}
    if picture.alpha is not None and not most.alpha:
        lost.append("transparency (laid on white)")
    if format == "gif":
        lost.append("more than 256 colours")
        if picture.alpha is not None:
            lost.append("soft edges of transparency")
    if 8 * picture.pixels.dtype.itemsize > most.bits:
        lost.append("16 bits (rounded to 8)")
    for field, name in _METADATA.items():
        size, limit = len(getattr(picture, field)), getattr(most, field)
        if size > limit:
            lost.append(f"{name} ({size} bytes of at most {limit})" if limit else name)
            changes[field] = b""
    if format != "png":
        held = {("Comment", text) for _, text in picture.text if len(text.encode()) <= most.comment}
        dropped = [entry for entry in picture.text if entry not in held]
        if dropped:
            lost.append(f"text ({', '.join(dict(dropped))})"[:100])
        changes["text"] = tuple(entry for entry in picture.text if entry in held)
    if format != "png" and (names := _unlike_srgb(picture)):
        lost.append(f"what the colours mean ({', '.join(names)}): they may look different")
    if picture.dpi and not most.dpi:
        lost.append("resolution")
        changes["dpi"] = None
    elif picture.dpi:
        changes["dpi"] = tuple(min(max(side, 1), most.dpi) for side in picture.dpi)
        if max(picture.dpi) > most.dpi:
            lost.append(f"resolution above {most.dpi:g} pixels per inch (clipped)")
    return replace(picture, **changes), lost


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
    more: Sequence[Picture] = (),
) -> None:
    """Write a picture under a temporary name and rename it to `path`.

    Args:
        picture: What to write, pixels and alpha as arrays or as `PillowCanvas`; its EXIF
            size entries are set to that of its pixels.
        path: The file, replaced if it exists.
        format: A key of `SUFFIXES`; None goes by the suffix of `path`.
        quality: 1 to 100, for JPEG, WebP, AVIF and HEIC; 100 makes WebP lossless. None means 95.
        more: Further frames, which make it an animation, for GIF, PNG and WebP.

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
    options = _pillow_options(picture, format, quality or _QUALITY)
    if more:
        options |= _animation_options(picture, format, more)
    with replacing(path) as temporary:
        if format == "tiff":
            write_tiff(temporary, _stacked(picture), picture)
        elif format == "png" and picture.pixels.dtype == np.uint16:
            png.write_sixteen_bit(temporary, _stacked(picture), options)
        else:
            _write_by_pillow(picture, temporary, format, options)


def _stacked(picture: Picture) -> np.ndarray:
    """Pixels, with alpha as the last channel where there is one."""
    if picture.alpha is None:
        return np.ascontiguousarray(picture.pixels)
    return np.dstack([picture.pixels, picture.alpha])


def _pillow_options(picture: Picture, format: str, quality: int) -> dict[str, Any]:
    """What `Image.save` is to be told for this format: metadata and how to compress."""
    options: dict[str, Any] = {
        "dpi": picture.dpi,
        "icc_profile": picture.icc,
        "exif": picture.exif and EXIF_PREFIX + picture.exif,
    }
    if format in ("jpeg", "webp", "avif", "heic"):
        options |= {"quality": quality, "xmp": picture.xmp}
    if format in ("jpeg", "gif"):
        options["comment"] = dict(picture.text).get("Comment", "").encode()
    if format == "jpeg":
        options["subsampling"] = "4:4:4"
    elif format == "webp":
        options["lossless"] = quality == 100
    elif format == "avif" and (len(picture.pixels.shape) == 3 or picture.alpha is not None):
        options["subsampling"] = "4:4:4"
    elif format == "png":
        # Suits photographs: as small as the default strategy and four times faster.
        options |= {"compress_type": zlib.Z_RLE, "pnginfo": png.metadata_chunks(picture)}
    return {name: value for name, value in options.items() if value}


def _animation_options(picture: Picture, format: str, more: Sequence[Picture]) -> dict[str, Any]:
    """What `Image.save` is to be told besides, for an animation."""
    options: dict[str, Any] = {
        "save_all": True,
        "append_images": [_with_alpha(frame, format) for frame in more],
        "duration": [frame.duration for frame in (picture, *more)],
        "loop": picture.plays,
    }
    if format == "gif":
        del options["loop"]
        if picture.plays != 1:  # it counts repetitions
            options["loop"] = max(picture.plays - 1, 0)
        if any(frame.alpha is not None for frame in (picture, *more)):
            options["disposal"] = 2  # what is transparent does not show the frame before
    return options


def _with_alpha(picture: Picture, format: str) -> Image.Image:
    image = _as_image(picture.pixels)
    if picture.alpha is None:
        return image
    alpha = _as_image(picture.alpha)
    if not _MOST[format].alpha:
        return Image.composite(image, Image.new(image.mode, image.size, "white"), alpha)
    if format == "gif":  # all or nothing
        alpha = alpha.point(lambda opacity: 255 * (opacity > 127))
    image.putalpha(alpha)
    return image


def _write_by_pillow(picture: Picture, path: Path, format: str, options: dict[str, Any]) -> None:
    image = _with_alpha(picture, format)
    if format == "heic":
        save_heic(image, path, **options)
    else:
        image.save(path, format, **options)


def _as_image(values: np.ndarray | PillowCanvas) -> Image.Image:
    if isinstance(values, PillowCanvas):
        return values.image
    return Image.fromarray(to_eight_bits(values))
