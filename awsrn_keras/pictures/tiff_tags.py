"""Tags of TIFF structures, byte for byte: of TIFF files, and of the EXIF inside other files.

Values stay the bytes that they are, in the byte order of their structure, so that no text and
no tag of an unusual type changes on its way.
"""

from struct import Struct, calcsize, iter_unpack
from typing import BinaryIO, Literal, NamedTuple

BYTE, SHORT, LONG, UNDEFINED, POINTER, LONG8 = 1, 3, 4, 7, 13, 16
# How one value of each type is packed; the last three types are of BigTIFF.
CODES = {BYTE: "B", 2: "c", SHORT: "H", LONG: "I", 5: "II", 6: "b", UNDEFINED: "c", 8: "h"}
CODES |= {9: "i", 10: "ii", 11: "f", 12: "d", POINTER: "I", LONG8: "Q", 17: "q", 18: "Q"}
SIZES = {kind: calcsize(f"<{code}") for kind, code in CODES.items()}


class Layout(NamedTuple):
    """Byte order of a structure, and whether it is a BigTIFF."""

    order: Literal["<", ">"] = "<"
    big: bool = False

    @property
    def offset(self) -> Struct:
        return Struct(self.order + ("Q" if self.big else "I"))

    @property
    def length(self) -> Struct:
        """How many entries a folder has."""
        return Struct(self.order + ("Q" if self.big else "H"))

    @property
    def entry(self) -> Struct:
        """Tag, type, how many values, and the values or their offset."""
        return Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))


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
        rows = iter_unpack(order + CODES[self.kind], self.data)
        return tuple(row[0] if len(row) == 1 else row[0] / row[1] if row[1] else 0 for row in rows)


class Folder(dict[int, "Value | Folder"]):
    """The tags of a folder ("IFD"); a tag that points to a folder has that as its value."""

    layout = Layout()

    def bytes_of(self, tag: int) -> bytes:
        value = self.get(tag)
        return value.data if isinstance(value, Value) else b""

    def numbers(self, tag: int, *default: float) -> tuple[float, ...]:
        value = self.get(tag)
        return (value.numbers(self.layout.order) if isinstance(value, Value) else ()) or default


def read_folder(file: BinaryIO, layout: Layout, offset: int) -> Folder:
    """The folder at `offset`, without tags whose value is damaged."""
    folder = Folder()
    folder.layout = layout
    for tag, value in read_entries(file, layout, offset)[0]:
        folder.setdefault(tag, value)
    return folder


def read_first_folder(file: BinaryIO) -> Folder:
    """As `read_folder`, the first one of the structure in `file`.

    Raises:
        ValueError: It does not start as a TIFF structure, or the folder is damaged.
    """
    return read_folder(file, *read_header(file))


def read_header(file: BinaryIO) -> tuple[Layout, int]:
    """Layout of the structure in `file`, and where its first folder is.

    Raises:
        ValueError: It does not start as a TIFF structure.
    """
    start = read_at(file, 0, 4)
    for layout, mark in _MARKS.items():
        if start == mark:
            size = layout.offset.size  # also where it is
            return layout, layout.offset.unpack(read_at(file, size, size))[0]
    raise ValueError("no TIFF structure")


def read_entries(
    file: BinaryIO, layout: Layout, offset: int
) -> tuple[list[tuple[int, Value]], int]:
    """Tags and values of the folder at `offset`, none damaged, and where its entries end."""
    at = offset + layout.length.size
    (count,) = layout.length.unpack(read_at(file, offset, layout.length.size))
    packed = read_at(file, at, count * layout.entry.size)
    entries = []
    for tag, kind, values, field in layout.entry.iter_unpack(packed):
        at += layout.entry.size
        size, start = values * SIZES.get(kind, 0), at - len(field)
        try:
            if size > len(field):
                (start,) = layout.offset.unpack(field)
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


def structure(folder: Folder) -> bytes:
    """A whole TIFF structure of one folder and those in it."""
    layout = Layout(folder.layout.order)
    return header(layout, 8) + folder_bytes(folder, layout, 8)


def header(layout: Layout, first: int) -> bytes:
    """The first 8 or 16 bytes of a structure; `first` is where its first folder is."""
    size = Struct(layout.order + "HH").pack(8, 0) if layout.big else b""
    return _MARKS[layout] + size + layout.offset.pack(first)


def folder_bytes(folder: Folder, layout: Layout, offset: int) -> bytes:
    """The folder and its values, to be written at `offset`, an even number."""
    entries, values = layout.length.pack(len(folder)), b""
    at = offset + len(entries) + len(folder) * layout.entry.size + layout.offset.size
    for tag, value in sorted(folder.items()):
        place = at + len(values)
        if isinstance(value, Folder):
            kind, count, field = LONG8 if layout.big else LONG, 1, layout.offset.pack(place)
            values += folder_bytes(value, layout, place)
        else:
            kind, field, _ = value
            count = len(field) // SIZES[kind]
            if len(field) > layout.offset.size:
                values, field = values + field, layout.offset.pack(place)
        values += bytes(len(values) % 2)
        entries += layout.entry.pack(tag, kind, count, field)
    return entries + bytes(layout.offset.size) + values
