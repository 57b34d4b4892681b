"""Writing TIFF files of 8 or 16 bits, with all metadata byte for byte."""

import struct
import zlib
from pathlib import Path

import numpy as np

from .exif import tags_of_exif
from .picture import Picture
from .tiff_tags import BYTE, RATIONAL, UNDEFINED, Layout, Tag, Value, folder_bytes, header

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
    height, width, channels = pixels.shape
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
        layout = Layout(order, big=first + metadata > CLASSIC_BYTES)
        for tag, numbers in {
            Tag.WIDTH: [width],
            Tag.HEIGHT: [height],
            Tag.BITS: [8 * pixels.itemsize] * channels,
            Tag.COMPRESSION: [_DEFLATE],
            Tag.PHOTOMETRIC: [_RGB if channels > 2 else _BLACK_IS_ZERO],
            Tag.STRIP_OFFSETS: offsets,
            Tag.SAMPLES: [channels],
            Tag.ROWS_PER_STRIP: [rows],
            Tag.STRIP_SIZES: sizes,
            Tag.PLANAR: [1],
            Tag.PREDICTOR: [2],
        }.items():
            folder.put(tag, *numbers)
        if channels in (2, 4):
            folder.put(Tag.EXTRA_SAMPLES, 2)
        if picture.dpi:
            folder.put(Tag.RESOLUTION_UNIT, 2)
            for tag, side in zip((Tag.X_RESOLUTION, Tag.Y_RESOLUTION), picture.dpi, strict=True):
                parts = struct.pack(f"{order}II", round(side * 1000), 1000)
                folder[tag] = Value(RATIONAL, parts)
        if picture.icc:
            folder[Tag.ICC] = Value(UNDEFINED, picture.icc)
        if picture.xmp:
            folder[Tag.XMP] = Value(BYTE, picture.xmp)
        file.write(folder_bytes(folder, layout, first))
        file.seek(0)
        file.write(header(layout, first))
