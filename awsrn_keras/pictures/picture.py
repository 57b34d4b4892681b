"""What a picture file holds: upright pixels, and what the file says about them."""

from dataclasses import dataclass

import numpy as np


class Unsupported(ValueError):
    """A sound file of a kind that is not read; the message says which, and the cure."""


@dataclass(frozen=True)
class Picture:
    """An upright picture and what its file said about it.

    Attributes:
        pixels: uint8 or uint16, RGB `(height, width, 3)` or grey `(height, width)`.
        alpha: Opacity `(height, width)` of the same dtype, None where all is opaque.
        exif: A TIFF structure; empty where there is none.
        icc: Colour profile that fits the pixels (RGB or grey); empty where there is none.
        dpi: Horizontal and vertical pixels per inch, or None.
        format: Of the file, a key of `formats.SUFFIXES`.
        frames: Images in the file; `pixels` are those of the first.
        xmp: An XMP packet; empty where there is none.
        text: Keywords and texts of a PNG file; a JPEG comment has the keyword "Comment".
        colour: Names and contents of the chunks by which a PNG file tells what its colours
            mean: gAMA, cHRM, sRGB and cICP.
        left_out: What of the file reading could not take, in words.
        duration: Milliseconds for which a frame of an animation is shown.
        plays: How often the animation is played; 0 is for ever.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    exif: bytes = b""
    icc: bytes = b""
    dpi: tuple[float, float] | None = None
    format: str = "png"
    frames: int = 1
    xmp: bytes = b""
    text: tuple[tuple[str, str], ...] = ()
    colour: tuple[tuple[bytes, bytes], ...] = ()
    left_out: tuple[str, ...] = ()
    duration: float = 0
    plays: int = 0


def to_eight_bits(values: np.ndarray) -> np.ndarray:
    """uint16 values / 257, rounded to uint8; uint8 as it is."""
    if values.dtype == np.uint8:
        return values
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
