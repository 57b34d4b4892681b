"""EXIF of a picture file, and the few entries that upscaling makes untrue, changed in place.

EXIF is a small TIFF structure whose offsets (those inside a camera maker's notes as well)
break when it is written anew. So its bytes stay where they are and only values change:
orientation, pixel counts, and the link to the thumbnail, which shows the picture as it was.
"""

import io
import re
import struct
from collections.abc import Iterator
from typing import BinaryIO

from .tiff_tags import (
    BYTE,
    CODES,
    LONG,
    RATIONALS,
    SHORT,
    SIZES,
    Folder,
    Layout,
    read_folder,
    read_header,
)

EXIF_PREFIX = b"Exif\0\0"  # in JPEG files
_ORIENTATION, EXIF_FOLDER, _GPS_FOLDER, _INTEROPERABILITY = 0x0112, 0x8769, 0x8825, 0xA005
_WIDTHS, _HEIGHTS = {0x0100, 0xA002}, {0x0101, 0xA003}
# How numbers of each type are stored; bytes are no numbers to Pillow.
_NUMBERS = {kind: code for kind, code in CODES.items() if kind != BYTE}
_NUMBERS |= {kind: 2 * code for kind, code in RATIONALS.items()}
# Of a TIFF file's own tags those that describe the scene, not how the pixels are stored:
# document, description, maker, model, software, date, artist, computer, rating, copyright, and
# what Windows adds; then EXIF and GPS folders.
_DESCRIPTIVE = {269, 270, 271, 272, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096)}
_FOLDERS = {EXIF_FOLDER: {_INTEROPERABILITY}, _GPS_FOLDER: set()}


def descriptive_tags(file: BinaryIO, layout: Layout, folder: Folder) -> Folder:
    """Those tags of a TIFF structure's first folder that may describe another file's picture.

    EXIF and GPS folders that are damaged are left out.
    """
    kept = Folder({tag: value for tag, value in folder.items() if tag in _DESCRIPTIVE})
    for tag, inner in _FOLDERS.items():
        if (below := _folder_below(file, layout, folder, tag)) is not None:
            kept[tag] = below
            for inner_tag in inner & below.keys():
                deepest = _folder_below(file, layout, below, inner_tag)
                below.pop(inner_tag)
                if deepest is not None:
                    below[inner_tag] = deepest
    kept.order = layout.order
    return kept


def tags_of_exif(exif: bytes) -> Folder:
    """Those entries of EXIF that may go among the tags of a new TIFF file."""
    if not exif:
        return Folder()
    file = io.BytesIO(exif)
    layout, first = read_header(file)
    return descriptive_tags(file, layout, read_folder(file, layout, first)[0])


def _folder_below(file: BinaryIO, layout: Layout, folder: Folder, tag: int) -> Folder | None:
    try:
        return read_folder(file, layout, int(folder.number(tag)))[0] if tag in folder else None
    except ValueError:
        return None


def exif_orientation(exif: bytes, xmp: bytes = b"") -> int:
    """How to turn the stored pixels, 1 (not at all) to 8, as Pillow finds it.

    By EXIF's entry, a number of whatever type, or else by that of the XMP; 1 where neither
    says.
    """
    try:
        file = io.BytesIO(exif)
        layout, first = read_header(file)
        folder, _ = read_folder(file, layout, first)
    except (ValueError, struct.error):
        folder = Folder()
    found = re.search(rb'tiff:Orientation(?:="|>)([0-9])', xmp)
    if _ORIENTATION in folder:
        turn = folder.number(_ORIENTATION, 1) if folder[_ORIENTATION].kind in _NUMBERS else 1
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
    changed = bytearray(exif)
    try:
        order = _byte_order(exif)
        main = _first_folder(exif, order)
        entries = list(_entries(exif, order, main))
        struct.pack_into(order + "I", changed, main + 2 + 12 * len(entries), 0)  # thumbnail
        for tag, kind, count, _, value in entries.copy():
            if tag == EXIF_FOLDER and count == 1 and kind in (LONG, 13):
                folder = struct.unpack_from(order + "I", exif, value)[0]
                entries += _entries(exif, order, folder)
        for tag, kind, count, start, value in entries:
            if tag == _ORIENTATION and kind in _NUMBERS:
                code = _NUMBERS[kind]
                struct.pack_into(order + code, changed, value, *[1] * len(code))
            elif tag in _WIDTHS | _HEIGHTS and kind in (SHORT, LONG) and count == 1:
                struct.pack_into(order + "H", changed, start + 2, LONG)  # may exceed 65535
                struct.pack_into(order + "I", changed, value, width if tag in _WIDTHS else height)
    except struct.error:
        return b""
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


def _byte_order(exif: bytes) -> str:
    orders = {b"II*\0": "<", b"MM\0*": ">"}
    if exif[:4] not in orders:
        raise struct.error("no EXIF")
    return orders[exif[:4]]


def _first_folder(exif: bytes, order: str) -> int:
    return struct.unpack_from(order + "I", exif, 4)[0]


def _entries(exif: bytes, order: str, folder: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Of each entry of the folder there: tag, type, count, its position, that of its value."""
    for i in range(struct.unpack_from(order + "H", exif, folder)[0]):
        start = folder + 2 + 12 * i
        tag, kind, count, pointer = struct.unpack_from(order + "HHII", exif, start)
        inline = count * SIZES.get(kind, 1) <= 4
        yield tag, kind, count, start, start + 8 if inline else pointer
