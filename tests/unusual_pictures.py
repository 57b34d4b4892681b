"""Valid but unusual PNG, TIFF and JPEG files, and the pixels that they mean.

The files are made without the project's code or Pillow: PNG by the few lines here, TIFF by
tifffile, JPEG by imagecodecs. Tests compare readers of others with them too: libtiff, which the
project does not use, and tifffile, which it reads with.
"""

import io
import random
import struct
import zlib
from typing import NamedTuple

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
ADAM7 += [(1, 0, 2, 1)]  # first row and column, then their steps


class UnusualFile(NamedTuple):
    """A file and what it means.

    Attributes:
        content, suffix: The file.
        raw: Its samples before any meaning, `(height, width, samples)`.
        pixels: Upright, grey `(height, width)` or RGB, uint8 or uint16; None where the file is
            to be refused.
        alpha: `(height, width)` or None.
        what: Its kind, for people.
    """

    content: bytes
    suffix: str
    raw: np.ndarray
    pixels: np.ndarray | None
    alpha: np.ndarray | None
    what: str


def unusual_file(number: int) -> UnusualFile:
    """File `number` of as many as wanted; the same number gives the same file."""
    draw = random.Random(f"unusual {number}")
    return (unusual_png, unusual_tiff, unusual_jpeg)[number % 3](draw)


def noise(draw: random.Random, shape: tuple, top: int) -> np.ndarray:
    """Values 0..top, both ends among them where there is room."""
    values = np.random.default_rng(draw.getrandbits(64)).integers(0, top + 1, shape)
    values.flat[0], values.flat[-1] = 0, top
    return values.astype(np.uint8 if top < 256 else np.uint16)


def upright(values, orientation):
    """As EXIF's definition says where the stored row 0 and column 0 are to be seen."""
    turned = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: np.swapaxes(a, 0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.swapaxes(np.rot90(a, 2), 0, 1),
        8: lambda a: np.rot90(a, 1),
    }
    return values if values is None else turned[orientation](values)


def oriented_exif(draw: random.Random, orientation: int) -> bytes:
    """EXIF of one entry, of one of the types that it may have."""
    order = draw.choice("<>")
    kind, code = draw.choice([(3, "HH"), (3, "HH"), (4, "I"), (9, "i")])
    value = [orientation, *[0] * (len(code) - 1)]
    start = struct.pack(order + "2sHIH", b"II" if order == "<" else b"MM", 42, 8, 1)
    return start + struct.pack(order + "HHI" + code + "I", 0x0112, kind, 1, *value, 0)


# ---- PNG


def png_chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def packed_rows(values: np.ndarray, depth: int) -> np.ndarray:
    """Bytes `(height, row_bytes)` of samples `(height, width, samples)`, high bits first."""
    bits = np.unpackbits(values.astype(">u2").view(np.uint8).reshape(*values.shape, 2), axis=-1)
    return np.packbits(bits[..., 16 - depth :].reshape(len(values), -1), axis=1)


def filtered(rows: np.ndarray, pixel_bytes: int, draw: random.Random) -> bytes:
    """PNG scanlines, each by one of the five filters."""
    result, above = b"", np.zeros(rows.shape[1], int)
    for row in rows.astype(int):
        left = np.concatenate([np.zeros(pixel_bytes, int), row])[: len(row)]
        corner = np.concatenate([np.zeros(pixel_bytes, int), above])[: len(row)]
        estimate = left + above - corner
        distances = [abs(estimate - near) for near in (left, above, corner)]
        paeth = np.choose(np.argmin(distances, axis=0), [left, above, corner])
        kind = draw.randrange(5)
        guess = (0, left, above, (left + above) // 2, paeth)[kind]
        result += bytes([kind]) + ((row - guess) % 256).astype(np.uint8).tobytes()
        above = row
    return result


def png_file(
    values: np.ndarray,
    depth: int,
    colour_type: int,
    chunks: bytes = b"",
    interlaced: bool = False,
    draw: random.Random | None = None,
) -> bytes:
    """A PNG file of samples `(height, width, samples)`; `chunks` come before the pixels."""
    draw = draw or random.Random(0)
    height, width, samples = values.shape
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, interlaced)
    passes = [values[y::dy, x::dx] for y, x, dy, dx in ADAM7] if interlaced else [values]
    pixel_bytes = max(1, depth * samples // 8)
    lines = b"".join(
        filtered(packed_rows(part, depth), pixel_bytes, draw) for part in passes if part.size
    )
    data = zlib.compress(lines, draw.randrange(10))
    step = draw.choice([len(data), 1, 7, 100])
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    pieces += [b""] * draw.randrange(2)
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + chunks
        + b"".join(png_chunk(b"IDAT", piece) for piece in pieces)
        + png_chunk(b"IEND", b"")
    )


def scaled(values, depth):
    """Samples of so many bits as 8 or, beyond, 16 bits."""
    top = 255 if depth <= 8 else 65535
    exact = values.astype(float) * top / (2**depth - 1)
    return np.floor(exact + 0.5).astype(np.uint8 if depth <= 8 else np.uint16)


def unusual_png(draw: random.Random) -> UnusualFile:
    colour_type = draw.choice([0, 2, 3, 4, 6])
    depth = draw.choice({0: [1, 2, 4, 8, 16], 3: [1, 2, 4, 8]}.get(colour_type, [8, 16]))
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour_type]
    height, width = draw.randint(1, 20), draw.randint(1, 20)
    entries = draw.randint(1, 2**depth) if colour_type == 3 else 0
    raw = noise(draw, (height, width, samples), entries - 1 if entries else 2**depth - 1)
    key = draw.random() < 0.5 and colour_type in (0, 2, 3)
    chunks, alpha, orientation = b"", None, 1

    if colour_type == 3:
        table = noise(draw, (entries, 3), 255)
        chunks += png_chunk(b"PLTE", table.tobytes())
        pixels = table[raw[..., 0]]
        if key:
            opacity = noise(draw, (draw.randint(1, entries),), 255)
            chunks += png_chunk(b"tRNS", opacity.tobytes())
            alpha = np.append(opacity, [255] * (entries - len(opacity))).astype(np.uint8)
            alpha = alpha[raw[..., 0]]
    else:
        colours = 1 if colour_type in (0, 4) else 3
        pixels = scaled(raw[..., :colours], depth)
        pixels = pixels[..., 0] if colours == 1 else pixels
        if samples > colours:
            alpha = scaled(raw[..., -1], depth)
        elif key:
            colour = raw[draw.randrange(height), draw.randrange(width)]
            chunks += png_chunk(b"tRNS", colour.astype(">u2").tobytes())
            opaque = np.iinfo(pixels.dtype).max
            alpha = np.where((raw == colour).all(axis=2), 0, opaque).astype(pixels.dtype)
    if draw.random() < 0.3:
        orientation = draw.randint(1, 8)
        chunks += png_chunk(b"eXIf", oriented_exif(draw, orientation))
    if draw.random() < 0.3:
        chunks += png_chunk(b"gAMA", struct.pack(">I", draw.choice([45455, 100000, 0])))
    if draw.random() < 0.2:
        zipped = zlib.compress(bytes(draw.choice([10, 1_500_000])))
        chunks += png_chunk(b"zTXt", b"Comment\0\0" + zipped)
    if draw.random() < 0.2:
        chunks += png_chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(draw.choice([128, 2_000_000]))))
    if draw.random() < 0.2:
        chunks += png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>")
    if draw.random() < 0.2:
        chunks += png_chunk(b"prVt", b"of a program") + png_chunk(b"tIME", bytes(7))
    interlaced = draw.random() < 0.3
    content = png_file(raw, depth, colour_type, chunks, interlaced, draw)
    return UnusualFile(
        content,
        ".png",
        raw,
        upright(pixels, orientation),
        upright(alpha, orientation),
        what=f"colour type {colour_type}, {depth} bits, key {key}, interlaced {interlaced}",
    )


# ---- TIFF


def tiff_file(raw: np.ndarray, depth: int, photometric: str, **options) -> bytes:
    """A TIFF file of samples `(height, width, samples)`; `options` as of `tifffile.imwrite`."""
    values = np.moveaxis(raw, 2, 0) if options.get("planarconfig") == "separate" else raw
    if raw.shape[2] == 1:
        values = raw[..., 0]
    if depth not in (8, 16):
        options["bitspersample"] = depth
    if depth == 1:
        values = values.astype(bool)
        del options["bitspersample"]
    file = io.BytesIO()
    tifffile.imwrite(file, values, photometric=photometric, metadata=None, **options)
    return file.getvalue()


def tiff_meaning(raw, depth, photometric, extras, table=None):
    """Pixels and alpha of TIFF samples: grey `(height, width)` or RGB, 8 or 16 bits."""
    colours = {"rgb": 3, "separated": 4}.get(photometric, 1)
    values = scaled(raw, depth)
    top = np.iinfo(values.dtype).max
    pixels, alpha = values[..., :colours], None
    if photometric == "miniswhite":
        pixels = scaled(2**depth - 1 - raw[..., :1], depth)
    for number, kind in enumerate(extras):
        if kind in ("assocalpha", "unassalpha"):
            alpha = values[..., colours + number]
            if kind == "assocalpha":
                exact = pixels.astype(float) * top / np.maximum(alpha, 1)[..., None]
                pixels = np.floor(np.minimum(exact, top) + 0.5).astype(values.dtype)
            break
    if photometric == "palette":
        pixels = (table // 256).astype(np.uint8).T[raw[..., 0]]
    if photometric == "separated":
        light = top - pixels.astype(float)
        pixels = np.floor(light[..., :3] * light[..., 3:] / top + 0.5).astype(values.dtype)
    return pixels[..., 0] if pixels.shape[-1] == 1 else pixels, alpha


def unusual_tiff(draw: random.Random) -> UnusualFile:
    photometric = draw.choice(["miniswhite", "minisblack", "rgb", "rgb", "palette", "separated"])
    colours = {"rgb": 3, "separated": 4}.get(photometric, 1)
    depth = draw.choice(
        [1, 8] if photometric == "palette" else [1, 8, 8, 16, 16, 16, 4, 10, 12, 14]
    )
    extras = []
    if photometric != "palette" and depth > 1:
        kinds = ["assocalpha", "unassalpha", "unspecified"]
        extras = draw.choice([[], [], [draw.choice(kinds)], [draw.choice(kinds), "unspecified"]])
    samples = colours + len(extras)
    if depth == 1 and samples > 1:
        depth = 8
    if photometric == "palette":
        depth = 8
    height, width = draw.randint(2, 40), draw.randint(2, 40)
    raw = noise(draw, (height, width, samples), 2**depth - 1)
    # tifffile packs samples for a big-endian file wrongly, and reads its own as wrong.
    order = draw.choice("<>") if depth in (8, 16) else "<"
    options, table, orientation = {"byteorder": order}, None, 1
    if "assocalpha" in extras and extras[0] == "assocalpha":  # no colour above its alpha
        raw[..., :colours] = np.minimum(raw[..., :colours], raw[..., colours : colours + 1])
    if extras:
        options["extrasamples"] = extras
    if photometric == "palette":
        table = noise(draw, (3, 256), 255).astype(np.uint16) * 257
        options["colormap"] = table
    options["planarconfig"] = draw.choice(["contig", "separate"]) if samples > 1 else None
    whole = depth in (8, 16)
    if whole or depth == 1:
        kinds = [None, "lzw", "zlib", "packbits", "zstd", "lzma"]
        options["compression"] = draw.choice(kinds)
        if whole and options["compression"] in ("lzw", "zlib", "zstd", "lzma"):
            options["predictor"] = draw.random() < 0.5
        if whole and draw.random() < 0.3:
            options["tile"] = (draw.choice([16, 32]), draw.choice([16, 48]))
    if "tile" not in options:
        options["rowsperstrip"] = draw.choice([None, 1, 3, height])
    if draw.random() < 0.2:
        options["bigtiff"] = True
    if draw.random() < 0.3:
        orientation = draw.randint(1, 8)
        options["extratags"] = [(274, draw.choice([3, 4]), 1, orientation, True)]
    jpeg = depth == 8 and not extras and photometric in ("minisblack", "rgb")
    if jpeg and draw.random() < 0.3:
        options |= {"compression": "jpeg", "planarconfig": None, "predictor": None}
        options |= {"bigtiff": False}
    content = tiff_file(raw, depth, photometric, **options)
    if options.get("compression") == "jpeg":
        as_stored = options | {"extratags": ()}  # Pillow would turn it
        raw = libtiff_samples(tiff_file(raw, depth, photometric, **as_stored))
    pixels, alpha = tiff_meaning(raw, depth, photometric, extras, table)
    if draw.random() < 0.1:
        return refused_tiff(draw)
    shown = {key: value for key, value in options.items() if key != "colormap"}
    return UnusualFile(
        content,
        ".tif",
        raw,
        upright(pixels, orientation),
        upright(alpha, orientation),
        what=f"{photometric}, {depth} bits, {shown}",
    )


def tiff_samples(content: bytes) -> np.ndarray:
    """As tifffile reads them, `(height, width, samples)`."""
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages[0]
        values = page.asarray()
        if page.planarconfig == 2 and values.ndim == 3:
            values = np.moveaxis(values, 0, 2)
    return values.reshape(page.imagelength, page.imagewidth, -1)


def libtiff_samples(content: bytes) -> np.ndarray:
    """As libtiff reads them, 8 or 16 bits `(height, width, samples)`; JPEG as grey or RGB."""
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages[0]
        planar = page.planarconfig == 2
        if page.compression == 7:
            with Image.open(io.BytesIO(content)) as image:
                return np.atleast_3d(
                    np.asarray(image if image.mode == "L" else image.convert("RGB"))
                )
    values = imagecodecs.tiff_decode(content)
    return np.moveaxis(values, 0, 2) if planar else np.atleast_3d(values)


def refused_tiff(draw: random.Random) -> UnusualFile:
    """A kind of TIFF that has no 8 or 16 bits of grey, RGB or CMYK."""
    what, dtype, shape, options = draw.choice(
        [
            ("32-bit floating-point", "float32", (5, 6), {}),
            ("16-bit floating-point", "float16", (5, 6, 3), {"photometric": "rgb"}),
            ("16-bit signed", "int16", (5, 6), {}),
            ("8-bit signed", "int8", (5, 6), {}),
            ("32-bit pixels", "uint32", (5, 6), {}),
            ("CIELab", "uint8", (5, 6, 3), {"photometric": "cielab"}),
            ("a raw photograph", "uint16", (8, 8), {"photometric": "cfa"}),
            ("a raw photograph", "uint16", (8, 8, 3), {"photometric": "linear_raw"}),
            ("complex", "complex64", (5, 6), {}),
        ]
    )
    values = np.random.default_rng(draw.getrandbits(60)).integers(0, 100, shape).astype(dtype)
    file = io.BytesIO()
    options = {"photometric": "minisblack"} | options
    tifffile.imwrite(file, values, metadata=None, byteorder=draw.choice("<>"), **options)
    return UnusualFile(file.getvalue(), ".tif", np.atleast_3d(values), None, None, what)


# ---- JPEG


def jpeg_with(content: bytes, *segments: tuple[int, bytes]) -> bytes:
    """The file with more marker segments after its first marker."""
    more = b"".join(
        bytes([255, marker]) + struct.pack(">H", len(data) + 2) + data for marker, data in segments
    )
    return content[:2] + more + content[2:]


def unusual_jpeg(draw: random.Random) -> UnusualFile:
    kind = draw.choice(["grey", "YCbCr", "RGB", "CMYK"])
    samples = {"grey": 1, "CMYK": 4}.get(kind, 3)
    height, width = draw.randint(1, 40), draw.randint(1, 40)
    steps = [draw.uniform(1, 5) for _ in range(samples)]
    smooth = np.add.outer(np.arange(height), np.arange(width))[..., None] * steps + 20
    values = np.clip(smooth, 0, 255).astype(np.uint8)
    options = {"level": draw.randint(60, 100), "optimize": draw.random() < 0.5}
    if kind == "YCbCr":
        options["subsampling"] = draw.choice(["444", "422", "420", "411", "440"])
        options["colorspace"], options["outcolorspace"] = "RGB", "YCBCR"
    elif kind != "grey":
        options["colorspace"] = options["outcolorspace"] = kind
    content = imagecodecs.jpeg8_encode(values if samples > 1 else values[..., 0], **options)
    raw = np.atleast_3d(imagecodecs.jpeg8_decode(content, **_unconverted(kind)))
    segments, orientation = [], 1
    if draw.random() < 0.4:
        orientation = draw.randint(1, 8)
        segments.append((0xE1, b"Exif\0\0" + oriented_exif(draw, orientation)))
    if draw.random() < 0.3:
        segments.append((0xFE, draw.choice([b"hi", "Größe".encode(), b"\xfcber", bytes(9)])))
    if draw.random() < 0.3:
        segments.append((0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"))
    if draw.random() < 0.3:
        segments.append((draw.randint(0xE3, 0xEC), bytes(draw.randrange(300))))
    pixels = raw
    if kind == "CMYK":  # in files with Adobe's marker 255 is no ink
        light = raw.astype(float)
        pixels = np.floor(light[..., :3] * light[..., 3:] / 255 + 0.5).astype(np.uint8)
    pixels = pixels[..., 0] if samples == 1 else pixels
    return UnusualFile(
        jpeg_with(content, *segments),
        ".jpg",
        raw,
        upright(pixels, orientation),
        None,
        what=f"{kind}, {options}",
    )


def _unconverted(kind):
    return {"colorspace": "CMYK", "outcolorspace": "CMYK"} if kind == "CMYK" else {}
