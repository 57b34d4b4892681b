"""Writing TIFF files of 8 or 16 bits, with all metadata byte for byte."""

import zlib
from pathlib import Path

import numpy as np

from .exif import tags_of_exif
from .picture import Picture
from .tiff_tags import (
    LONG,
    LONG8,
    RATIONAL,
    SHORT,
    Folder,
    Layout,
    Tag,
    Value,
    folder_bytes,
    header,
)

_BLACK_IS_ZERO, _RGB, _DEFLATE = 1, 2, 8
_STRIP_BYTES = 2**20
CLASSIC_BYTES = 2**32 - 2**20  # beyond, offsets need a BigTIFF


def write_tiff(path: Path, pixels: np.ndarray, picture: Picture) -> None:
    """Write uint8 or uint16 `(height, width, channels)`, 1 to 4, and what `picture` says of it.

    Deflated; a BigTIFF where a TIFF would pass 4 GiB. The byte order is that of the EXIF, whose
    tags keep their bytes.
    """
    folder = tags_of_exif(picture.exif)
    order = folder.order
    rows = max(1, _STRIP_BYTES // pixels[0].nbytes)
    offsets, sizes = [], []
    with open(path, "wb") as file:
        file.write(bytes(16))  # for the header
        for top in range(0, len(pixels), rows):
            band = pixels[top : top + rows].astype(pixels.dtype.newbyteorder(order))
            band[:, 1:] -= band[:, :-1].copy()
            offsets.append(file.tell())
            sizes.append(file.write(zlib.compress(band.tobytes(), 6)))
        file.write(bytes(file.tell() % 2))
        first = file.tell()
        metadata = len(picture.exif) + len(picture.icc) + len(picture.xmp) + 16 * len(sizes)
        layout = Layout(order, big=first + metadata > CLASSIC_BYTES)
        _describe_pixels(folder, pixels)
        folder.put(Tag.ROWS_PER_STRIP, LONG, rows)
        folder.put(Tag.STRIP_OFFSETS, LONG8 if layout.big else LONG, *offsets)
        folder.put(Tag.STRIP_SIZES, LONG, *sizes)
        if picture.dpi:
            folder.put(Tag.RESOLUTION_UNIT, SHORT, 2)
            for tag, side in zip((Tag.X_RESOLUTION, Tag.Y_RESOLUTION), picture.dpi, strict=True):
                folder.put(tag, RATIONAL, round(side * 1000), 1000)
        if picture.icc:
            folder[Tag.ICC] = Value(7, picture.icc)
        if picture.xmp:
            folder[Tag.XMP] = Value(1, picture.xmp)
        file.write(folder_bytes(folder, layout, first))
        file.seek(0)
        file.write(header(layout, first))


def _describe_pixels(folder: Folder, pixels: np.ndarray) -> None:
    height, width, channels = pixels.shape
    folder.put(Tag.WIDTH, LONG, width)
    folder.put(Tag.HEIGHT, LONG, height)
    folder.put(Tag.BITS, SHORT, *[8 * pixels.itemsize] * channels)
    folder.put(Tag.SAMPLES, SHORT, channels)
    folder.put(Tag.PHOTOMETRIC, SHORT, _RGB if channels > 2 else _BLACK_IS_ZERO)
    folder.put(Tag.PLANAR, SHORT, 1)
    folder.put(Tag.COMPRESSION, SHORT, _DEFLATE)
    folder.put(Tag.PREDICTOR, SHORT, 2)
    if channels in (2, 4):
        folder.put(Tag.EXTRA_SAMPLES, SHORT, 2)
