"""PNG files: their chunks read one by one, their pixels decoded by libpng.

Decoders refuse files whose texts or profile unzip to more than a megabyte, so the decoder is
given the pixels alone.
"""

import io
import logging
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from PIL import Image, PngImagePlugin

from .exif import EXIF_PREFIX
from .picture import Picture, Unsupported
from .tiff_tags import read_at

logging.getLogger("imagecodecs").addHandler(logging.NullHandler())  # a note at interlaced files

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_CHUNKS = (b"gAMA", b"cHRM", b"sRGB", b"cICP")
_XMP = "XML:com.adobe.xmp"
_EXIF_TEXTS = ("Raw profile type exif", "Raw profile type APP1")  # as ImageMagick writes it
_UNZIPPED_BYTES = 2**26  # of all texts and the profile of a file


def read(file: BinaryIO, check_size: Callable[[int, int], None]) -> Picture:
    """Read a PNG file; an EXIF orientation is not applied.

    Args:
        file: The file's content, any position.
        check_size: Called with the width and height that the header declares; may raise.

    Raises:
        ValueError: Damaged.
    """
    chunks = _chunks(file)
    name, header = next(chunks, (b"", b""))
    if name != b"IHDR" or len(header) != 13:
        raise ValueError("it does not start with a header")
    check_size(*struct.unpack(">II", header[:8]))
    data, texts = [], []
    single: dict[bytes, bytes] = {}
    for name, content in chunks:
        if name == b"IDAT":
            data.append(_chunk(name, content))
        elif name in (b"tEXt", b"zTXt", b"iTXt"):
            texts.append((name, content))
        elif name[:1].isupper() and name not in (b"PLTE", b"IEND"):
            raise Unsupported(f"it needs the chunk {name.decode('latin-1')}; save it as plain PNG")
        else:
            single.setdefault(name, content)
    palette = [_chunk(name, single[name]) for name in (b"PLTE", b"tRNS") if name in single]
    plain = [SIGNATURE, _chunk(b"IHDR", header), *palette, *data, _chunk(b"IEND", b"")]
    values = np.atleast_3d(imagecodecs.png_decode(b"".join(plain)))
    transparent = values.shape[2] in (2, 4)
    return Picture(
        values[..., 0] if values.shape[2] < 3 else values[..., :3],
        values[..., -1] if transparent else None,
        **_metadata(single, texts),
    )


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each chunk, its checksum verified, until that named IEND."""
    at, name = len(SIGNATURE), b""
    while name != b"IEND":
        length, name = struct.unpack(">I4s", read_at(file, at, 8))
        content = read_at(file, at + 8, length + 4)
        if zlib.crc32(content[:-4], zlib.crc32(name)) != int.from_bytes(content[-4:]):
            raise ValueError(f"the checksum of its chunk {name.decode('latin-1')!r} is wrong")
        yield name, content[:-4]
        at += length + 12


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(content, zlib.crc32(name))
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def _metadata(chunks: dict[bytes, bytes], texts: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    """What the chunks say besides pixels, as arguments of `Picture`."""
    left_out, budget = [], _UNZIPPED_BYTES

    def unzipped(data: bytes, what: str) -> bytes | None:
        nonlocal budget
        try:
            decompressor = zlib.decompressobj()
            content = decompressor.decompress(data, budget + 1)
        except zlib.error:
            left_out.append(f"{what} (damaged)")
            return None
        if len(content) > budget:
            left_out.append(f"{what} (unzipped more than {_UNZIPPED_BYTES >> 20} MB)")
            return None
        budget -= len(content)
        return content

    exif, icc, xmp, kept = chunks.get(b"eXIf", b"").removeprefix(EXIF_PREFIX), b"", b"", []
    if b"iCCP" in chunks:
        icc = unzipped(chunks[b"iCCP"].partition(b"\0")[2][1:], "colour profile") or b""
    for name, content in texts:
        keyword, encoded, text = _parsed_text(name, content, unzipped)
        if text is None:
            continue
        if keyword == _XMP:
            xmp = text
        elif keyword in _EXIF_TEXTS and (raw := _raw_profile(text)):
            exif = exif or raw
        else:
            kept.append((keyword, text.decode(encoded, "replace")))
    if b"mDCV" in chunks or b"cLLI" in chunks:
        left_out.append("light levels of the HDR master")
    frames = struct.unpack(">I", chunks[b"acTL"][:4])[0] if b"acTL" in chunks else 1
    return {
        "exif": exif,
        "icc": icc,
        "dpi": _dpi(chunks.get(b"pHYs", b"")),
        "frames": frames,
        "xmp": xmp,
        "text": tuple(kept),
        "colour": tuple((name, chunks[name]) for name in COLOUR_CHUNKS if name in chunks),
        "left_out": tuple(left_out),
    }


def _parsed_text(
    name: bytes, content: bytes, unzipped: Callable[[bytes, str], bytes | None]
) -> tuple[str, str, bytes | None]:
    """Keyword, encoding and bytes (None where they are not to be had) of a text chunk."""
    start, _, rest = content.partition(b"\0")
    keyword, encoding, zipped = start.decode("latin-1"), "latin-1", name == b"zTXt"
    if zipped:
        rest = rest[1:]
    elif name == b"iTXt":
        zipped, encoding = rest[:1] == b"\1", "utf-8"
        rest = b"".join(rest[2:].split(b"\0", 2)[2:])
    return keyword, encoding, unzipped(rest, f"text {keyword!r}") if zipped else rest


def _raw_profile(text: bytes) -> bytes:
    """EXIF that a text holds in hexadecimal digits, after three lines; empty where it does not."""
    try:
        raw = bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode())
    except ValueError:
        return b""
    raw = raw.removeprefix(EXIF_PREFIX)
    return raw if raw[:2] in (b"II", b"MM") else b""


def _dpi(chunk: bytes) -> tuple[float, float] | None:
    if len(chunk) != 9 or chunk[8] != 1:
        return None
    across, down = struct.unpack(">II", chunk[:8])
    return across * 0.0254, down * 0.0254


def metadata_chunks(picture: Picture) -> PngImagePlugin.PngInfo:
    """Texts, XMP and what the colours mean as chunks; the profile, EXIF and dpi are not in it."""
    info = PngImagePlugin.PngInfo()
    for name, content in picture.colour:
        info.add(name, content)  # Pillow leaves sRGB out where there is a profile
    if picture.xmp:
        info.add_itxt(_XMP, picture.xmp)
    for keyword, text in picture.text:
        info.add_text(keyword, text, zip=len(text) > 1000)
    return info


def write_sixteen_bit(path: Path, pixels: np.ndarray, options: dict[str, Any]) -> None:
    """Write uint16 `(height, width)` or `(height, width, channels)`, 2 to 4 channels.

    Rows are stored as differences from the row above. The metadata are those that Pillow writes
    with these options of `Image.save`.
    """
    small, png, start = io.BytesIO(), imagecodecs.PNG, len(SIGNATURE) + 25
    Image.new("L", (1, 1)).save(small, "PNG", **options)
    names = (b"IHDR", b"IDAT", b"IEND")
    metadata = [_chunk(name, content) for name, content in _chunks(small) if name not in names]
    encoded = memoryview(
        imagecodecs.png_encode(pixels, 6, strategy=png.STRATEGY.RLE, filter=png.FILTER.UP)
    )
    with open(path, "wb") as file:
        file.writelines([encoded[:start], *metadata, encoded[start:]])
