"""Picture formats: their names, the suffixes of their files, and which this machine can handle."""

import importlib.util
import os
from pathlib import Path

from PIL import features

from ..errors import InputError

# The first suffix of each is that of results.
SUFFIXES = {
    "png": (".png",),
    "jpeg": (".jpg", ".jpeg"),
    "webp": (".webp",),
    "tiff": (".tif", ".tiff"),
    "bmp": (".bmp",),
    "gif": (".gif",),
    "avif": (".avif",),
    "heic": (".heic", ".heif"),
}
FORMATS = {suffix: format for format, suffixes in SUFFIXES.items() for suffix in suffixes}
ANIMATED = ("gif", "png", "webp")  # formats whose animations are read and written
# What makes the others available.
CURES = {
    "avif": "AVIF needs Pillow 11.3 or later, built with it: pip install --upgrade pillow",
    "heic": "HEIC needs pillow-heif: pip install pillow-heif",
}


def format_of(path: str | os.PathLike) -> str:
    """Format that the suffix of `path` stands for, e.g. "jpeg".

    Raises:
        InputError: The suffix is none of a known format; the message lists them.
    """
    suffix = Path(str(path)).suffix.lower()
    if suffix not in FORMATS:
        known = ", ".join(FORMATS)
        raise InputError(f"{path}: unknown picture format {suffix!r}: choose one of {known}.")
    return FORMATS[suffix]


def format_named(text: str) -> str:
    """The format called "jpeg", "JPG" or the like.

    Raises:
        InputError: There is none of that name; the message lists them.
    """
    name = text.lower()
    if name in SUFFIXES:
        return name
    if f".{name}" in FORMATS:
        return FORMATS[f".{name}"]
    raise InputError(f"Unknown picture format {text!r}: choose one of {', '.join(SUFFIXES)}.")


def available(format: str) -> bool:
    """Whether files of this format can be read and written here."""
    if format == "avif":
        return bool(features.check("avif"))
    return format != "heic" or importlib.util.find_spec("pillow_heif") is not None


def check_available(path: str | os.PathLike, format: str) -> None:
    """Raise an `InputError` that names the cure unless the format can be read and written here."""
    if not available(format):
        raise InputError(f"{path}: {CURES[format]}.")


def readable_suffixes() -> list[str]:
    """Suffixes of the formats that can be read here, in lower case."""
    return [suffix for suffix, format in FORMATS.items() if available(format)]
