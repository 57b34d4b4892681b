"""Picture files in and out: pixels as arrays, and the metadata that a user wants back.

`reading` and `writing` are what others call; `png` and `tiff` take and give pixels as those
files mean them, 16 bits included; `exif` and `tiff_tags` keep metadata byte for byte.
"""

from .picture import Picture
from .reading import (
    IMAGE_SUFFIXES,
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
