"""Reading 16-bit colour from PNG and TIFF files, which Pillow would cut to 8 bits.

Pillow's own decoders run twice: its unpackers for 16-bit colour keep one byte of each
value, so that one pass takes the high bytes and, told the opposite byte order, a second
pass the low ones.
"""

import re
import sys

import numpy as np
from PIL import Image, TiffImagePlugin


def low_byte_tiles(image: Image.Image) -> list | None:
    """Decoder settings that give the low bytes of a 16-bit colour file just opened.

    Returns:
        What to assign to `.tile` of the same file opened a second time; None if the
        file's values are not 16-bit colour.

    Raises:
        ValueError: A layout that Pillow decodes wrongly.
    """
    modes = {tile.args if isinstance(tile.args, str) else tile.args[0] for tile in image.tile}
    planar = getattr(image, "tag_v2", {}).get(TiffImagePlugin.PLANAR_CONFIGURATION) == 2
    if planar and 16 in image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, ()):
        raise ValueError("16-bit TIFF with separate colour planes; save it with interleaved ones")
    match = re.fullmatch(r"(RGB|RGBA|LA);16([BLN])", modes.pop()) if len(modes) == 1 else None
    if match is None:
        return None
    native = "L" if sys.byteorder == "little" else "B"
    order = match[2].replace("N", native)
    # For LA, four bytes a pixel that lie in an RGBA image as they are in the file.
    low = "RGBA" if match[1] == "LA" else f"{match[1]};16{'B' if order == 'L' else 'L'}"
    return [
        tile._replace(args=low if isinstance(tile.args, str) else (low, *tile.args[1:]))
        for tile in image.tile
    ]


def join_bytes(image: Image.Image, low: Image.Image, grey_alpha: bool) -> np.ndarray:
    """Values of the two decoded passes as uint16 `(height, width, 2, 3 or 4)`."""
    if grey_alpha:
        return np.ascontiguousarray(np.asarray(low)).view(">u2").astype(np.uint16)
    values = np.asarray(image).astype(np.uint16)
    values <<= 8
    values |= np.asarray(low)
    return values


def sixteen_bit_grey(image: Image.Image) -> np.ndarray:
    """Values of an image in one of Pillow's integer modes as uint16 `(height, width)`."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("32-bit pixels; save it with 8 or 16 bits")
    return values.astype(np.uint16)


def with_colour_key(image: Image.Image, pixels: np.ndarray, alpha: np.ndarray | None) -> tuple:
    """Add the alpha of a 16-bit PNG that names one colour as transparent."""
    key = image.info.get("transparency")
    if key is None or alpha is not None:
        return pixels, alpha
    match = pixels == np.array(key)
    match = match.all(axis=2) if match.ndim == 3 else match
    return pixels, np.where(match, 0, 65535).astype(np.uint16)
