"""EXIF of a picture file, and the few entries that upscaling makes untrue, changed in place.

EXIF is a small TIFF structure whose offsets (those inside a camera maker's notes as well)
break when it is written anew. So its bytes stay where they are and only values change:
orientation, pixel counts, and the link to the thumbnail, which shows the picture as it was.
"""

import io
import struct
from collections.abc import Iterator

from PIL import Image, TiffImagePlugin

_PREFIX = b"Exif\0\0"
_ORIENTATION, _EXIF_FOLDER = 0x0112, 0x8769
_WIDTHS, _HEIGHTS = {0x0100, 0xA002}, {0x0101, 0xA003}
_SHORT, _LONG = 3, 4
# Of a TIFF file's own tags those that describe the scene, not how the pixels are stored:
# description, maker, model, software, date, artist, copyright, EXIF and GPS folders.
_DESCRIPTIVE_TAGS = (270, 271, 272, 305, 306, 315, 33432, 34665, 34853)


def exif_of(image: Image.Image) -> bytes:
    """EXIF of a file opened and loaded by Pillow as a TIFF structure; empty if it has none."""
    if image.format == "TIFF":  # Pillow has already turned its pixels upright
        structure = io.BytesIO()
        descriptive_tags(image.getexif()).save(structure)
        return structure.getvalue()
    raw = image.info.get("exif")
    if raw is None and "Raw profile type exif" in image.info:  # as ImageMagick writes PNG files
        raw = image.getexif().tobytes()
    return (raw or b"").removeprefix(_PREFIX)


def descriptive_tags(exif: Image.Exif | bytes) -> TiffImagePlugin.ImageFileDirectory_v2:
    """Those entries that may go among the tags of a new TIFF file."""
    if isinstance(exif, bytes):
        source = Image.Exif()
        source.load(exif)
        exif = source
    tags = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    for tag in _DESCRIPTIVE_TAGS:
        value = exif.get_ifd(tag) or exif.get(tag)
        if value:
            tags[tag] = value
    return tags


def exif_orientation(exif: bytes) -> int:
    """How to turn the stored pixels, 1 (not at all) to 8; 1 where the entry is missing."""
    try:
        order = _byte_order(exif)
        for tag, kind, value in _entries(exif, order, _first_folder(exif, order)):
            if tag == _ORIENTATION and kind == _SHORT:
                orientation = struct.unpack_from(order + "H", exif, value)[0]
                return orientation if 1 <= orientation <= 8 else 1
    except struct.error:
        pass
    return 1


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
        for tag, _, value in entries.copy():
            if tag == _EXIF_FOLDER:
                folder = struct.unpack_from(order + "I", exif, value)[0]
                entries += _entries(exif, order, folder)
        for tag, kind, value in entries:
            if tag == _ORIENTATION:
                struct.pack_into(order + "HH", changed, value, 1, 0)
            elif tag in _WIDTHS | _HEIGHTS and kind in (_SHORT, _LONG):
                struct.pack_into(order + "H", changed, value - 6, _LONG)  # may exceed 65535
                struct.pack_into(order + "I", changed, value, width if tag in _WIDTHS else height)
    except struct.error:
        return b""
    return bytes(changed)


def _byte_order(exif: bytes) -> str:
    orders = {b"II*\0": "<", b"MM\0*": ">"}
    if exif[:4] not in orders:
        raise struct.error("no EXIF")
    return orders[exif[:4]]


def _first_folder(exif: bytes, order: str) -> int:
    return struct.unpack_from(order + "I", exif, 4)[0]


def _entries(exif: bytes, order: str, folder: int) -> Iterator[tuple[int, int, int]]:
    """Tag, type and position of the value field of each entry of the folder at this offset."""
    for i in range(struct.unpack_from(order + "H", exif, folder)[0]):
        start = folder + 2 + 12 * i
        tag, kind, _, _ = struct.unpack_from(order + "HHI4s", exif, start)
        yield tag, kind, start + 8
