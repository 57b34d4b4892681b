"""Whether a picture file was compressed so far that it shows."""

import contextlib
import os
import struct
from typing import BinaryIO

from PIL import JpegImagePlugin

# Sum of the JPEG standard's luminance table at quality 92, where blocks begin to show at x2.
_VISIBLE = 592


def visibly_compressed(path: str | os.PathLike) -> bool:
    """Whether a file is a JPEG below a quality of about 92, or a lossy WebP.

    The quality is that of libjpeg with the same mean step for luma; other encoders' scales
    differ. False for damaged files and other formats.
    """
    with contextlib.suppress(Exception), open(path, "rb") as file:
        start = file.read(12)
        if start[:4] == b"RIFF" and start[8:] == b"WEBP":
            return _holds_lossy_webp(file)
        if start[:2] == b"\xff\xd8":
            file.seek(0)
            tables = JpegImagePlugin.JpegImageFile(file).quantization
            return sum(tables[min(tables)]) > _VISIBLE
    return False


def _holds_lossy_webp(file: BinaryIO) -> bool:
    """Whether the first picture is lossy; `file` stands at the first chunk."""
    while len(header := file.read(8)) == 8:
        name, size = struct.unpack("<4sI", header)
        if name in (b"VP8 ", b"VP8L"):
            return name == b"VP8 "
        # A frame of an animation holds chunks of its own after 16 bytes.
        file.seek(16 if name == b"ANMF" else size + size % 2, os.SEEK_CUR)
    return False
