"""TIFF files read as what their tags mean.

Polarity, palette, inks and the kind of alpha are a matter of arrays once the samples are had
(`tiff_samples`). Pillow decodes what is compressed as pixels, not as bytes (JPEG, fax), and
YCbCr.
"""

from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image, TiffImagePlugin

from .cmyk import cmyk_to_srgb
from .exif import descriptive_tags
from .picture import Picture, Unsupported
from .tiff_samples import BYTEWISE, read_samples
from .tiff_tags import (
    Folder,
    Layout,
    Tag,
    read_at,
    read_folder,
    read_header,
    structure,
)

_FULL_RANGES = (0, 255, 128, 255, 128, 255)
_LEFT_OUT: dict[str, set[int]] = {
    "IPTC and Photoshop's data": {Tag.IPTC, Tag.PHOTOSHOP},
    "georeference": {33550, 33922, 34264, 34735},
}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _YCBCR: 3}
# What Pillow decodes: the mode to have it in, and what that means.
_PILLOW = {
    "1": ("L", _BLACK_IS_ZERO),
    "L": ("L", _BLACK_IS_ZERO),
    "RGB": ("RGB", _RGB),
    "CMYK": ("CMYK", _CMYK),
    "YCbCr": ("RGB", _YCBCR),
}
_PREMULTIPLIED = 1  # colours were multiplied by alpha ("associated")
_OPACITIES = {_PREMULTIPLIED, 2}
_OTHER_PHOTOMETRICS = {4: "a mask", 8: "CIELab", 9: "ICCLab", 10: "ITULab", 32803: "raw"}
_OTHER_PHOTOMETRICS |= {32844: "LogL", 32845: "LogLuv", 34892: "raw"}
_RAW = {32803, 34892}
_MOST_SAMPLES = 16
_UNSIGNED = {1, 4}  # 4 says that nothing is known
_SAMPLE_FORMATS = {2: "signed ", 3: "floating-point "}


def read(file: BinaryIO, check_size: Callable[[int, int], None]) -> Picture:
    """Read the first picture of a TIFF or BigTIFF file; its orientation is not applied.

    Args:
        file: The file's content, any position.
        check_size: Called with the width and height that the tags declare; may raise.

    Raises:
        Unsupported: Pixels of a kind that is not read.
        ValueError: Damaged.
    """
    layout, first = read_header(file)
    folders = list(_chain(file, layout, first))
    folder = folders[0]
    _refuse_previews(file, layout, folders)
    width, height = folder.number(Tag.WIDTH), folder.number(Tag.HEIGHT)
    if width < 1 or height < 1:
        raise ValueError("it declares no size")
    check_size(width, height)
    samples, bits, photometric = _checked_kind(folder)
    tags = descriptive_tags(file, layout, folder)
    if folder.number(Tag.COMPRESSION, 1) in BYTEWISE and photometric != _YCBCR:
        values = read_samples(file, layout, folder, samples, bits)
        if Tag.ORIENTATION in folder:
            tags[Tag.ORIENTATION] = folder[Tag.ORIENTATION]
    else:
        values, photometric = _by_pillow(file, layout, samples, bits)
        bits = 8
        tags.put(Tag.ORIENTATION, 1)  # Pillow has turned it
    pixels, alpha, icc, notes = _as_meant(values, bits, photometric, folder)
    left_out = [what for what, them in _LEFT_OUT.items() if them & folder.keys()]
    return Picture(
        pixels,
        alpha,
        exif=structure(tags, Layout(layout.order)) if tags else b"",
        icc=icc,
        dpi=_dpi(folder),
        format="tiff",
        frames=1 + sum(_is_page(other) for other in folders[1:]),
        xmp=folder.bytes_of(Tag.XMP),
        left_out=(*left_out, *notes),
    )


def _chain(file: BinaryIO, layout: Layout, offset: int) -> Iterator[Folder]:
    """The folder at `offset` and those that follow it; a damaged one but the first ends them."""
    seen = set()
    while offset and offset not in seen:
        seen.add(offset)
        try:
            folder, offset = read_folder(file, layout, offset)
        except ValueError:
            if len(seen) == 1:
                raise
            return
        yield folder
    if not seen:
        raise ValueError("it holds no picture")


def _is_page(folder: Folder) -> bool:
    """Whether it is neither a smaller version of a picture nor a mask of one."""
    return not folder.number(Tag.SUBFILE_TYPE) & 5 and folder.number(Tag.OLD_SUBFILE_TYPE) != 2


def _refuse_previews(file: BinaryIO, layout: Layout, folders: list[Folder]) -> None:
    first, others = folders[0], list(folders[1:])
    for offset in first.whole(Tag.SUB_FOLDERS):
        try:
            others.append(read_folder(file, layout, offset)[0])
        except ValueError:
            continue
    raw = Tag.DNG_VERSION in first or any(other.number(Tag.PHOTOMETRIC) in _RAW for other in others)
    raw = raw or read_at(file, 0, 10)[8:] == b"CR"
    if raw or first.number(Tag.PHOTOMETRIC) in _RAW:
        raise Unsupported("a raw photograph, whose sensor data are not read; develop it to TIFF")
    if not _is_page(first) and any(map(_is_page, others)):
        raise Unsupported(
            "its first picture is a small preview of another in it, as in raw photographs; "
            "save or develop it as plain TIFF"
        )


def _checked_kind(folder: Folder) -> tuple[int, int, int]:
    """Samples of a pixel, bits of a sample and photometric interpretation, all supported."""
    photometric = folder.number(Tag.PHOTOMETRIC)
    if photometric not in _COLOURS:
        kind = _OTHER_PHOTOMETRICS.get(photometric, f"photometric interpretation {photometric}")
        raise Unsupported(f"its colours are {kind}; save it as RGB")
    samples = folder.number(Tag.SAMPLES, 1)
    if not _COLOURS[photometric] <= samples <= _MOST_SAMPLES:
        raise Unsupported(f"{samples} channels; save it as RGB or grey")
    bits = set(folder.numbers(Tag.BITS, (1,))[:samples])
    formats = set(folder.numbers(Tag.SAMPLE_FORMAT)) - _UNSIGNED
    if formats or len(bits) > 1 or not 1 <= min(bits) <= 16:
        depths = " and ".join(f"{count}-bit" for count in sorted(bits))
        kind = "".join(_SAMPLE_FORMATS.get(int(number), "complex ") for number in formats)
        raise Unsupported(f"{depths} {kind}pixels; save it with 8 or 16 bits, unsigned")
    if photometric == _YCBCR and folder.number(Tag.COMPRESSION, 1) == 1:
        ranges = folder.numbers(Tag.REFERENCE_BLACK_WHITE, _FULL_RANGES)
        if folder.numbers(Tag.SUBSAMPLING, (2, 2)) != (1, 1) or ranges != _FULL_RANGES:
            raise Unsupported("uncompressed YCbCr of an unusual layout; save it as RGB")
    if photometric == _CMYK and folder.number(Tag.INK_SET, 1) != 1:
        raise Unsupported("its inks are not cyan, magenta, yellow and black; save it as RGB")
    return samples, int(bits.pop()), photometric


def _by_pillow(file: BinaryIO, layout: Layout, samples: int, bits: int) -> tuple[np.ndarray, int]:
    """Samples of a file whose compression knows about pixels, and their interpretation."""
    if layout == (">", True):  # Pillow finds no size in it
        raise Unsupported("a big-endian BigTIFF compressed as JPEG; save it with LZW")
    file.seek(0)
    image: Image.Image = TiffImagePlugin.TiffImageFile(file)
    if image.mode not in _PILLOW or bits not in (1, 8) or samples != len(image.getbands()):
        compression = image.info.get("compression")
        raise Unsupported(f"{samples} channels of {bits} bits as {compression}; save it as LZW")
    image.load()
    mode, photometric = _PILLOW[image.mode]
    values = np.array(image if image.mode == mode else image.convert(mode))
    return np.atleast_3d(values), photometric


def _as_meant(
    values: np.ndarray, bits: int, photometric: int, folder: Folder
) -> tuple[np.ndarray, np.ndarray | None, bytes, list[str]]:
    """Pixels, alpha or None, profile and notes of samples as stored."""
    colours, notes, icc = _COLOURS[photometric], [], folder.bytes_of(Tag.ICC)
    kinds = (*folder.numbers(Tag.EXTRA_SAMPLES), *[0] * _MOST_SAMPLES)[: values.shape[2] - colours]
    alpha, premultiplied = None, False
    for at, kind in enumerate(kinds, colours):
        if kind in _OPACITIES and alpha is None:
            alpha, premultiplied = _scaled(values[..., at], bits), kind == _PREMULTIPLIED
    if others := len(kinds) - (alpha is not None):
        notes.append(f"{others} extra channel{'s' if others > 1 else ''}")
    if photometric == _PALETTE:
        pixels = _from_palette(values[..., 0], bits, folder)
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
    most, dtype = 2**bits - 1, np.uint8 if bits < 8 else np.uint16
    return ((values.astype(np.uint32) * np.iinfo(dtype).max + most // 2) // most).astype(dtype)


def _from_palette(indices: np.ndarray, bits: int, folder: Folder) -> np.ndarray:
    table = folder.numbers(Tag.COLOUR_MAP)
    if bits > 8:
        raise Unsupported(f"a palette of {bits} bits; save it as RGB")
    if len(table) < 3 * 2**bits:
        raise ValueError("its palette is too short")
    colours = np.array(table[: 3 * 2**bits]).reshape(3, -1)
    # Some files hold 8-bit values instead of 16-bit ones.
    colours = colours if colours.max() < 256 else colours // 256
    return colours.T.astype(np.uint8)[indices]


def _dpi(folder: Folder) -> tuple[float, float] | None:
    unit = {2: 1, 3: 2.54}.get(folder.number(Tag.RESOLUTION_UNIT, 2))
    if unit is None:
        return None
    across, down = (folder.numbers(tag, (0,))[0] for tag in (Tag.X_RESOLUTION, Tag.Y_RESOLUTION))
    return across * unit, down * unit
