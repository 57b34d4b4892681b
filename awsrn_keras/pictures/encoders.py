"""Writing what Pillow cannot: 16-bit colour PNG, and TIFF with 16 bits or with EXIF folders."""

import struct
import zlib

import numpy as np
from PIL import TiffImagePlugin

_STRIP_BYTES = 1 << 20


def write_png(path, pixels: np.ndarray, exif: bytes, icc: bytes, dpi) -> None:
    """Write uint16 `(height, width, channels)`, 1 to 4 channels, as a PNG file."""
    height, width, channels = pixels.shape
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    with open(path, "wb") as file:

        def chunk(name, data):
            check = zlib.crc32(data, zlib.crc32(name))
            file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", check))

        file.write(b"\x89PNG\r\n\x1a\n")
        chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0))
        if icc:
            chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc))
        if dpi:
            chunk(b"pHYs", struct.pack(">IIB", *(round(side / 0.0254) for side in dpi), 1))
        if exif:
            chunk(b"eXIf", exif)
        compressor = zlib.compressobj(6, strategy=zlib.Z_RLE)
        row_bytes = 2 * width * channels
        above = np.zeros((1, row_bytes), np.uint8)
        for band in _bands(pixels):
            rows = band.astype(">u2").view(np.uint8).reshape(len(band), row_bytes)
            filtered = np.empty((len(band), 1 + row_bytes), np.uint8)
            filtered[:, 0] = 2  # each row is stored as its difference from the row above
            filtered[:, 1:] = rows - np.concatenate([above, rows[:-1]])
            chunk(b"IDAT", compressor.compress(filtered))
            above = rows[-1:]
        chunk(b"IDAT", compressor.flush())
        chunk(b"IEND", b"")


def write_tiff(path, pixels: np.ndarray, tags, icc: bytes, dpi) -> None:
    """Write uint8 or uint16 `(height, width, channels)`, 1 to 4 channels, as a deflated TIFF file.

    `tags` describe the picture; those that describe the pixels are added to them.
    """
    height, width, channels = pixels.shape
    strips = []
    for band in _bands(pixels):
        band = band.astype(band.dtype.newbyteorder("<"))
        band[:, 1:] -= band[:, :-1].copy()
        strips.append(zlib.compress(band.tobytes(), 6))
    sizes = [len(strip) for strip in strips]

    tags[TiffImagePlugin.IMAGEWIDTH] = width
    tags[TiffImagePlugin.IMAGELENGTH] = height
    tags[TiffImagePlugin.BITSPERSAMPLE] = (8 * pixels.itemsize,) * channels
    tags[TiffImagePlugin.SAMPLESPERPIXEL] = channels
    tags[TiffImagePlugin.PHOTOMETRIC_INTERPRETATION] = 2 if channels > 2 else 1
    tags[TiffImagePlugin.COMPRESSION] = 8
    tags[TiffImagePlugin.PREDICTOR] = 2
    tags[TiffImagePlugin.PLANAR_CONFIGURATION] = 1
    tags[TiffImagePlugin.ROWSPERSTRIP] = _band_height(pixels)
    for tag, values in (
        (TiffImagePlugin.STRIPOFFSETS, np.cumsum([0, *sizes[:-1]]).tolist()),
        (TiffImagePlugin.STRIPBYTECOUNTS, sizes),
    ):
        tags.tagtype[tag] = 4
        tags[tag] = tuple(values)
    if channels in (2, 4):
        tags[TiffImagePlugin.EXTRASAMPLES] = 2
    if icc:
        tags[TiffImagePlugin.ICCPROFILE] = icc
    if dpi:
        tags[TiffImagePlugin.RESOLUTION_UNIT] = 2
        tags[TiffImagePlugin.X_RESOLUTION], tags[TiffImagePlugin.Y_RESOLUTION] = dpi
    with open(path, "wb") as file:
        tags.save(file)
        file.writelines(strips)


def _band_height(pixels):
    return max(1, _STRIP_BYTES // pixels[0].nbytes)


def _bands(pixels):
    rows = _band_height(pixels)
    return (pixels[top : top + rows] for top in range(0, len(pixels), rows))
