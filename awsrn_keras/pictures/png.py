"""PNG files: their chunks read one by one, their pixels decoded by Pillow.

Pillow refuses files whose texts or profile unzip to more than a megabyte, compares colour
keys with pixels that it has scaled, and cuts 16-bit colour to 8. So it is given the pixels
alone, and reads 16-bit colour twice: its unpacker keeps one byte of each value, and, told the
opposite byte order, a second pass gives the others.
"""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin

from .exif import EXIF_PREFIX
from .picture import Picture, Unsupported
from .tiff_tags import read_at

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_CHUNKS = (b"gAMA", b"cHRM", b"sRGB", b"cICP")
_XMP = "XML:com.adobe.xmp"
_EXIF_TEXTS = ("Raw profile type exif", "Raw profile type APP1")  # as ImageMagick writes it
_UNZIPPED_BYTES = 2**26  # of all texts and the profile of a file
_STRIP_BYTES = 1 << 20
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6
_DEPTHS = {_GREY: (1, 2, 4, 8, 16), _RGB: (8, 16), _PALETTE: (1, 2, 4, 8)}
_DEPTHS |= {_GREY_ALPHA: (8, 16), _RGBA: (8, 16)}


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
    width, height, depth, colour_type = struct.unpack(">IIBB", header[:10])
    if depth not in _DEPTHS.get(colour_type, ()):
        raise ValueError(f"{depth} bits of colour type {colour_type}")
    check_size(width, height)
    plain = [SIGNATURE, _chunk(name, header)]
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
    if b"PLTE" in single:
        plain.append(_chunk(b"PLTE", single[b"PLTE"]))
    plain += [*data, _chunk(b"IEND", b"")]
    pixels, alpha = _pixels(b"".join(plain), depth, colour_type, single)
    return Picture(pixels, alpha, **_metadata(single, texts))


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


def _pixels(
    plain: bytes, depth: int, colour_type: int, chunks: dict[bytes, bytes]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Pixels and alpha or None of the PNG file `plain`, without texts, profile and so on."""
    image = PngImagePlugin.PngImageFile(io.BytesIO(plain))
    sixteen = depth == 16 and colour_type != _GREY
    if sixteen:
        low = PngImagePlugin.PngImageFile(io.BytesIO(plain))
        # For grey with alpha, four bytes a pixel that lie in an RGBA image as in the file.
        raw = "RGBA" if colour_type == _GREY_ALPHA else f"{image.mode};16L"
        low.tile = [tile._replace(args=raw) for tile in low.tile]
        low_bytes = np.asarray(low)
    if sixteen and colour_type == _GREY_ALPHA:
        values = np.ascontiguousarray(low_bytes).view(">u2").astype(np.uint16)
    elif sixteen:
        values = np.asarray(image).astype(np.uint16)
        values <<= 8
        values |= low_bytes
    else:
        values = np.array(image)  # a copy that may be changed
    if colour_type == _PALETTE:
        return _from_palette(values, chunks)
    if depth == 1:
        values = values.astype(np.uint8) * np.uint8(255)
    if colour_type in (_GREY_ALPHA, _RGBA):
        return values[..., 0] if colour_type == _GREY_ALPHA else values[..., :3], values[..., -1]
    return values, _from_colour_key(values, depth, chunks.get(b"tRNS"))


def _from_palette(
    indices: np.ndarray, chunks: dict[bytes, bytes]
) -> tuple[np.ndarray, np.ndarray | None]:
    table = np.zeros((256, 4), np.uint8)
    table[:, 3] = 255
    colours = np.frombuffer(chunks.get(b"PLTE", b"")[:768], np.uint8)
    colours = colours[: len(colours) // 3 * 3].reshape(-1, 3)
    table[: len(colours), :3] = colours
    opacity = np.frombuffer(chunks.get(b"tRNS", b"")[:256], np.uint8)
    table[: len(opacity), 3] = opacity
    return table[indices, :3], table[indices, 3] if b"tRNS" in chunks else None


def _from_colour_key(values: np.ndarray, depth: int, key: bytes | None) -> np.ndarray | None:
    """Alpha of a file that names one colour, in its own bits, as transparent; None without."""
    samples = 1 if values.ndim == 2 else 3
    if key is None or len(key) != 2 * samples:
        return None
    most, top = 2**depth - 1, np.iinfo(values.dtype).max
    colour = np.frombuffer(key, ">u2").astype(np.uint32) & most
    hidden = (values.reshape(*values.shape[:2], samples) == colour * (top // most)).all(axis=2)
    return np.where(hidden, 0, top).astype(values.dtype)


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
    """Write uint16 `(height, width, channels)`, 1 to 4 channels.

    The metadata are those that Pillow writes with these options of `Image.save`.
    """
    small = io.BytesIO()
    Image.new("L", (1, 1)).save(small, "PNG", **options)
    height, width, channels = pixels.shape
    colour_type = {1: _GREY, 2: _GREY_ALPHA, 3: _RGB, 4: _RGBA}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(SIGNATURE + _chunk(b"IHDR", header))
        for name, content in _chunks(small):
            if name not in (b"IHDR", b"IDAT", b"IEND"):
                file.write(_chunk(name, content))
        compressor = zlib.compressobj(6, strategy=zlib.Z_RLE)
        row_bytes = 2 * width * channels
        above = np.zeros((1, row_bytes), np.uint8)
        rows_at_once = max(1, _STRIP_BYTES // row_bytes)
        for top in range(0, height, rows_at_once):
            band = pixels[top : top + rows_at_once].astype(">u2")
            rows = band.view(np.uint8).reshape(len(band), row_bytes)
            filtered = np.empty((len(band), 1 + row_bytes), np.uint8)
            filtered[:, 0] = 2  # each row is stored as its difference from the row above
            filtered[:, 1:] = rows - np.concatenate([above, rows[:-1]])
            file.write(_chunk(b"IDAT", compressor.compress(filtered.data)))
            above = rows[-1:]
        file.write(_chunk(b"IDAT", compressor.flush()))
        file.write(_chunk(b"IEND", b""))
