"""Picture files in and out: pixels as arrays, and the metadata that a user wants back.

`formats`, `finding`, `reading` and `writing` are what others call. Pillow decodes most formats;
`png` (by imagecodecs) and `tiff` (by tifffile) take and give pixels as those files mean them, 16
bits included; `heic` is pillow-heif's. `exif` and `tiff_tags` keep metadata byte for byte.
"""

from .compression import visibly_compressed
from .finding import describe_skipped, survey
from .formats import ANIMATED, FORMATS, SUFFIXES, check_available, format_named, format_of
from .picture import Picture, to_eight_bits
from .reading import TooLarge, read_animation, read_picture, read_rgb, read_size
from .writing import canvas_for, check_size, losses, write_picture

__all__ = [
    "ANIMATED",
    "FORMATS",
    "SUFFIXES",
    "Picture",
    "TooLarge",
    "canvas_for",
    "check_available",
    "check_size",
    "describe_skipped",
    "format_named",
    "format_of",
    "losses",
    "read_animation",
    "read_picture",
    "read_rgb",
    "read_size",
    "survey",
    "to_eight_bits",
    "visibly_compressed",
    "write_picture",
]
