"""Samples of TIFF files as they are stored: strips, tiles, planes, bits and byte order.

libtiff, by way of Pillow, only uncompresses: it is shown the strips or tiles as those of an
8-bit grey picture.
"""

import io
import math
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import ImageFile, TiffImagePlugin

from .picture import Unsupported
from .tiff_tags import Folder, Layout, Tag, folder_bytes, header, read_at

_BLACK_IS_ZERO = 1
_PREDICTABLE = {5, 8, 32946, 34925, 50000}  # LZW, Deflate twice, LZMA, Zstandard
BYTEWISE = {1, 32773, *_PREDICTABLE}  # with none and PackBits: they know nothing of pixels
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_GROUP_BYTES = 2**24  # decoded at a time
_LARGEST_SEGMENT = 2**30


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
    offsets: list[int]
    sizes: list[int]


def read_samples(
    file: BinaryIO, layout: Layout, folder: Folder, samples: int, bits: int
) -> np.ndarray:
    """All samples as stored, uint8 or uint16 `(height, width, samples)`.

    Args:
        file, layout: The TIFF file.
        folder: Tags of a picture compressed by one of `BYTEWISE`.
        samples: Of a pixel.
        bits: Of a sample, 1 to 16.

    Raises:
        Unsupported: Another predictor than that of rows.
        ValueError: Damaged.
    """
    width, height = folder.number(Tag.WIDTH), folder.number(Tag.HEIGHT)
    compression, predictor = folder.number(Tag.COMPRESSION, 1), folder.number(Tag.PREDICTOR, 1)
    predictor = predictor if compression in _PREDICTABLE else 1
    if predictor != 1 and (predictor != 2 or bits not in (8, 16)):
        raise Unsupported(f"predictor {predictor} with {bits} bits; save it uncompressed")
    segments = _segments(folder, width, height, samples, bits)
    reverse = folder.number(Tag.FILL_ORDER, 1) == 2
    # No compression makes more of it; a damaged count would.
    most = 3 * segments.row_bytes * segments.height + 1024
    result = np.empty((height, width, samples), np.uint8 if bits <= 8 else np.uint16)
    for plane in range(segments.planes):
        channels = slice(plane, plane + 1) if segments.planes > 1 else slice(None)
        top = 0
        for numbers, row_counts in _groups(segments, height, plane):
            sizes = [min(segments.sizes[n], most) for n in numbers]
            raw = [
                read_at(file, segments.offsets[n], size)
                for n, size in zip(numbers, sizes, strict=True)
            ]
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


def _segments(folder: Folder, width: int, height: int, samples: int, bits: int) -> _Segments:
    tiled = Tag.TILE_WIDTH in folder
    if tiled:
        inner = folder.number(Tag.TILE_WIDTH), folder.number(Tag.TILE_HEIGHT)
        offsets, sizes = folder.whole(Tag.TILE_OFFSETS), folder.whole(Tag.TILE_SIZES)
    else:
        inner = width, min(folder.number(Tag.ROWS_PER_STRIP) or height, height)
        offsets, sizes = folder.whole(Tag.STRIP_OFFSETS), folder.whole(Tag.STRIP_SIZES)
    planes = samples if folder.number(Tag.PLANAR, 1) == 2 else 1
    depth = samples // planes
    row_bytes = math.ceil(inner[0] * depth * bits / 8)
    if min(inner) < 1 or (tiled and row_bytes * inner[1] > _LARGEST_SEGMENT):
        raise ValueError("its tiles have no sensible size")
    across, down = math.ceil(width / inner[0]), math.ceil(height / inner[1])
    count = planes * across * down
    if not sizes and folder.number(Tag.COMPRESSION, 1) == 1:
        sizes = [row_bytes * inner[1]] * count
        if not tiled and height % inner[1]:
            sizes[down - 1 :: down] = [row_bytes * (height % inner[1])] * planes
    if min(len(offsets), len(sizes)) < count:
        raise ValueError("it lacks strips or tiles")
    return _Segments(tiled, *inner, across, down, planes, depth, row_bytes, offsets, sizes)


def _groups(segments: _Segments, height: int, plane: int) -> Iterator[tuple[range, list[int]]]:
    """Numbers and rows of segments to decode together: strips, or a row of tiles."""
    count = segments.across * segments.down
    start = plane * count
    several = max(1, _GROUP_BYTES // (segments.row_bytes * segments.height))
    step = segments.across if segments.across > 1 else several
    for first in range(start, start + count, step):
        numbers = range(first, min(first + step, start + count))
        rows = [segments.height] * len(numbers)
        if not segments.tiled and numbers.stop == start + count:
            rows[-1] = height - (segments.down - 1) * segments.height
        yield numbers, rows


class _BytesFile(TiffImagePlugin.TiffImageFile):
    """Without Pillow's limit on pixels, which here are bytes."""

    def load_prepare(self) -> None:
        ImageFile.ImageFile.load_prepare(self)


def _uncompressed(
    raw: list[bytes], compression: int, segments: _Segments, row_counts: list[int]
) -> np.ndarray:
    """The bytes of these segments, one below the other, uint8 `(rows, row_bytes)`."""
    if compression == 1:
        wanted = [segments.row_bytes * rows for rows in row_counts]
        if any(len(piece) < size for piece, size in zip(raw, wanted, strict=True)):
            raise ValueError("its strips or tiles are too short")
        data = b"".join(piece[:size] for piece, size in zip(raw, wanted, strict=True))
        return np.frombuffer(data, np.uint8).reshape(-1, segments.row_bytes)
    folder, layout = Folder(), Layout("<")
    for tag, value in (
        (Tag.WIDTH, segments.row_bytes),
        (Tag.HEIGHT, sum(row_counts)),
        (Tag.BITS, 8),
        (Tag.COMPRESSION, compression),
        (Tag.PHOTOMETRIC, _BLACK_IS_ZERO),
        (Tag.SAMPLES, 1),
        (Tag.ROWS_PER_STRIP, segments.height),
    ):
        folder.put(tag, value)
    folder.put(Tag.STRIP_SIZES, *map(len, raw))
    starts = np.cumsum([8, *map(len, raw)]).tolist()
    folder.put(Tag.STRIP_OFFSETS, *starts[:-1])
    end = starts[-1] + starts[-1] % 2
    data = (header(layout, end) + b"".join(raw)).ljust(end, b"\0")
    image = _BytesFile(io.BytesIO(data + folder_bytes(folder, layout, end)))
    return np.array(image)


def _unpacked(rows: np.ndarray, width: int, depth: int, bits: int, order: str) -> np.ndarray:
    """Samples `(rows, width, depth)` of packed bytes `(rows, row_bytes)`."""
    if bits == 8:
        return rows[:, : width * depth].reshape(len(rows), width, depth)
    if bits == 16:
        return rows.view(order + "u2").astype(np.uint16).reshape(len(rows), width, depth)
    start = np.arange(width * depth) * bits  # of a sample in its row; it is in three bytes there
    three = np.pad(rows, ((0, 0), (0, 2)))
    values = np.zeros((len(rows), len(start)), np.uint32)
    for number in range(3):
        values = values << 8 | three[:, start // 8 + number]
    values = values >> (24 - bits - start % 8).astype(np.uint32) & (2**bits - 1)
    return values.astype(np.uint8 if bits < 8 else np.uint16).reshape(len(rows), width, depth)
