"""Tags of TIFF structures, byte for byte: of TIFF files, and of the EXIF inside other files.

Values stay the bytes that they are, in the byte order of their structure, so that no text and
no tag of an unusual type changes on its way.
"""

import struct
from enum import IntEnum
from typing import BinaryIO, Literal, NamedTuple

ByteOrder = Literal["<", ">"]
BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, POINTER, LONG8 = 1, 2, 3, 4, 5, 7, 13, 16
# How one value of each type is packed; the last three types are of BigTIFF.
CODES = {BYTE: "B", ASCII: "c", SHORT: "H", LONG: "I", RATIONAL: "II", 6: "b", UNDEFINED: "c"}
CODES |= {8: "h", 9: "i", 10: "ii", 11: "f", 12: "d", POINTER: "I", LONG8: "Q", 17: "q", 18: "Q"}
SIZES = {kind: struct.calcsize(f"<{code}") for kind, code in CODES.items()}


class Tag(IntEnum):
    """Those tags that this project reads or writes by name."""

    SUBFILE_TYPE = 254
    OLD_SUBFILE_TYPE = 255
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    FILL_ORDER = 266
    STRIP_OFFSETS = 273
    ORIENTATION = 274
    SAMPLES = 277
    ROWS_PER_STRIP = 278
    STRIP_SIZES = 279
    X_RESOLUTION = 282
    Y_RESOLUTION = 283
    PLANAR = 284
    RESOLUTION_UNIT = 296
    PREDICTOR = 317
    COLOUR_MAP = 320
    TILE_WIDTH = 322
    TILE_HEIGHT = 323
    TILE_OFFSETS = 324
    TILE_SIZES = 325
    SUB_FOLDERS = 330
    INK_SET = 332
    EXTRA_SAMPLES = 338
    SAMPLE_FORMAT = 339
    SUBSAMPLING = 530
    REFERENCE_BLACK_WHITE = 532
    XMP = 700
    IPTC = 33723
    PHOTOSHOP = 34377
    ICC = 34675
    DNG_VERSION = 50706


class Layout(NamedTuple):
    """Byte order of a structure, and whether it is a BigTIFF."""

    order: ByteOrder
    big: bool = False


# How a structure of each layout begins.
_MARKS = {Layout("<"): b"II*\0", Layout(">"): b"MM\0*"}
_MARKS |= {Layout("<", big=True): b"II+\0", Layout(">", big=True): b"MM\0+"}
STARTS = tuple(_MARKS.values())


class Value(NamedTuple):
    """A tag's value: TIFF's number of its type, its bytes, and where a file has them."""

    kind: int
    data: bytes
    at: int = 0

    def numbers(self, order: str) -> tuple[float, ...]:
        """The value as numbers; none where it is not numbers."""
        if CODES[self.kind] == "c":
            return ()
        rows = struct.iter_unpack(order + CODES[self.kind], self.data)
        return tuple(row[0] if len(row) == 1 else row[0] / row[1] if row[1] else 0 for row in rows)


class Folder(dict[int, "Value | Folder"]):
    """The tags of a folder ("IFD"); a tag that points to a folder has that as its value."""

    order: ByteOrder = "<"

    def bytes_of(self, tag: int) -> bytes:
        value = self.get(tag)
        return value.data if isinstance(value, Value) else b""

    def numbers(self, tag: int, default: tuple[float, ...] = ()) -> tuple[float, ...]:
        value = self.get(tag)
        return (value.numbers(self.order) if isinstance(value, Value) else ()) or default

    def whole(self, tag: int) -> list[int]:
        return list(map(int, self.numbers(tag)))

    def number(self, tag: int, default: int = 0) -> int:
        return int(self.numbers(tag, (default,))[0])

    def put(self, tag: int, *numbers: int) -> None:
        """Set a tag to whole numbers, in the shortest type that holds them."""
        kind = next(kind for kind in (SHORT, LONG, LONG8) if max(numbers) < 256 ** SIZES[kind])
        self[tag] = Value(kind, struct.pack(f"{self.order}{len(numbers)}{CODES[kind]}", *numbers))


def read_header(file: BinaryIO) -> tuple[Layout, int]:
    """Layout of the structure in `file`, and where its first folder is.

    Raises:
        ValueError: It does not start as a TIFF structure.
    """
    start = read_at(file, 0, 8)
    layout = {mark: layout for layout, mark in _MARKS.items()}.get(start[:4])
    if layout is None:
        raise ValueError("no TIFF structure")
    pointer = read_at(file, 8, 8) if layout.big else start[4:]
    return layout, struct.unpack(layout.order + ("Q" if layout.big else "I"), pointer)[0]


def read_folder(file: BinaryIO, layout: Layout, offset: int) -> tuple[Folder, int]:
    """The folder at `offset`, without tags whose value is damaged, and where the next one is."""
    entries, end = read_entries(file, layout, offset)
    folder = Folder()
    folder.order = layout.order
    for tag, value in entries:
        folder.setdefault(tag, value)
    code, size = ("Q", 8) if layout.big else ("I", 4)
    return folder, struct.unpack(layout.order + code, read_at(file, end, size))[0]


def read_entries(
    file: BinaryIO, layout: Layout, offset: int
) -> tuple[list[tuple[int, Value]], int]:
    """Tags and values of the folder at `offset`, none damaged, and where its entries end."""
    order, big = layout
    count_code, entry_code, offset_code = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
    entry_bytes = struct.calcsize(order + entry_code)
    (count,) = struct.unpack(order + count_code, read_at(file, offset, 8 if big else 2))
    at = offset + (8 if big else 2)
    entries = []
    packed = read_at(file, at, count * entry_bytes)
    for tag, kind, values, field in struct.iter_unpack(order + entry_code, packed):
        at += entry_bytes
        size, start = values * SIZES.get(kind, 0), at - len(field)
        try:
            if size > len(field):
                (start,) = struct.unpack(order + offset_code, field)
                field = read_at(file, start, size)
        except ValueError:
            continue
        if size:
            entries.append((tag, Value(kind, field[:size], start)))
    return entries, at


def read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    """Exactly these bytes.

    Raises:
        ValueError: The file ends before them.
    """
    if offset + size > file.seek(0, 2):
        raise ValueError("it ends too early")
    file.seek(offset)
    return file.read(size)


def structure(folder: Folder, layout: Layout) -> bytes:
    """A whole TIFF structure of one folder and those in it."""
    start = header(layout, 8)
    return start + folder_bytes(folder, layout, len(start))


def header(layout: Layout, first: int) -> bytes:
    """The first 8 or 16 bytes of a structure; `first` is where its first folder is."""
    if layout.big:
        return _MARKS[layout] + struct.pack(layout.order + "HHQ", 8, 0, first)
    return _MARKS[layout] + struct.pack(layout.order + "I", first)


def folder_bytes(folder: Folder, layout: Layout, offset: int) -> bytes:
    """The folder and its values, to be written at `offset`, an even number."""
    order, big = layout
    code, inline, pointer = ("Q", 8, LONG8) if big else ("I", 4, LONG)
    entries = struct.pack(order + ("Q" if big else "H"), len(folder))
    at = offset + len(entries) + len(folder) * (20 if big else 12) + inline
    values = b""
    for tag, value in sorted(folder.items()):
        if isinstance(value, Folder):
            kind, count, field = pointer, 1, struct.pack(order + code, at + len(values))
            values += folder_bytes(value, layout, at + len(values))
        else:
            kind, field, _ = value
            count = len(field) // SIZES[kind]
            if len(field) > inline:
                values, field = values + field, struct.pack(order + code, at + len(values))
        values += bytes(len(values) % 2)
        entries += struct.pack(order + "HH" + code, tag, kind, count) + field.ljust(inline, b"\0")
    return entries + bytes(inline) + values
