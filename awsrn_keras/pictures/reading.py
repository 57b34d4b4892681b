"""Picture files in and out: pixels as arrays, with the metadata that a user wants back.

Pixels are always upright: an EXIF orientation is applied while reading, once, and the tag then
says "upright".
"""

import contextlib
import io
import os
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..errors import InputError, damaged_file
from ..urls import is_url, opened
from . import png, tiff
from .cmyk import cmyk_to_srgb
from .exif import EXIF_PREFIX, exif_orientation, upright_exif, upright_xmp
from .formats import SUFFIXES, available
from .heic import is_heic, open_heic
from .picture import Picture, Unsupported, to_eight_bits
from .tiff_tags import STARTS

Source = str | os.PathLike | BinaryIO
MAX_MEGAPIXELS = 100

# Those that Pillow reads. MPO is a JPEG with more pictures after it: no animation.
_OPENERS = ("JPEG", "WEBP", "BMP", "GIF", *(["AVIF"] if available("avif") else []))
_FORMATS = {name: name.lower() for name in _OPENERS} | {"MPO": "jpeg", "HEIF": "heic"}
# What phones store after the picture is described in its XMP.
_XMP_OF_MORE = rb"hdrgm:|HDRGainMap|MotionPhoto|MicroVideo|Container:Directory"
_LONG_XMP = b"http://ns.adobe.com/xmp/extension/"


class TooLarge(InputError):
    """A picture file that declares more pixels than the caller allows."""


class _SizeKnown(Exception):
    """Ends reading where nothing but the size was asked for."""


class _InTwoParts(io.BytesIO):
    """Gives 16 bytes first: Pillow would find a WebP file's size in 30 and apply its own limit."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(size if self.tell() else 16)


def read_picture(path: Source, max_megapixels: float = MAX_MEGAPIXELS) -> Picture:
    """Read a picture file of one of `formats.SUFFIXES`, whatever its name ends in.

    Palettes become RGB, CMYK becomes sRGB (through its profile where it has one), 16 bits
    stay 16 bits. Damage that leaves no trace for the decoder, such as a changed byte in a
    JPEG or BMP, cannot be noticed; PNG files carry checksums and are verified.

    Args:
        path: The file, or its open content.
        max_megapixels: A larger declared size is refused before anything is decoded.

    Raises:
        InputError: Missing, no picture, too large, damaged, or of a kind not supported
            (floating point or 32-bit values).
    """
    with _opened(path) as file:
        return _finished(_picture(file, partial(_check_pixels, path, max_megapixels)))


def read_animation(
    path: str | os.PathLike, max_megapixels: float = MAX_MEGAPIXELS
) -> list[Picture]:
    """All frames of an animation, each as it is shown, with the metadata of the first.

    Args:
        path: A GIF, WebP or PNG file.
        max_megapixels: Files whose frames have more pixels together are refused.

    Raises:
        InputError: As `read_picture`.
    """
    with _opened(path) as file:
        stored = _picture(file, partial(_check_pixels, path, max_megapixels))
        first, turn = _finished(stored), exif_orientation(stored.exif, stored.xmp)
        file.seek(0)
        image = _open(file, file.read(16), (*_OPENERS, "PNG"))
        begin = 1 if image.info.get("default_image") else 0  # of PNG: shown by other programs only
        numbers = range(begin, getattr(image, "n_frames", 1))
        height, width = first.pixels.shape[:2]
        _check_pixels(path, max_megapixels, width, height, len(numbers))
        loop = image.info.get("loop")
        if image.format == "GIF":  # counts repetitions
            loop = loop + 1 if loop else 1 if loop is None else 0
        if first.pixels.dtype == np.uint16:
            first = replace(first, left_out=(*first.left_out, "16 bits (read as 8)"))
        frames = []
        for number in numbers:
            image.seek(number)
            values = _upright(np.array(image.convert("RGBA")), turn)
            frames.append(
                replace(
                    first,
                    pixels=values[..., :3],
                    alpha=None if (values[..., 3] == 255).all() else values[..., 3],
                    duration=image.info.get("duration", 0),
                    plays=loop or 0,
                )
            )
        return frames


def read_size(path: str | os.PathLike, max_megapixels: float = MAX_MEGAPIXELS) -> tuple[int, int]:
    """Stored width and height of a picture file, from its header alone.

    Raises:
        InputError: As `read_picture`, as far as the header shows.
    """
    size = 0, 0

    def note(width: int, height: int) -> None:
        nonlocal size
        size = width, height
        _check_pixels(path, max_megapixels, *size)
        raise _SizeKnown

    with _opened(path, whole=False) as file, contextlib.suppress(_SizeKnown):
        _picture(file, note)
    return size


@contextlib.contextmanager
def _opened(path: Source, whole: bool = True) -> Iterator[BinaryIO]:
    """The file, open at its start; whatever goes wrong inside becomes an `InputError`."""
    try:
        if is_url(path):
            with opened(path, whole) as file:
                yield file
        elif isinstance(path, (str, os.PathLike)):
            with open(path, "rb") as file:
                yield file
        else:
            path.seek(0)
            yield path
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise InputError(f"{path}: {error.strerror}.") from None
    except InputError:
        raise
    except Unsupported as error:
        raise InputError(f"{path}: {error}.") from None
    except UnidentifiedImageError:
        *names, last = (name.upper() for name in SUFFIXES)
        raise InputError(
            f"{path}: not a {', '.join(names)} or {last} picture, or damaged at its start."
        ) from None
    except MemoryError:
        raise InputError(f"{path}: not enough memory to read it.") from None
    except Exception as error:  # a decoder fed a damaged file may raise anything
        raise damaged_file(path, "a supported picture", error) from error


def read_rgb(path: str | os.PathLike) -> np.ndarray:
    """Pixels of a picture file as uint8 RGB `(height, width, 3)`, upright, without alpha.

    Raises:
        InputError: As `read_picture`.
    """
    pixels = to_eight_bits(read_picture(path).pixels)
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels


def _check_pixels(
    path: Source, max_megapixels: float, width: int, height: int, frames: int = 1
) -> None:
    if width * height * frames > max_megapixels * 1e6:
        times = f"{frames} frames of " if frames > 1 else ""
        raise TooLarge(
            f"{path}: declares {times}{width} x {height} pixels, more than the limit of "
            f"{max_megapixels:g} megapixels."
        )


def _picture(file: BinaryIO, check_size: Callable[[int, int], None]) -> Picture:
    """The picture as stored, with EXIF and XMP as they are."""
    start = file.read(16)
    if start.startswith(png.SIGNATURE):
        return png.read(file, check_size)
    if start[:4] in STARTS:
        return tiff.read(file, check_size)
    image = _open(file, start)
    check_size(*image.size)
    image.load()
    if image.format == "AVIF":
        image.info["bit_depth"] = _avif_bits(file)
    return _by_pillow(image)


def _open(file: BinaryIO, start: bytes, openers: Sequence[str] = _OPENERS) -> Image.Image:
    """The file with its header read, by the first of Pillow's plugins that takes it.

    `Image.open` would refuse large pictures by a limit for the whole program, which is not
    ours to change.
    """
    Image.init()
    for format in openers:
        factory, accept = Image.OPEN[format]
        if accept is None or accept(start) is True:
            file.seek(0)
            content = _InTwoParts(file.read()) if format == "WEBP" else file
            with contextlib.suppress(SyntaxError, IndexError, TypeError, struct.error):
                return factory(content, "")
    if is_heic(start):
        return open_heic(file)
    raise UnidentifiedImageError


def _avif_bits(file: BinaryIO) -> int:
    """Bits of a sample, as the decoder's configuration in the file's header says."""
    file.seek(0)
    _, _, configuration = file.read(2**16).partition(b"av1C")
    return {0b10: 10, 0b11: 12}.get(int.from_bytes(configuration[2:3]) >> 5 & 3, 8)


def _by_pillow(image: Image.Image) -> Picture:
    info, left_out = image.info, []
    icc, xmp = info.get("icc_profile") or b"", info.get("xmp") or b""
    frames = getattr(image, "n_frames", 1)
    if image.format == "MPO":
        left_out.append(f"{frames - 1} more in the file: another view, a preview or a gain map")
        frames = 1
    if xmp and re.search(_XMP_OF_MORE, xmp):
        left_out.append("gain map, video or depth after the picture, and the XMP about it")
        xmp = b""
    applications = getattr(image, "applist", ())
    if any(content.startswith(_LONG_XMP) for _, content in applications):
        left_out.append("XMP beyond the first 64 kB")
    if any(name == "APP13" for name, _ in applications):
        left_out.append("IPTC and Photoshop's data")
    if info.get("bit_depth", 8) > 8:  # of AVIF and HEIC
        left_out.append(f"{info['bit_depth']} bits (read as 8)")
    comment, dpi = info.get("comment") or b"", info.get("dpi")
    if dpi == (72, 72) and not info.get("jfif_unit"):
        dpi = None  # Pillow's answer where EXIF says nothing
    pixels, alpha, icc = _arrays(image, icc)
    return Picture(
        pixels,
        alpha,
        exif=(info.get("exif") or b"").removeprefix(EXIF_PREFIX),
        icc=icc,
        dpi=dpi,
        format=_FORMATS[image.format or ""],
        frames=frames,
        xmp=xmp,
        text=(("Comment", _decoded(comment)),) if comment else (),
        left_out=tuple(left_out),
    )


def _arrays(image: Image.Image, icc: bytes) -> tuple[np.ndarray, np.ndarray | None, bytes]:
    """Pixels, alpha or None, and the profile that is theirs."""
    if image.mode == "CMYK":
        pixels, icc = cmyk_to_srgb(np.array(image), icc)
        return pixels, None, icc
    grey = image.mode in ("1", "L", "LA")
    transparent = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
    mode = ("L" if grey else "RGB") + ("A" if transparent else "")
    values = np.array(image if image.mode == mode else image.convert(mode))
    if not transparent:
        return values, None, icc
    return values[..., 0] if grey else values[..., :3], values[..., -1], icc


def _decoded(comment: bytes) -> str:
    try:
        return comment.decode("utf-8")
    except UnicodeDecodeError:
        return comment.decode("latin-1")


def _finished(picture: Picture) -> Picture:
    """The picture turned upright, its metadata true of that, and nothing that cannot be right."""
    turn = exif_orientation(picture.exif, picture.xmp)
    pixels = _upright(picture.pixels, turn)
    height, width = pixels.shape[:2]
    space = b"GRAY" if pixels.ndim == 2 else b"RGB "
    across, down = map(float, picture.dpi or (0, 0))
    dpi = (across, down) if turn < 5 else (down, across)
    return replace(
        picture,
        pixels=pixels,
        alpha=None if picture.alpha is None else _upright(picture.alpha, turn),
        exif=upright_exif(picture.exif, width, height),
        icc=picture.icc if picture.icc[16:20] == space else b"",
        dpi=dpi if all(0 < side < 1e6 for side in dpi) else None,
        xmp=upright_xmp(picture.xmp, width, height),
    )


def _upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels turned and mirrored as the EXIF orientation says, 1 to 8."""
    if orientation >= 5:
        values = values.swapaxes(0, 1)
    vertical = -1 if orientation in (3, 4, 7, 8) else 1
    horizontal = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(values[::vertical, ::horizontal])
