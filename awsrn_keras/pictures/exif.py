"""EXIF of a picture file, and the few entries that upscaling makes untrue, changed in place.

EXIF is a small TIFF structure whose offsets (those inside a camera maker's notes as well)
break when it is written anew. So its bytes stay where they are and only values change:
orientation, pixel counts, and the link to the thumbnail, which shows the picture as it was.
"""

import io
import re
import struct
from typing import BinaryIO

from .tiff_tags import (
    BYTE,
    CODES,
    LONG,
    POINTER,
    SHORT,
    SIZES,
    Folder,
    Value,
    read_entries,
    read_first_folder,
    read_folder,
    read_header,
)

EXIF_PREFIX = b"Exif\0\0"  # in JPEG files
_ORIENTATION, _EXIF_FOLDER, _GPS_FOLDER, _INTEROPERABILITY = 0x0112, 0x8769, 0x8825, 0xA005
_WIDTHS, _HEIGHTS = {0x0100, 0xA002}, {0x0101, 0xA003}
# Bytes are no numbers to Pillow.
_NUMBERS = {kind: code for kind, code in CODES.items() if kind != BYTE and code != "c"}
# Of a TIFF file's own tags those that describe the scene, not how the pixels are stored:
# document, description, maker, model, software, date, artist, computer, rating, copyright, and
# what Windows adds; then EXIF and GPS folders.
_DESCRIPTIVE = {269, 270, 271, 272, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096)}
_DESCRIPTIVE |= {_ORIENTATION}
_FOLDERS: dict[int, dict] = {_EXIF_FOLDER: {_INTEROPERABILITY: {}}, _GPS_FOLDER: {}}


def descriptive_tags(file: BinaryIO) -> Folder:
    """Those tags of a TIFF structure's first folder that may describe another file's picture.

    EXIF and GPS folders that are damaged are left out.
    """
    folder = read_first_folder(file)
    for tag in folder.keys() - _DESCRIPTIVE - _FOLDERS.keys():
        del folder[tag]
    _read_below(file, folder, _FOLDERS)
    return folder


def _read_below(file: BinaryIO, folder: Folder, inner: dict[int, dict]) -> None:
    """Put the folders themselves in place of the tags of `inner`, which point to them."""
    for tag in folder.keys() & inner.keys():
        try:
            below = read_folder(file, folder.layout, int(folder.numbers(tag, 0)[0]))
        except (ValueError, OverflowError):
            del folder[tag]
            continue
        _read_below(file, below, inner[tag])
        folder[tag] = below


def exif_orientation(exif: bytes, xmp: bytes = b"") -> int:
    """How to turn the stored pixels, 1 (not at all) to 8, as Pillow finds it.

    By EXIF's entry, a number of whatever type, or else by that of the XMP; 1 where neither
    says.
    """
    try:
        folder = read_first_folder(io.BytesIO(exif))
    except ValueError:
        folder = Folder()
    found = re.search(rb'tiff:Orientation(?:="|>)([0-9])', xmp)
    if isinstance(own := folder.get(_ORIENTATION), Value):
        turn = folder.numbers(_ORIENTATION)[0] if own.kind in _NUMBERS else 1
    else:
        turn = int(found[1]) if found else 1
    return int(turn) if turn in range(1, 9) else 1


def upright_exif(exif: bytes, width: int, height: int) -> bytes:
    """EXIF bytes that describe an upright picture of this size, without its old thumbnail.

    Args:
        exif: EXIF as a TIFF structure, without the `Exif\\0\\0` that JPEG puts before it.

    Returns:
        A changed copy of the same length, or nothing where `exif` cannot be parsed.
    """
    changed, file = bytearray(exif), io.BytesIO(exif)
    try:
        layout, first = read_header(file)
        entries, end = read_entries(file, layout, first)
        for tag, value in entries.copy():
            if tag == _EXIF_FOLDER and value.kind in (LONG, POINTER) and len(value.data) == 4:
                (folder,) = value.numbers(layout.order)
                entries += read_entries(file, layout, int(folder))[0]
        number = struct.Struct(layout.order + "I")
        number.pack_into(changed, end, 0)  # thumbnail
    except (ValueError, struct.error):
        return b""
    if layout.big:
        return b""
    for tag, (kind, data, at) in entries:
        if tag == _ORIENTATION and kind in _NUMBERS:
            code = _NUMBERS[kind]
            struct.pack_into(layout.order + code, changed, at, *[1] * len(code))
        elif tag in _WIDTHS | _HEIGHTS and kind in (SHORT, LONG) and len(data) == SIZES[kind]:
            struct.pack_into(layout.order + "H", changed, at - 6, LONG)  # may exceed 65535
            number.pack_into(changed, at, width if tag in _WIDTHS else height)
    return bytes(changed)


def upright_xmp(xmp: bytes, width: int, height: int) -> bytes:
    """An XMP packet that describes an upright picture of this size."""
    for names, value in (
        (b"tiff:Orientation", 1),
        (b"tiff:ImageWidth|exif:PixelXDimension", width),
        (b"tiff:ImageLength|exif:PixelYDimension", height),
    ):
        pattern = rb"((?:%s)(?:\s*=\s*[\"']|>))[0-9]+" % names
        xmp = re.sub(pattern, rb"\g<1>%d" % value, xmp)
    return xmp
