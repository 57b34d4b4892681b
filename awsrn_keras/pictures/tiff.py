"""TIFF files: their layout read from the tags, their samples as what the tags mean.

libtiff, by way of Pillow, only uncompresses: it is shown the strips or tiles as those of an
8-bit grey picture. Bits, byte order, planes, predictor, polarity, palette and the kind of
alpha are then a matter of arrays. Pillow itself decodes what is compressed as pixels, not as
bytes (JPEG, fax), and YCbCr.
"""

import io
import math
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import ImageFile, TiffImagePlugin

from .cmyk import cmyk_to_srgb
from .exif import descriptive_tags, tags_of_exif
from .picture import Picture, Unsupported
from .tiff_tags import (
    LONG,
    LONG8,
    RATIONAL,
    SHORT,
    Folder,
    Layout,
    Value,
    folder_bytes,
    header,
    read_at,
    read_folder,
    read_header,
    structure,
)

SUBFILE_TYPE, OLD_SUBFILE_TYPE, WIDTH, HEIGHT, BITS, COMPRESSION = 254, 255, 256, 257, 258, 259
PHOTOMETRIC, FILL_ORDER, STRIP_OFFSETS, ORIENTATION, SAMPLES = 262, 266, 273, 274, 277
ROWS_PER_STRIP, STRIP_SIZES, X_RESOLUTION, Y_RESOLUTION, PLANAR = 278, 279, 282, 283, 284
RESOLUTION_UNIT, PREDICTOR, COLOUR_MAP, TILE_WIDTH, TILE_HEIGHT = 296, 317, 320, 322, 323
TILE_OFFSETS, TILE_SIZES, SUB_FOLDERS, INK_SET, EXTRA_SAMPLES = 324, 325, 330, 332, 338
SAMPLE_FORMAT, XMP, IPTC, PHOTOSHOP, ICC, DNG_VERSION = 339, 700, 33723, 34377, 34675, 50706
SUBSAMPLING, REFERENCE_BLACK_WHITE = 530, 532
_FULL_RANGES = (0, 255, 128, 255, 128, 255)
_GEOGRAPHY = {33550, 33922, 34264, 34735}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _YCBCR: 3}
_OTHER_PHOTOMETRICS = {4: "a mask", 8: "CIELab", 9: "ICCLab", 10: "ITULab", 32803: "raw"}
_OTHER_PHOTOMETRICS |= {32844: "LogL", 32845: "LogLuv", 34892: "raw"}
_RAW = {32803, 34892}
_LZW, _DEFLATE = 5, 8
_PREDICTABLE = {_LZW, _DEFLATE, 32946, 34925, 50000}  # with LZMA and Zstandard
_BYTEWISE = {1, 32773, *_PREDICTABLE}
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_GROUP_BYTES = 2**24  # decoded at a time
_MOST_SAMPLES, _LARGEST_SEGMENT = 16, 2**30
_STRIP_BYTES = 2**20
CLASSIC_BYTES = 2**32 - 2**20  # beyond, offsets need a BigTIFF


class _Segments(NamedTuple):
    """How the samples lie in strips or tiles, which are `across` by `down` in each plane."""

    tiled: bool
    width: int
    height: int
    across: int
    down: int
    planes: int
    depth: int  # samples of a pixel in one plane
    row_bytes: int
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]


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
    width, height = int(folder.number(WIDTH)), int(folder.number(HEIGHT))
    if width < 1 or height < 1:
        raise ValueError("it declares no size")
    check_size(width, height)
    samples, bits, photometric = _checked_kind(folder)
    tags = descriptive_tags(file, layout, folder)
    icc = _bytes(folder, ICC)
    if folder.number(COMPRESSION, 1) in _BYTEWISE and photometric != _YCBCR:
        values = _samples(file, layout, folder, samples, bits)
        if ORIENTATION in folder:
            tags[ORIENTATION] = folder[ORIENTATION]
    else:
        values, photometric = _by_pillow(file, layout, samples, bits)
        bits = 8
        tags.put(ORIENTATION, SHORT, 1)  # Pillow has turned it
    left_out = _what_is_left_out(folder)
    pixels, alpha, icc, notes = _as_meant(values, bits, photometric, folder, icc)
    return Picture(
        pixels,
        alpha,
        exif=structure(tags, Layout(layout.order)) if tags else b"",
        icc=icc,
        dpi=_dpi(folder),
        format="tiff",
        frames=1 + sum(_is_page(other) for other in folders[1:]),
        xmp=_bytes(folder, XMP),
        left_out=(*left_out, *notes),
    )


def _chain(file, layout, offset) -> Iterator[Folder]:
    """The folder at `offset` and those that follow it; a damaged one but the first ends them."""
    seen = set()
    while offset and offset not in seen:
        seen.add(offset)
        try:
            folder, offset = read_folder(file, layout, offset)
        except (ValueError, struct.error):
            if len(seen) == 1:
                raise
            return
        yield folder
    if not seen:
        raise ValueError("it holds no picture")


def _is_page(folder):
    """Whether it is neither a smaller version of a picture nor a mask of one."""
    return not int(folder.number(SUBFILE_TYPE)) & 5 and folder.number(OLD_SUBFILE_TYPE) != 2


def _refuse_previews(file, layout, folders):
    first, others = folders[0], list(folders[1:])
    for offset in first.numbers(SUB_FOLDERS):
        try:
            others.append(read_folder(file, layout, int(offset))[0])
        except (ValueError, struct.error):
            continue
    raw = DNG_VERSION in first or any(other.number(PHOTOMETRIC) in _RAW for other in others)
    raw = raw or read_at(file, 0, 10)[8:] == b"CR"
    if raw or first.number(PHOTOMETRIC) in _RAW:
        raise Unsupported("a raw photograph, whose sensor data are not read; develop it to TIFF")
    if not _is_page(first) and any(map(_is_page, others)):
        raise Unsupported(
            "its first picture is a small preview of another in it, as in raw photographs; "
            "save or develop it as plain TIFF"
        )


def _checked_kind(folder):
    """Samples of a pixel, bits of a sample and photometric interpretation, all supported."""
    photometric = int(folder.number(PHOTOMETRIC))
    if photometric not in _COLOURS:
        kind = _OTHER_PHOTOMETRICS.get(photometric, f"photometric interpretation {photometric}")
        raise Unsupported(f"its colours are {kind}; save it as RGB")
    samples = int(folder.number(SAMPLES, 1))
    if not _COLOURS[photometric] <= samples <= _MOST_SAMPLES:
        raise Unsupported(f"{samples} channels; save it as RGB or grey")
    bits = set(folder.numbers(BITS, (1,))[:samples])
    formats = set(folder.numbers(SAMPLE_FORMAT, (1,))) - {1, 4}  # of the latter nothing is known
    if formats or len(bits) > 1 or not 1 <= min(bits) <= 16:
        depths = " and ".join(f"{count}-bit" for count in sorted(bits))
        kind = (
            {2: "signed ", 3: "floating-point "}.get(formats.pop(), "complex ") if formats else ""
        )
        raise Unsupported(f"{depths} {kind}pixels; save it with 8 or 16 bits, unsigned")
    if photometric == _YCBCR and folder.number(COMPRESSION, 1) == 1:
        ranges = folder.numbers(REFERENCE_BLACK_WHITE, _FULL_RANGES)
        if folder.numbers(SUBSAMPLING, (2, 2)) != (1, 1) or ranges != _FULL_RANGES:
            raise Unsupported("uncompressed YCbCr of an unusual layout; save it as RGB")
    if photometric == _CMYK and folder.number(INK_SET, 1) != 1:
        raise Unsupported("its inks are not cyan, magenta, yellow and black; save it as RGB")
    return samples, int(bits.pop()), photometric


def _samples(file, layout, folder, samples, bits):
    """All samples as stored, uint8 or uint16 `(height, width, samples)`."""
    width, height = int(folder.number(WIDTH)), int(folder.number(HEIGHT))
    compression, predictor = folder.number(COMPRESSION, 1), folder.number(PREDICTOR, 1)
    predictor = predictor if compression in _PREDICTABLE else 1
    if predictor != 1 and (predictor != 2 or bits not in (8, 16)):
        raise Unsupported(f"predictor {predictor:g} with {bits} bits; save it uncompressed")
    segments = _segments(folder, width, height, samples, bits)
    reverse = folder.number(FILL_ORDER, 1) == 2
    result = np.empty((height, width, samples), np.uint8 if bits <= 8 else np.uint16)
    for plane in range(segments.planes):
        channels = slice(plane, plane + 1) if segments.planes > 1 else slice(None)
        top = 0
        for numbers, row_counts in _groups(segments, height, plane):
            raw = [read_at(file, segments.offsets[n], segments.sizes[n]) for n in numbers]
            if reverse:
                raw = [piece.translate(_REVERSED) for piece in raw]
            rows = _uncompressed(raw, compression, segments, row_counts)
            values = _unpacked(rows, segments.width, segments.depth, bits, layout.order)
            if predictor == 2:
                np.cumsum(values, axis=1, dtype=values.dtype, out=values)
            if segments.across > 1:
                values = values.reshape(segments.across, -1, *values.shape[1:])
                values = np.concatenate(list(values), axis=1)
            values = values[: height - top, :width]
            result[top : top + len(values), :, channels] = values
            top += len(values)
    return result


def _segments(folder, width, height, samples, bits):
    tiled = TILE_WIDTH in folder
    if tiled:
        inner = int(folder.number(TILE_WIDTH)), int(folder.number(TILE_HEIGHT))
        offsets, sizes = folder.numbers(TILE_OFFSETS), folder.numbers(TILE_SIZES)
    else:
        inner = width, min(int(folder.number(ROWS_PER_STRIP)) or height, height)
        offsets, sizes = folder.numbers(STRIP_OFFSETS), folder.numbers(STRIP_SIZES)
    planes = samples if folder.number(PLANAR, 1) == 2 else 1
    depth = samples // planes
    row_bytes = math.ceil(inner[0] * depth * bits / 8)
    if min(inner) < 1 or (tiled and row_bytes * inner[1] > _LARGEST_SEGMENT):
        raise ValueError("its tiles have no sensible size")
    across, down = math.ceil(width / inner[0]), math.ceil(height / inner[1])
    count = planes * across * down
    if not sizes and folder.number(COMPRESSION, 1) == 1:
        sizes = (row_bytes * inner[1],) * count
        if not tiled and height % inner[1]:
            short = row_bytes * (height % inner[1])
            sizes = ((*sizes[: down - 1], short)) * planes
    if min(len(offsets), len(sizes)) < count:
        raise ValueError("it lacks strips or tiles")
    return _Segments(tiled, *inner, across, down, planes, depth, row_bytes, offsets, sizes)


def _groups(segments, height, plane) -> Iterator[tuple[range, list[int]]]:
    """Numbers and rows of segments to decode together: strips, or a row of tiles."""
    start = plane * segments.across * segments.down
    if segments.across > 1:
        for row in range(segments.down):
            first = start + row * segments.across
            yield range(first, first + segments.across), [segments.height] * segments.across
        return
    step = max(1, _GROUP_BYTES // (segments.row_bytes * segments.height))
    for first in range(0, segments.down, step):
        numbers = range(first, min(first + step, segments.down))
        rows = [segments.height] * len(numbers)
        if not segments.tiled and numbers[-1] == segments.down - 1:
            rows[-1] = height - numbers[-1] * segments.height
        yield range(start + numbers[0], start + numbers[-1] + 1), rows


class _BytesFile(TiffImagePlugin.TiffImageFile):
    """Without Pillow's limit on pixels, which here are bytes."""

    def load_prepare(self):
        ImageFile.ImageFile.load_prepare(self)


def _uncompressed(raw, compression, segments, row_counts):
    """The bytes of these segments, one below the other, uint8 `(rows, row_bytes)`."""
    if compression == 1:
        wanted = [segments.row_bytes * rows for rows in row_counts]
        if any(len(piece) < size for piece, size in zip(raw, wanted, strict=True)):
            raise ValueError("its strips or tiles are too short")
        data = b"".join(piece[:size] for piece, size in zip(raw, wanted, strict=True))
        return np.frombuffer(data, np.uint8).reshape(-1, segments.row_bytes)
    folder, layout = Folder(), Layout("<")
    for tag, value in (
        (WIDTH, segments.row_bytes),
        (HEIGHT, sum(row_counts)),
        (BITS, 8),
        (COMPRESSION, int(compression)),
        (PHOTOMETRIC, _BLACK_IS_ZERO),
        (SAMPLES, 1),
        (ROWS_PER_STRIP, segments.height),
    ):
        folder.put(tag, LONG if value > 65535 else SHORT, value)
    folder.put(STRIP_SIZES, LONG, *map(len, raw))
    starts = np.cumsum([8, *map(len, raw)]).tolist()
    folder.put(STRIP_OFFSETS, LONG, *starts[:-1])
    end = starts[-1] + starts[-1] % 2
    data = (header(layout, end) + b"".join(raw)).ljust(end, b"\0")
    image = _BytesFile(io.BytesIO(data + folder_bytes(folder, layout, end)))
    return np.array(image)


def _unpacked(rows, width, depth, bits, order):
    """Samples `(rows, width, depth)` of packed bytes `(rows, row_bytes)`."""
    if bits == 8:
        return rows[:, : width * depth].reshape(len(rows), width, depth)
    if bits == 16:
        return rows.view(order + "u2").astype(np.uint16).reshape(len(rows), width, depth)
    stream = np.unpackbits(rows, axis=1)[:, : width * depth * bits]
    stream = stream.reshape(len(rows), width, depth, bits)
    values = np.zeros(stream.shape[:3], np.uint8 if bits < 8 else np.uint16)
    for bit in range(bits):
        values = values << 1 | stream[..., bit]
    return values


def _by_pillow(file, layout, samples, bits):
    """Samples of a file whose compression knows about pixels, and their interpretation."""
    if layout == (">", True):  # Pillow finds no size in it
        raise Unsupported("a big-endian BigTIFF compressed as JPEG; save it with LZW")
    file.seek(0)
    image = TiffImagePlugin.TiffImageFile(file)
    compression = image.info.get("compression")
    known = {"1": _BLACK_IS_ZERO, "L": _BLACK_IS_ZERO, "RGB": _RGB, "CMYK": _CMYK}
    known["YCbCr"] = _YCBCR
    if image.mode not in known or bits not in (1, 8) or samples != len(image.getbands()):
        raise Unsupported(f"{samples} channels of {bits} bits as {compression}; save it as LZW")
    image.load()
    if image.mode == "YCbCr":
        image = image.convert("RGB")
    values = np.array(image)
    if image.mode == "1":
        values = values.astype(np.uint8) * np.uint8(255)
    return np.atleast_3d(values), known[image.mode]


def _as_meant(values, bits, photometric, folder, icc):
    """Pixels, alpha or None, profile and notes of samples as stored."""
    colours = _COLOURS[photometric]
    most, notes = 2**bits - 1, []
    kinds = folder.numbers(EXTRA_SAMPLES)
    extra = values.shape[2] - colours
    kinds = (*kinds, *[0] * extra)[:extra]
    alpha_at = next((i for i, kind in enumerate(kinds) if kind in (1, 2)), None)
    others = extra - (alpha_at is not None)
    if others:
        notes.append(f"{others} extra channel{'s' if others > 1 else ''}")
    alpha = None if alpha_at is None else _scaled(values[..., colours + alpha_at], bits)
    values = values[..., :colours]
    if photometric == _WHITE_IS_ZERO:
        values = most - values
    if photometric == _PALETTE:
        pixels = _from_palette(values[..., 0], bits, folder)
        if alpha is not None and alpha.dtype != pixels.dtype:
            raise Unsupported(f"a palette of {bits} bits; save it as RGB")
    else:
        pixels = _scaled(values, bits)
    top = np.iinfo(pixels.dtype).max
    if alpha_at is not None and kinds[alpha_at] == 1 and photometric != _PALETTE:
        # Colours were multiplied by alpha ("associated", "premultiplied").
        opacity = np.maximum(alpha, 1).astype(np.uint32)[..., None]
        pixels = np.minimum((pixels.astype(np.uint32) * top + opacity // 2) // opacity, top)
        pixels = pixels.astype(alpha.dtype)
    if photometric == _CMYK:
        deep = pixels.dtype
        pixels, icc = cmyk_to_srgb(pixels, icc)
        if pixels.dtype != deep:
            notes.append("16 bits (CMYK is converted by its profile with 8)")
            alpha = None if alpha is None else (alpha // 257).astype(np.uint8)
    pixels = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    contiguous = np.ascontiguousarray
    return contiguous(pixels), None if alpha is None else contiguous(alpha), icc, notes


def _scaled(values, bits):
    """0 to 2**bits - 1 as 0 to 255, or beyond 8 bits as 0 to 65535."""
    if bits in (8, 16):
        return values
    most, dtype = 2**bits - 1, np.uint8 if bits < 8 else np.uint16
    return ((values.astype(np.uint32) * np.iinfo(dtype).max + most // 2) // most).astype(dtype)


def _from_palette(indices, bits, folder):
    table = folder.numbers(COLOUR_MAP)
    if bits > 8:
        raise Unsupported(f"a palette of {bits} bits; save it as RGB")
    if len(table) < 3 * 2**bits:
        raise ValueError("its palette is too short")
    table = np.array(table[: 3 * 2**bits]).reshape(3, -1)
    # Some files hold 8-bit values instead of 16-bit ones.
    table = table if table.max() < 256 else table // 256
    return table.T.astype(np.uint8)[indices]


def _what_is_left_out(folder):
    left_out = []
    if IPTC in folder or PHOTOSHOP in folder:
        left_out.append("IPTC and Photoshop's data")
    if _GEOGRAPHY & folder.keys():
        left_out.append("georeference")
    return left_out


def _bytes(folder, tag):
    return folder[tag].data if isinstance(folder.get(tag), Value) else b""


def _dpi(folder):
    unit = {2: 1, 3: 2.54}.get(folder.number(RESOLUTION_UNIT, 2))
    sides = folder.number(X_RESOLUTION), folder.number(Y_RESOLUTION)
    return None if unit is None else tuple(side * unit for side in sides)


def write(path, pixels: np.ndarray, picture: Picture) -> None:
    """Write uint8 or uint16 `(height, width, channels)`, 1 to 4, and what `picture` says of it.

    Deflated; a BigTIFF where a TIFF would pass 4 GiB. The byte order is that of the EXIF, whose
    tags keep their bytes.
    """
    height, width, channels = pixels.shape
    folder = tags_of_exif(picture.exif)
    order = folder.order
    rows = max(1, _STRIP_BYTES // pixels[0].nbytes)
    offsets, sizes = [], []
    with open(path, "wb") as file:
        file.write(bytes(16))  # for the header
        for top in range(0, height, rows):
            band = pixels[top : top + rows].astype(pixels.dtype.newbyteorder(order))
            band[:, 1:] -= band[:, :-1].copy()
            offsets.append(file.tell())
            sizes.append(file.write(zlib.compress(band.tobytes(), 6)))
        file.write(bytes(file.tell() % 2))
        first = file.tell()
        metadata = len(picture.exif) + len(picture.icc) + len(picture.xmp) + 16 * len(sizes)
        big = first + metadata > CLASSIC_BYTES
        for tag, kind, *values in (
            (WIDTH, LONG, width),
            (HEIGHT, LONG, height),
            (BITS, SHORT, *[8 * pixels.itemsize] * channels),
            (COMPRESSION, SHORT, _DEFLATE),
            (PHOTOMETRIC, SHORT, _RGB if channels > 2 else _BLACK_IS_ZERO),
            (STRIP_OFFSETS, LONG8 if big else LONG, *offsets),
            (SAMPLES, SHORT, channels),
            (ROWS_PER_STRIP, LONG, rows),
            (STRIP_SIZES, LONG, *sizes),
            (PLANAR, SHORT, 1),
            (PREDICTOR, SHORT, 2),
        ):
            folder.put(tag, kind, *values)
        if channels in (2, 4):
            folder.put(EXTRA_SAMPLES, SHORT, 2)
        if picture.dpi:
            folder.put(RESOLUTION_UNIT, SHORT, 2)
            for tag, side in zip((X_RESOLUTION, Y_RESOLUTION), picture.dpi, strict=True):
                folder.put(tag, RATIONAL, round(side * 1000), 1000)
        if picture.icc:
            folder[ICC] = Value(7, picture.icc)
        if picture.xmp:
            folder[XMP] = Value(1, picture.xmp)
        layout = Layout(order, big)
        file.write(folder_bytes(folder, layout, first))
        file.seek(0)
        file.write(header(layout, first))
