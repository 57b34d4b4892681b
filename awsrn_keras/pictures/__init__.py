"""Picture files in and out: pixels as arrays, and the metadata that a user wants back.

`reading` and `writing` are what others call; `exif`, `sixteen_bit` and `encoders` do what
Pillow does not: EXIF changed in place, 16-bit colour read, 16-bit PNG and TIFF written.
"""

from .reading import (
    IMAGE_SUFFIXES,
    Picture,
    find_images,
    read_picture,
    read_rgb,
    to_eight_bits,
)
from .writing import SUFFIXES, canvas_for, check_size, format_of, losses, write_picture

__all__ = [
    "IMAGE_SUFFIXES",
    "SUFFIXES",
    "Picture",
    "canvas_for",
    "check_size",
    "find_images",
    "format_of",
    "losses",
    "read_picture",
    "read_rgb",
    "to_eight_bits",
    "write_picture",
]
