"""PNG files of every kind, against pypng; their metadata, and settings of Pillow left alone."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tifffile
from optional import optional
from PIL import Image, ImageCms, PngImagePlugin
from unusual_pictures import noise, png_chunk, png_file, scaled

from awsrn_keras.errors import InputError
from awsrn_keras.pictures import Picture, losses, read_picture, write_picture

png = optional("png")

KINDS = [(0, depth) for depth in (1, 2, 4, 8, 16)] + [(3, depth) for depth in (1, 2, 4, 8)]
KINDS += [(kind, depth) for kind in (2, 4, 6) for depth in (8, 16)]
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def pypng(content):
    """Pixels and alpha or None of a PNG file as pypng reads it."""
    width, height, rows, info = png.Reader(bytes=content).asDirect()
    values = np.array([list(row) for row in rows]).reshape(height, width, info["planes"])
    values = scaled(values, info["bitdepth"])
    alpha = values[..., -1] if info["alpha"] else None
    pixels = values[..., : info["planes"] - info["alpha"]]
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels, alpha


@pytest.mark.parametrize(("colour_type", "depth"), KINDS)
@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("interlaced", [False, True])
def test_every_kind_of_pixels(colour_type, depth, transparent, interlaced):
    import random

    draw = random.Random(f"{colour_type} {depth}")
    raw = noise(draw, (13, 21, SAMPLES[colour_type]), 2**depth - 1)
    chunks = b""
    if colour_type == 3:
        chunks += png_chunk(b"PLTE", noise(draw, (2**depth, 3), 255).tobytes())
    if transparent and colour_type == 3:
        chunks += png_chunk(b"tRNS", noise(draw, (2**depth,), 255).tobytes())
    elif transparent and colour_type in (0, 2):
        chunks += png_chunk(b"tRNS", raw[4, 5].astype(">u2").tobytes())
    content = png_file(raw, depth, colour_type, chunks, interlaced, draw)

    picture = read_picture(io.BytesIO(content))

    pixels, alpha = pypng(content)
    assert picture.pixels.dtype == (np.uint16 if depth == 16 else np.uint8)
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert (picture.alpha is not None) == (alpha is not None)
    assert (alpha is not None) == (colour_type > 3 or transparent)
    if alpha is not None:
        assert alpha.min() < alpha.max()
        np.testing.assert_array_equal(picture.alpha, alpha)


PIXELS = np.random.default_rng(0).integers(0, 256, (9, 14, 3), dtype=np.uint8)


def profile(size):
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return struct.pack(">I", size) + icc[4:] + bytes(size - len(icc))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_texts_and_profiles_of_more_than_a_megabyte_are_kept(tmp_path, dtype):
    xmp, icc, prompt = b"<h/>" * 400_000, profile(1_500_000), "a cat, " * 300_000
    pixels = PIXELS.astype(dtype) * (257 if dtype == "uint16" else 1)
    chunks = png_chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp))
    chunks += png_chunk(b"iCCP", b"name\0\0" + zlib.compress(icc))
    chunks += png_chunk(b"zTXt", b"parameters\0\0" + zlib.compress(prompt.encode()))
    content = png_file(pixels, 8 * pixels.itemsize, 2, chunks)

    picture = read_picture(io.BytesIO(content))
    write_picture(picture, tmp_path / "a.png")

    again = read_picture(tmp_path / "a.png")
    for read in (picture, again):
        assert (read.xmp, read.icc) == (xmp, icc)
        assert read.text == (("parameters", prompt),)
        assert losses(read, "png") == []
        np.testing.assert_array_equal(read.pixels, pixels)
    chunks = dict(png.Reader(bytes=(tmp_path / "a.png").read_bytes()).chunks())
    assert zlib.decompress(chunks[b"iCCP"].split(b"\0", 1)[1][1:]) == icc


def test_a_text_that_unzips_to_gigabytes_is_left_out_with_a_note():
    squeezed = zlib.compressobj(9)
    bomb = b"".join(squeezed.compress(bytes(2**24)) for _ in range(20)) + squeezed.flush()
    chunks = png_chunk(b"zTXt", b"bomb\0\0" + bomb) + png_chunk(b"tEXt", b"kept\0this")
    chunks += png_chunk(b"zTXt", b"broken\0\0" + b"no zlib")
    picture = read_picture(io.BytesIO(png_file(PIXELS, 8, 2, chunks)))
    assert picture.text == (("kept", "this"),)
    assert picture.left_out == ("text 'bomb' (unzipped more than 64 MB)", "text 'broken' (damaged)")


COLOURS = {
    "linear": (b"gAMA", struct.pack(">I", 100000)),
    "p3": (b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)),
    "pq": (b"cICP", bytes([9, 16, 0, 1])),
}


@pytest.mark.parametrize("kind", COLOURS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_what_the_colours_mean_is_kept_or_noted(tmp_path, kind, dtype):
    name, chunk = COLOURS[kind]
    pixels = PIXELS.astype(dtype)
    content = png_file(pixels, 8 * pixels.itemsize, 2, png_chunk(name, chunk))
    picture = read_picture(io.BytesIO(content))

    write_picture(picture, tmp_path / "a.png")

    names = [kind for kind, _ in png.Reader(bytes=(tmp_path / "a.png").read_bytes()).chunks()]
    assert dict(png.Reader(bytes=(tmp_path / "a.png").read_bytes()).chunks())[name] == chunk
    assert names.index(name) < names.index(b"IDAT")
    assert losses(picture, "png") == []
    note = f"what the colours mean ({name.decode()}): they may look different"
    for format in ("jpeg", "tiff", "webp", "bmp"):
        assert note in losses(picture, format)


def test_chunks_that_say_srgb_need_no_note():
    srgb = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
    chunks = png_chunk(b"gAMA", struct.pack(">I", 45455)) + png_chunk(b"cHRM", srgb)
    for more in (b"", png_chunk(b"sRGB", b"\0"), png_chunk(b"cICP", bytes([1, 13, 0, 1]))):
        picture = read_picture(io.BytesIO(png_file(PIXELS, 8, 2, chunks + more)))
        assert losses(picture, "jpeg") == []


def test_exif_in_a_text_is_taken_as_exif():
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Cam"
    raw = exif.tobytes()
    digits = raw.hex()
    text = f"\nexif\n{len(raw):8}\n" + "\n".join(
        digits[at : at + 72] for at in range(0, len(digits), 72)
    )
    chunk = png_chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text.encode()))
    picture = read_picture(io.BytesIO(png_file(PIXELS, 8, 2, chunk)))
    np.testing.assert_array_equal(picture.pixels, np.rot90(PIXELS, -1))
    assert b"Cam" in picture.exif
    assert picture.text == ()


def test_damage_and_unknown_critical_chunks_are_refused(tmp_path):
    good = png_file(PIXELS, 8, 2, png_chunk(b"tEXt", b"a\0b"))
    text = bytearray(good)
    text[good.index(b"a\0b")] ^= 1
    for name, content, reason in [
        ("sum", bytes(text), "damaged .*checksum of its chunk 'tEXt' is wrong"),
        ("end", good[:-12], "damaged .*ends too early"),
        ("apple", png_file(PIXELS, 8, 2, png_chunk(b"CgBI", b"\0\0\0\0")), "needs the chunk CgBI"),
        ("depth", png_file(PIXELS, 8, 2).replace(b"\x08\x02\0\0\0", b"\x04\x02\0\0\0"), "damaged"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name}: .*{reason}"):
            read_picture(tmp_path / name)


@pytest.mark.parametrize("limit", ["None", "200_000", "1"])
def test_settings_of_the_program_are_left_alone(tmp_path, limit):
    """Set before the import and after it, and whatever they are, pictures are read."""
    large = np.zeros((700, 900, 3), np.uint16)
    large[5:] = 40_000
    write_picture(Picture(large), tmp_path / "a.tif")
    write_picture(Picture(large), tmp_path / "a.png")
    for name in ("a.jpg", "a.webp", "a.avif", "a.bmp"):
        write_picture(Picture(large), tmp_path / name)
    options = {"photometric": "ycbcr", "compression": "jpeg", "subsampling": (2, 2)}
    tifffile.imwrite(tmp_path / "jpeg.tif", np.zeros((700, 900, 3), np.uint8), **options)
    code = (
        "import sys, warnings, numpy; from PIL import Image, PngImagePlugin\n"
        f"Image.MAX_IMAGE_PIXELS = {limit}\n"
        "filters = list(warnings.filters)\n"
        "from awsrn_keras.pictures import read_picture\n"
        "for path in sys.argv[1:]: assert read_picture(path).pixels.shape == (700, 900, 3)\n"
        f"assert Image.MAX_IMAGE_PIXELS == {limit}\n"
        "Image.MAX_IMAGE_PIXELS = 1234\n"
        "for path in sys.argv[1:]: read_picture(path)\n"
        "assert Image.MAX_IMAGE_PIXELS == 1234\n"
        f"assert PngImagePlugin.MAX_TEXT_CHUNK == {PngImagePlugin.MAX_TEXT_CHUNK}\n"
        "assert warnings.filters == filters\n"
    )
    command = [sys.executable, "-W", "error", "-c", code, *sorted(tmp_path.iterdir())]
    assert len(command) == 5 + 7
    subprocess.run(command, check=True)


def test_an_animation_gives_its_still_picture_and_the_count():
    frames = [Image.fromarray(PIXELS // (i + 1)) for i in range(3)]
    file = io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    picture = read_picture(file)
    assert picture.frames == 3
    np.testing.assert_array_equal(picture.pixels, PIXELS)
