"""Picture files in and out: pixels as arrays, and the metadata that a user wants back.

`formats`, `finding`, `reading` and `writing` are what others call; `exif`, `sixteen_bit`,
`encoders` and `heic` do what Pillow does not: EXIF changed in place, 16-bit colour read, 16-bit
PNG and TIFF written, HEIC.
"""

from .finding import describe_skipped, find_images, survey
from .formats import SUFFIXES, check_available, format_named, format_of
from .reading import Picture, read_picture, read_rgb, read_size, to_eight_bits
from .writing import canvas_for, check_size, losses, write_picture

__all__ = [
    "SUFFIXES",
    "Picture",
    "canvas_for",
    "check_available",
    "check_size",
    "describe_skipped",
    "find_images",
    "format_named",
    "format_of",
    "losses",
    "read_picture",
    "read_rgb",
    "read_size",
    "survey",
    "to_eight_bits",
    "write_picture",
]
