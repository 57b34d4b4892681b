"""Picture files in and out: pixels as arrays, with the metadata that a user wants back.

Only numpy and Pillow are needed. Pixels are always upright: an EXIF orientation is applied
while reading, once, and the tag then says "upright".
"""

import contextlib
import io
import math
import os
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from ..errors import InputError, damaged_file
from .exif import exif_of, exif_orientation, upright_exif
from .formats import SUFFIXES, available
from .heic import is_heic, open_heic
from .sixteen_bit import join_bytes, low_byte_tiles, sixteen_bit_grey, with_colour_key

MAX_MEGAPIXELS = 100

_OPENERS = tuple(name.upper() for name in SUFFIXES if name != "heic" and available(name))
# MPO is a JPEG with more pictures after it (a preview, the other eye): no animation.
_FORMATS = {name.upper(): name for name in SUFFIXES} | {"MPO": "jpeg", "HEIF": "heic"}
_PILLOW_LIMIT = Image.MAX_IMAGE_PIXELS
_limit_lock = threading.Lock()


@dataclass(frozen=True)
class Picture:
    """An upright picture and what its file said about it.

    Attributes:
        pixels: uint8 or uint16, RGB `(height, width, 3)` or grey `(height, width)`.
        alpha: Opacity `(height, width)` of the same dtype, None where all is opaque.
        exif: A TIFF structure; empty where there is none.
        icc: Colour profile that fits the pixels (RGB or grey); empty where there is none.
        dpi: Horizontal and vertical pixels per inch, or None.
        format: Of the file, a key of `formats.SUFFIXES`.
        frames: Images in the file; `pixels` are those of the first.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    exif: bytes = b""
    icc: bytes = b""
    dpi: tuple[float, float] | None = None
    format: str = "png"
    frames: int = 1


def read_picture(path: str | os.PathLike, max_megapixels: float = MAX_MEGAPIXELS) -> Picture:
    """Read a picture file of one of `formats.SUFFIXES`, whatever its name ends in.

    Palettes become RGB, CMYK becomes sRGB (through its profile where it has one), 16 bits
    stay 16 bits. Damage that leaves no trace for the decoder, such as a changed byte in a
    JPEG or BMP, cannot be noticed; PNG files carry checksums and are verified.

    Args:
        path: The file.
        max_megapixels: A larger declared size is refused before anything is decoded.

    Raises:
        InputError: Missing, no picture, too large, damaged, or of a kind not supported
            (floating point or 32-bit values).
    """
    with _refusals(path), contextlib.ExitStack() as files:
        return _picture(path, _open(path, max_megapixels, files), files)


def read_size(path: str | os.PathLike, max_megapixels: float = MAX_MEGAPIXELS) -> tuple[int, int]:
    """Stored width and height of a picture file, from its header alone.

    Raises:
        InputError: As `read_picture`, as far as the header shows.
    """
    with _refusals(path), contextlib.ExitStack() as files:
        return _open_header(path, max_megapixels, files).size


@contextlib.contextmanager
def _refusals(path) -> Iterator[None]:
    """Turn whatever goes wrong in reading a picture file into an `InputError`."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise InputError(f"{path}: {error.strerror}.") from None
    except InputError:
        raise
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


def to_eight_bits(values: np.ndarray) -> np.ndarray:
    """uint16 values / 257, rounded to uint8; uint8 as it is."""
    if values.dtype == np.uint8:
        return values
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


@contextlib.contextmanager
def _own_limit() -> Iterator[None]:
    """Switch Pillow's limit on pixels off, since `max_megapixels` replaces it."""
    with _limit_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on metadata it cannot parse, which is no harm here
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = _PILLOW_LIMIT


def _open(path, max_megapixels, files):
    """The file with its header read and its size checked, nothing decoded."""
    image = _open_header(path, max_megapixels, files)
    if image.format == "PNG":
        image.verify()  # of all checksums; the file must be opened again afterwards
        image = _open_header(path, max_megapixels, files)
    return image


def _open_header(path, max_megapixels, files):
    try:
        with _own_limit():
            image = files.enter_context(Image.open(path, formats=_OPENERS))
    except UnidentifiedImageError:
        if not isinstance(path, (str, os.PathLike)) or not is_heic(path):
            raise
        image = files.enter_context(open_heic(path))
    width, height = image.size
    if width * height > max_megapixels * 1e6:
        raise InputError(
            f"{path}: declares {width} x {height} pixels, more than the limit of "
            f"{max_megapixels:g} megapixels (--max-megapixels)."
        )
    return image


def _load(image):
    large = math.prod(image.size) > _PILLOW_LIMIT
    with _own_limit() if large else contextlib.nullcontext():
        image.load()


def _picture(path, image, files):
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    pixels, alpha, icc = _arrays(path, image, files)
    height, width = pixels.shape[:2]
    return Picture(
        pixels,
        alpha,
        exif=upright_exif(exif_of(image), width, height),
        icc=icc,
        dpi=_dpi(image),
        format=_FORMATS[image.format],
        frames=frames,
    )


def _arrays(path, image, files):
    """Upright pixels, alpha or None, and the profile that fits the pixels."""
    low_tiles = low_byte_tiles(image)
    grey_alpha = low_tiles is not None and "LA" in image.tile[0].args
    _load(image)
    icc = image.info.get("icc_profile") or b""
    if low_tiles is not None:
        low = _open(path, math.inf, files)
        low.tile = low_tiles
        _load(low)
        pixels = join_bytes(image, low, grey_alpha)
        pixels, alpha = with_colour_key(image, *_split(pixels))
    elif image.mode.startswith("I"):
        pixels, alpha = with_colour_key(image, sixteen_bit_grey(image), None)
    else:
        image, icc = _plain_mode(image, icc)
        pixels, alpha = _split(np.array(image))
    turn = exif_orientation(exif_of(image))
    icc = icc if icc[16:20] == (b"GRAY" if pixels.ndim == 2 else b"RGB ") else b""
    return _upright(pixels, turn), None if alpha is None else _upright(alpha, turn), icc


def _plain_mode(image, icc):
    """The image in mode L, LA, RGB or RGBA, and its profile."""
    if image.mode == "F":
        raise ValueError("floating-point pixels; save it with 8 or 16 bits")
    if image.mode == "CMYK":
        return _cmyk_to_srgb(image, icc)
    grey = image.mode in ("1", "L", "LA", "La")
    transparent = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    mode = ("L" if grey else "RGB") + ("A" if transparent else "")
    return image.convert(mode) if image.mode != mode else image, icc


def _cmyk_to_srgb(image, icc):
    if icc[16:20] == b"CMYK":
        with contextlib.suppress(ImageCms.PyCMSError):  # a broken profile is as good as none
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
            image = ImageCms.profileToProfile(image, source, srgb, outputMode="RGB")
            return image, srgb.tobytes()
    return image.convert("RGB"), b""


def _split(values):
    """Pixels and alpha or None of `(height, width[, 2, 3 or 4])`."""
    if values.ndim == 2 or values.shape[2] == 3:
        return values, None
    alpha = np.ascontiguousarray(values[..., -1])
    pixels = values[..., 0] if values.shape[2] == 2 else values[..., :3]
    return np.ascontiguousarray(pixels), alpha


def _upright(values, orientation):
    """Pixels turned and mirrored as the EXIF orientation says, 1 to 8."""
    if orientation >= 5:
        values = values.swapaxes(0, 1)
    vertical = -1 if orientation in (3, 4, 7, 8) else 1
    horizontal = -1 if orientation in (2, 3, 6, 7) else 1
    return np.ascontiguousarray(values[::vertical, ::horizontal])


def _dpi(image):
    dpi = tuple(float(side) for side in image.info.get("dpi", ()))
    return dpi if len(dpi) == 2 and all(0 < side < 1e6 for side in dpi) else None
