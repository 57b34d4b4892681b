"""Picture files of all kinds, and ways to damage them, for the fuzzer."""

import io
import random
import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF)


def healthy_files() -> list[bytes]:
    """Small pictures in every format and mode that is read, and one that is not (GIF)."""
    noise = np.random.default_rng(0).integers(0, 256, (23, 31, 4), dtype=np.uint8)
    smooth = np.add.outer(np.arange(40) * 3, np.arange(56) * 2)[..., None] * (1, 0.7, 0.4)
    colour = Image.fromarray(smooth.astype(np.uint8))
    sixteen = Image.fromarray((smooth[..., 0] * 200).astype(np.uint16))
    transparent, grey = Image.fromarray(noise), colour.convert("L")
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        _file(colour, "PNG"),
        _file(transparent, "PNG", dpi=(72, 72)),
        _file(colour.quantize(16), "PNG", transparency=3),
        _file(sixteen, "PNG"),
        _file(grey, "PNG", exif=exif),
        _file(colour, "JPEG", exif=exif),
        _file(colour, "JPEG", progressive=True),
        _file(colour.convert("CMYK"), "JPEG"),
        _file(grey, "JPEG", quality=30),
        _file(colour, "WEBP"),
        _file(transparent, "WEBP", lossless=True),
        _file(colour, "WEBP", save_all=True, append_images=[colour.rotate(90, expand=False)]),
        _file(colour, "TIFF"),
        _file(colour, "TIFF", compression="tiff_lzw"),
        _file(sixteen, "TIFF", compression="tiff_adobe_deflate"),
        _file(transparent, "TIFF", compression="packbits"),
        _file(colour, "TIFF", compression="jpeg"),
        _file(colour, "BMP"),
        _file(grey, "BMP"),
        _file(colour.quantize(16), "GIF"),
    ]


def _file(image, format, **options):
    content = io.BytesIO()
    image.save(content, format, **options)
    return content.getvalue()


def damaged(files: list[bytes], cases: int, seed: int) -> Iterator[bytes]:
    """As many files, each with one to four damages; case i depends on `seed` and i alone."""
    for case in range(cases):
        draw = random.Random(f"{seed} {case}")
        content = bytearray(draw.choice(files))
        for _ in range(draw.choice((1, 1, 2, 4))):
            draw.choice(DAMAGES)(content, files, draw)
        yield bytes(content)


def _cut(content, files, draw):
    del content[draw.randrange(len(content) + 1) :]


def _flip(content, files, draw):
    for _ in range(draw.choice((1, 1, 3, 30))):
        if content:
            content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)


def _flip_near_the_start(content, files, draw):
    """Where most formats have their sizes."""
    if content:
        content[draw.randrange(min(64, len(content)))] = draw.randrange(256)


def _set_number(content, files, draw):
    """A number of 2 or 4 bytes with a value that overflows something."""
    code = draw.choice(("<H", ">H", "<I", ">I"))
    size = struct.calcsize(code)
    if len(content) >= size:
        value = draw.choice(EXTREMES) & (256**size - 1)
        struct.pack_into(code, content, draw.randrange(len(content) - size + 1), value)


def _overwrite(content, files, draw):
    start = draw.randrange(len(content) + 1)
    count = draw.randrange(200)
    content[start : start + count] = draw.choice((bytes(count), draw.randbytes(count)))


def _remove(content, files, draw):
    start = draw.randrange(len(content) + 1)
    del content[start : start + draw.randrange(1, 200)]


def _repeat(content, files, draw):
    start = draw.randrange(len(content) + 1)
    part = content[start : start + draw.randrange(1, 200)]
    content[start:start] = part * draw.choice((1, 2, 50))


def _splice(content, files, draw):
    """Go on with another file."""
    other = draw.choice(files)
    content[draw.randrange(len(content) + 1) :] = other[draw.randrange(len(other)) :]


DAMAGES = (
    _cut,
    _flip,
    _flip_near_the_start,
    _set_number,
    _overwrite,
    _remove,
    _repeat,
    _splice,
)
