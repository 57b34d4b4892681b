"""TIFF files read as what their tags mean.

tifffile decodes the samples as they are stored. Polarity, palette, inks and the kind of alpha
are then a matter of arrays.
"""

import contextlib
import io
import logging
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile

from .cmyk import cmyk_to_srgb
from .exif import descriptive_tags
from .picture import Picture, Unsupported
from .tiff_tags import Folder, read_at, read_first_folder, structure

if TYPE_CHECKING:
    from tifffile import TiffFrame, TiffPage

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # notes of what it can mend

_STRIP_SIZES, _X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 279, 282, 283, 296
_INK_SET, _REFERENCE_BLACK_WHITE, _XMP, _ICC, _DNG_VERSION = 332, 532, 700, 34675, 50706
_FULL_RANGES = (0, 255, 128, 255, 128, 255)
_LEFT_OUT = {
    "IPTC and Photoshop's data": {33723, 34377},
    "georeference": {33550, 33922, 34264, 34735},
}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _YCBCR: 3}
_PREMULTIPLIED = 1  # colours were multiplied by alpha ("associated")
_OPACITIES = {_PREMULTIPLIED, 2}
_OTHER_PHOTOMETRICS = {4: "a mask", 8: "CIELab", 9: "ICCLab", 10: "ITULab"}
_OTHER_PHOTOMETRICS |= {32844: "LogL", 32845: "LogLuv"}
_RAW = {32803, 34892}
_MOST_SAMPLES = 16
_UNSIGNED = {1, 4}  # 4 says that nothing is known
_SAMPLE_FORMATS = {2: "signed ", 3: "floating-point "}
_NO_COMPRESSION, _PACK_BITS = 1, 32773
_JPEGS, _JPEG2000S = {6, 7}, {33003, 33005, 34712}
# Also read: fax, LZW, Deflate twice, LZMA and Zstandard.
_COMPRESSIONS = {_NO_COMPRESSION, _PACK_BITS, 2, 3, 4, 5, 8, 32946, 34925, 50000}
_COMPRESSIONS |= _JPEGS | _JPEG2000S
_LARGEST_TILE = 2**30  # bytes


def read(file: BinaryIO, check_size: Callable[[int, int], None]) -> Picture:
    """Read the first picture of a TIFF or BigTIFF file; its orientation is not applied.

    Args:
        file: The file's content, any position.
        check_size: Called with the width and height that the tags declare; may raise.

    Raises:
        Unsupported: Pixels of a kind that is not read.
        ValueError: Damaged.
    """
    from tifffile import TiffFile  # takes a moment that other pictures need not wait

    folder = read_first_folder(file)
    file.seek(0)
    pages = _undamaged(TiffFile(file).pages)
    page = pages[0]
    _refuse_previews(file, folder, pages)
    if page.imagewidth < 1 or page.imagelength < 1:
        raise ValueError("it declares no size")
    check_size(page.imagewidth, page.imagelength)
    _check_kind(page, folder)
    _check_streams(page, file)
    pixels, alpha, icc, notes = _as_meant(_samples(page), page, folder.bytes_of(_ICC))
    tags = descriptive_tags(file)
    left_out = [what for what, them in _LEFT_OUT.items() if them & folder.keys()]
    return Picture(
        pixels,
        alpha,
        exif=structure(tags) if tags else b"",
        icc=icc,
        dpi=_dpi(folder),
        format="tiff",
        frames=1 + sum(not _is_reduced(other) for other in pages[1:]),
        xmp=folder.bytes_of(_XMP),
        left_out=(*left_out, *notes),
    )


def _undamaged(pages: "Iterable[TiffPage | TiffFrame]") -> list["TiffPage"]:
    """Those before the first damaged one."""
    taken = []
    with contextlib.suppress(Exception):
        for page in pages:
            taken.append(page.aspage())
    return taken


def _is_reduced(page: "TiffPage") -> bool:
    """Whether it is a smaller version of a picture or a mask of one."""
    return bool(page.subfiletype & 5)


def _refuse_previews(file: BinaryIO, folder: Folder, pages: list["TiffPage"]) -> None:
    first, *others = pages
    others += _undamaged(first.pages or ())
    raw = _DNG_VERSION in folder or any(page.photometric in _RAW for page in (first, *others))
    if raw or read_at(file, 0, 10)[8:] == b"CR":
        raise Unsupported("a raw photograph, whose sensor data are not read; develop it to TIFF")
    if _is_reduced(first) and not all(map(_is_reduced, others)):
        raise Unsupported(
            "its first picture is a small preview of another in it, as in raw photographs; "
            "save or develop it as plain TIFF"
        )


def _check_kind(page: "TiffPage", folder: Folder) -> None:
    """Raise `Unsupported` where samples of this kind are not read."""
    photometric, samples = page.photometric, page.samplesperpixel
    if photometric not in _COLOURS:
        kind = _OTHER_PHOTOMETRICS.get(photometric, f"photometric interpretation {photometric:d}")
        raise Unsupported(f"its colours are {kind}; save it as RGB")
    if not _COLOURS[photometric] <= samples <= _MOST_SAMPLES:
        raise Unsupported(f"{samples} channels; save it as RGB or grey")
    bits = np.unique(page.bitspersample)
    formats = {*np.ravel(page.sampleformat).tolist()} - _UNSIGNED
    if formats or len(bits) > 1 or not 1 <= bits[0] <= 16:
        depths = " and ".join(f"{count}-bit" for count in bits)
        kind = "".join(_SAMPLE_FORMATS.get(number, "complex ") for number in formats)
        raise Unsupported(f"{depths} {kind}pixels; save it with 8 or 16 bits, unsigned")
    if page.compression not in _COMPRESSIONS:
        name = getattr(page.compression, "name", page.compression)
        raise Unsupported(f"its compression ({name}) is not read; save it with LZW")
    if photometric == _YCBCR and page.compression not in _JPEGS:
        ranges = folder.numbers(_REFERENCE_BLACK_WHITE, *_FULL_RANGES)
        if page.is_subsampled or ranges != _FULL_RANGES:
            raise Unsupported("YCbCr of an unusual layout; save it as RGB")
    if photometric == _CMYK and folder.numbers(_INK_SET, 1) != (1,):
        raise Unsupported("its inks are not cyan, magenta, yellow and black; save it as RGB")


def _check_streams(page: "TiffPage", file: BinaryIO) -> None:
    """Raise ValueError where a strip or tile declares to its decoder more pixels than it has."""
    reader = Jpeg2KImageFile if page.compression in _JPEG2000S else JpegImageFile
    if page.compression in _JPEGS | _JPEG2000S:
        most = page.tilewidth * page.tilelength or page.imagewidth * page.rowsperstrip
        for offset, size in zip(page.dataoffsets, page.databytecounts, strict=False):
            width, height = reader(io.BytesIO(read_at(file, offset, size))).size
            if width * height > most:
                raise ValueError(f"a strip or tile of it declares {width} x {height} pixels")


def _samples(page: "TiffPage") -> np.ndarray:
    """All samples as stored (YCbCr as RGB), uint8 or uint16 `(height, width, samples)`."""
    height, width, samples = page.imagelength, page.imagewidth, page.samplesperpixel
    if page.is_tiled and page.tilewidth * page.tilelength * samples * 2 > _LARGEST_TILE:
        raise ValueError("its tiles have no sensible size")
    if page.compression in (_NO_COMPRESSION, _PACK_BITS):
        page.predictor = 1  # means nothing without a better compression
    if page.compression == _NO_COMPRESSION and _STRIP_SIZES not in page.tags and page.rowsperstrip:
        row_bytes = math.ceil(width * samples * page.bitspersample / 8)
        page.databytecounts = (row_bytes * page.rowsperstrip,) * len(page.dataoffsets)
    elif not page.is_tiled and page.compression not in _JPEGS | _JPEG2000S:
        page.tilewidth, page.tilelength = width, page.rowsperstrip  # the last one may be padded
    planes = page.asarray(squeeze=False)[:, 0]  # (planes, height, width, samples of a plane)
    values = np.moveaxis(planes, 0, -2).reshape(height, width, samples)
    if page.photometric == _YCBCR and page.compression not in _JPEGS:
        values = np.asarray(Image.fromarray(values, "YCbCr").convert("RGB"))
    return values.astype(np.uint8 if page.bitspersample <= 8 else np.uint16, copy=False)


def _as_meant(
    values: np.ndarray, page: "TiffPage", icc: bytes
) -> tuple[np.ndarray, np.ndarray | None, bytes, list[str]]:
    """Pixels, alpha or None, profile and notes of samples as stored."""
    photometric, bits = page.photometric, page.bitspersample
    colours, notes = _COLOURS[photometric], []
    kinds = (*page.extrasamples, *[0] * _MOST_SAMPLES)[: values.shape[2] - colours]
    alpha, premultiplied = None, False
    for at, kind in enumerate(kinds, colours):
        if kind in _OPACITIES and alpha is None:
            alpha, premultiplied = _scaled(values[..., at], bits), kind == _PREMULTIPLIED
    if others := len(kinds) - (alpha is not None):
        notes.append(f"{others} extra channel{'s' if others > 1 else ''}")
    if photometric == _PALETTE:
        pixels = _from_palette(values[..., 0], page)
    else:
        pixels = _scaled(values[..., :colours], bits)
    top = np.iinfo(pixels.dtype).max
    if photometric == _WHITE_IS_ZERO:
        pixels = top - pixels
    if alpha is not None and premultiplied and photometric != _PALETTE:
        opacity = np.maximum(alpha, 1).astype(np.uint32)[..., None]
        pixels = np.minimum((pixels.astype(np.uint32) * top + opacity // 2) // opacity, top)
        pixels = pixels.astype(alpha.dtype)
    if photometric == _CMYK:
        pixels, icc = cmyk_to_srgb(pixels, icc)
        if np.iinfo(pixels.dtype).max != top:
            notes.append("16 bits (CMYK is converted by its profile with 8)")
            alpha = None if alpha is None else (alpha // 257).astype(np.uint8)
    pixels = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    return pixels, alpha, icc, notes


def _scaled(values: np.ndarray, bits: int) -> np.ndarray:
    """0 to 2**bits - 1 as 0 to 255, or beyond 8 bits as 0 to 65535."""
    if bits in (8, 16):
        return values
    most, top = 2**bits - 1, np.iinfo(values.dtype).max
    return ((values.astype(np.uint32) * top + most // 2) // most).astype(values.dtype)


def _from_palette(indices: np.ndarray, page: "TiffPage") -> np.ndarray:
    if page.bitspersample > 8:
        raise Unsupported(f"a palette of {page.bitspersample} bits; save it as RGB")
    colours = np.asarray(page.colormap).reshape(3, -1)
    # Some files hold 8-bit values instead of 16-bit ones.
    colours = colours if colours.max() < 256 else colours // 256
    return colours.T.astype(np.uint8)[indices]


def _dpi(folder: Folder) -> tuple[float, float] | None:
    unit = {2: 1, 3: 2.54}.get(int(folder.numbers(_RESOLUTION_UNIT, 2)[0]))
    if unit is None:
        return None
    return folder.numbers(_X_RESOLUTION, 0)[0] * unit, folder.numbers(_Y_RESOLUTION, 0)[0] * unit
