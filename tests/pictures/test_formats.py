"""Formats that come with other packages: AVIF with newer Pillows, HEIC with pillow-heif."""

import io
import subprocess
import sys

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from awsrn_keras.errors import InputError
from awsrn_keras.pictures import (
    Picture,
    check_size,
    format_named,
    format_of,
    read_picture,
    read_size,
    write_picture,
)

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def smooth(height=37, width=52):
    """RGBA without noise, no two rows or columns alike."""
    y, x, c = np.mgrid[:height, :width, :4]
    return (20 + 3 * y + 2 * x + 9 * c).astype(np.uint8)


def decoded(path):
    """By the plugins of Pillow and pillow-heif, upright."""
    if path.suffix in (".heic", ".heif"):
        import pillow_heif

        image = pillow_heif.open_heif(path, convert_hdr_to_8bit=True)
        return Image.frombytes(image.mode, image.size, bytes(image.data), "raw", image.mode)
    return ImageOps.exif_transpose(Image.open(path))


@pytest.mark.parametrize("suffix", [".avif", ".heic"])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_pixels_alpha_and_metadata_come_back(tmp_path, suffix, mode):
    values = smooth()
    pixels = values[..., 0] if mode[0] == "L" else np.ascontiguousarray(values[..., :3])
    alpha = np.ascontiguousarray(values[..., 3]) if mode[-1] == "A" else None
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Phone", 1
    profile = SRGB if mode.startswith("RGB") else b""
    tags = exif.tobytes().removeprefix(b"Exif\0\0")

    path = tmp_path / f"a{suffix}"
    write_picture(Picture(pixels, alpha, exif=tags, icc=profile), path, quality=100)

    again = read_picture(path)
    assert again.format == format_of(path)
    assert read_size(path) == (52, 37)
    image = decoded(path)
    assert image.size == (52, 37)
    reference = np.asarray(image.convert("RGBA")).astype(int)
    for colours in (again.pixels, reference[..., :3]):
        colours = np.atleast_3d(colours).astype(int)
        assert np.abs(colours - np.atleast_3d(pixels)).max() <= 4
        assert np.ptp(colours) > 150
    if alpha is not None:
        assert np.abs(again.alpha.astype(int) - alpha).max() <= 2
        assert np.abs(reference[..., 3] - alpha).max() <= 2
    else:
        assert again.alpha is None
    assert again.icc == profile
    loaded = Image.Exif()
    loaded.load(again.exif)
    assert loaded[0x010F] == "Phone"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(tmp_path, orientation):
    from pillow_heif import encode

    image = Image.fromarray(smooth()[..., :3])
    exif = Image.Exif()
    exif[0x0112] = orientation
    tags = exif.tobytes()
    image.save(tmp_path / "a.avif", exif=tags, quality=100, subsampling="4:4:4")
    encode("RGB", image.size, image.tobytes(), tmp_path / "a.heic", exif=tags, quality=100)
    image.getexif()[0x0112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(image)).astype(int)

    for name in ("a.avif", "a.heic"):
        pixels = read_picture(tmp_path / name).pixels
        assert pixels.shape == upright.shape
        assert np.abs(pixels - upright).max() <= 6


def test_heic_is_known_by_its_content(tmp_path):
    write_picture(Picture(smooth()[..., :3]), tmp_path / "a.heic")
    (tmp_path / "a.heic").rename(tmp_path / "a.jpg")
    assert read_picture(tmp_path / "a.jpg").format == "heic"


NO_HEIF = """
import sys
sys.modules["pillow_heif"] = None
from awsrn_keras.__main__ import main
main()
"""


def test_without_pillow_heif_one_line_names_the_extra(tmp_path):
    write_picture(Picture(smooth()[..., :3]), tmp_path / "a.heic")
    write_picture(Picture(smooth()[..., :3]), tmp_path / "b.png")
    for arguments, status in (
        (["a.heic", "-o", "out", "--format", "png"], 1),
        (["b.png", "-o", "out.heic"], 2),
        (["b.png", "-o", "out", "--format", "heic"], 2),
    ):
        command = [sys.executable, "-c", NO_HEIF, "upscale", *arguments, "--engine", "litert"]
        result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert result.returncode == status
        assert result.stderr.count("\n") == 1
        assert "pip install pillow-heif" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.heic", "b.png"]


def test_reading_heic_leaves_pillow_as_it_was(tmp_path):
    Image.init()  # all of Pillow's own, and what other packages have registered
    before = set(Image.OPEN)
    write_picture(Picture(smooth()[..., :3]), tmp_path / "a.heic")
    read_picture(tmp_path / "a.heic")
    assert set(Image.OPEN) == before


@pytest.mark.parametrize("suffix", [".avif", ".heic"])
def test_damaged_and_too_large_files_are_refused(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_picture(Picture(smooth()[..., :3]), path)
    with pytest.raises(InputError, match="declares 52 x 37 pixels, more than"):
        read_picture(path, max_megapixels=0.001)
    with pytest.raises(InputError, match="16386 x 1 pixels are more than"):
        check_size(path, 16386, 1, format_of(path))
    content = path.read_bytes()
    for length in (20, 100, len(content) // 2):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=f"a{suffix}: "):
            read_picture(path)


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_avif_of_more_than_8_bits_is_noted(bits):
    values = (smooth()[..., :3].astype(int) * (2**bits - 1) // 255).astype("uint16")
    values = values.astype("uint8") if bits == 8 else values
    content = imagecodecs.avif_encode(values, level=100, bitspersample=bits)
    assert imagecodecs.avif_decode(content).max() > 2**bits * 0.9  # it has those bits
    picture = read_picture(io.BytesIO(content))
    assert picture.left_out == ((f"{bits} bits (read as 8)",) if bits > 8 else ())
    assert np.abs(picture.pixels.astype(int) - smooth()[..., :3]).max() <= 4


def test_names_of_formats():
    assert [format_named(name) for name in ("JPG", "tif", "webp", "HEIF")] == [
        "jpeg",
        "tiff",
        "webp",
        "heic",
    ]
    assert [format_of(f"a{s}") for s in (".JPEG", ".TIF", ".heif")] == ["jpeg", "tiff", "heic"]
    with pytest.raises(
        InputError, match="'ico': choose one of png, jpeg, webp, tiff, bmp, gif, avif"
    ):
        format_named("ico")
