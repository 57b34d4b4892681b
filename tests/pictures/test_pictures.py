"""Picture files: pixels and metadata against other libraries' readers and writers."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from awsrn_keras.errors import InputError
from awsrn_keras.pictures import (
    Picture,
    canvas_for,
    check_size,
    format_of,
    losses,
    read_picture,
    read_rgb,
    survey,
    write_picture,
)
from awsrn_keras.pictures.exif import exif_orientation, upright_exif
from awsrn_keras.pictures.writing import PillowCanvas

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def smooth(height=11, width=16, channels=3, dtype="uint8"):
    """A picture without noise, no two rows or columns alike, that JPEG keeps nearly intact."""
    y, x, c = np.mgrid[:height, :width, :channels]
    values = 40 + 9 * y + 5 * x + 15 * c
    return (values * (257 if dtype == "uint16" else 1)).astype(dtype)


def exif_bytes(orientation=6):
    """EXIF with a maker's note, a pixel count and a thumbnail folder, written by hand."""
    note = b"maker's note \0\1\2"
    details, thumbnail, data = 50, 80, 98  # offsets: each folder takes 6 bytes and 12 an entry
    exif = struct.pack("<2sHIH", b"II", 42, 8, 3)
    exif += struct.pack("<HHI4s", 0x010F, 2, 4, b"Cam\0")
    exif += struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    exif += struct.pack("<HHIII", 0x8769, 4, 1, details, thumbnail)
    exif += struct.pack("<HHHII", 2, 0x927C, 7, len(note), data)
    exif += struct.pack("<HHIHHI", 0xA002, 3, 1, 16, 0, 0)
    exif += struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)
    return exif + note


def test_a_survey_is_recursive_sorted_and_ignores_case(tmp_path):
    (tmp_path / "b" / "deep").mkdir(parents=True)
    for name in ("b/deep/2.PNG", "a.jpeg", "c.Tif", "notes.txt", "b/1.webp"):
        (tmp_path / name).touch()

    found = [str(path.relative_to(tmp_path)) for path in survey(tmp_path).images]

    assert found == ["a.jpeg", "b/1.webp", "b/deep/2.PNG", "c.Tif"]
    with pytest.raises(InputError, match="no such folder"):
        survey(tmp_path / "missing")
    with pytest.raises(InputError, match="is a file, not a folder"):
        survey(tmp_path / "a.jpeg")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image in it"):
        survey(tmp_path / "empty")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_orientation_is_applied_once_and_reset(tmp_path, orientation, suffix):
    source, copy = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "Cam"
    options = {"lossless": True} if suffix == ".webp" else {"quality": 100, "subsampling": 0}
    Image.fromarray(smooth()).save(source, exif=exif, **options)
    with Image.open(source) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))

    picture = read_picture(source)
    write_picture(picture, copy, quality=100)

    np.testing.assert_array_equal(picture.pixels, upright)
    assert exif_orientation(picture.exif) == 1
    with Image.open(copy) as image:
        assert image.getexif().get(0x0112, 1) == 1
        assert image.getexif()[0x010F] == "Cam"
        assert np.abs(np.asarray(image).astype(int) - upright).max() <= 2


def test_exif_changes_only_what_upscaling_makes_untrue():
    before = exif_bytes(orientation=6)

    after = upright_exif(before, width=70000, height=5)

    exif = Image.Exif()
    exif.load(after)
    assert (exif_orientation(before), exif_orientation(after)) == (6, 1)
    assert exif[0x010F] == "Cam"
    assert exif.get_ifd(0x8769) == {0x927C: b"maker's note \0\1\2", 0xA002: 70000}
    assert exif.get_ifd(1) == {}  # the thumbnail is unlinked
    assert sum(a != b for a, b in zip(before, after, strict=True)) < 12
    assert upright_exif(b"II*\0garbage", 5, 5) == upright_exif(b"", 5, 5) == b""


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_exif_profile_and_resolution_are_kept(tmp_path, suffix, dtype):
    pixels = smooth(dtype=dtype)
    picture = Picture(pixels, exif=exif_bytes(1), icc=SRGB, dpi=(300.0, 200.0))

    write_picture(picture, tmp_path / f"a{suffix}")

    with Image.open(tmp_path / f"a{suffix}") as image:
        assert image.info["icc_profile"] == SRGB
        assert image.getexif()[0x010F] == "Cam"
        assert image.getexif().get_ifd(0x8769)[0x927C] == b"maker's note \0\1\2"
        if suffix != ".webp":  # it has no field for the resolution
            assert image.info["dpi"] == pytest.approx((300, 200), abs=0.1)
    again = read_picture(tmp_path / f"a{suffix}")
    assert again.icc == SRGB
    assert b"maker's note" in again.exif
    assert again.format == format_of(f"a{suffix}")


GREY = smooth(channels=1)[..., 0]
ALPHA = 255 - 2 * GREY


def as_mode(mode):
    image = Image.fromarray(smooth())
    if mode in ("LA", "PA", "RGBA"):
        image.putalpha(Image.fromarray(ALPHA))
    return image.convert(mode)


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        *[(mode, ".png") for mode in ("1", "L", "LA", "P", "RGB", "RGBA")],
        *[(mode, ".tif") for mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK")],
        *[(mode, ".jpg") for mode in ("L", "RGB", "CMYK")],
        *[(mode, ".bmp") for mode in ("1", "L", "P", "RGB")],
        *[(mode, ".webp") for mode in ("RGB", "RGBA")],
    ],
)
def test_every_mode_becomes_grey_or_rgb_and_alpha(tmp_path, mode, suffix):
    path = tmp_path / f"a{suffix}"
    as_mode(mode).save(path)
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGBA"))

    picture = read_picture(path)

    grey = mode in ("1", "L", "LA")
    assert picture.pixels.ndim == (2 if grey else 3)
    colours = np.repeat(picture.pixels[..., None], 3, axis=2) if grey else picture.pixels
    np.testing.assert_array_equal(colours, expected[..., :3])
    if mode.endswith("A"):
        np.testing.assert_array_equal(picture.alpha, expected[..., 3])
    else:
        assert picture.alpha is None
    np.testing.assert_array_equal(read_rgb(path), expected[..., :3])


def test_palette_and_colour_key_transparency_become_alpha(tmp_path):
    palette = Image.frombytes("P", (3, 2), bytes(range(6)))
    palette.putpalette([c for i in range(6) for c in (i, 10 * i, 40 * i)])
    palette.save(tmp_path / "p.png", transparency=bytes([255, 128, 0, 255, 255, 7]))
    Image.fromarray(GREY).save(tmp_path / "l.png", transparency=int(GREY[1, 2]))

    picture = read_picture(tmp_path / "p.png")
    grey = read_picture(tmp_path / "l.png")

    np.testing.assert_array_equal(picture.alpha, [[255, 128, 0], [255, 255, 7]])
    np.testing.assert_array_equal(picture.pixels[1, 2], [5, 50, 200])
    np.testing.assert_array_equal(grey.alpha == 0, GREY[1, 2] == GREY)
    np.testing.assert_array_equal(grey.pixels, GREY)


def cmyk_profile():
    """A profile that shows full cyan as mid grey, unlike any naive conversion."""
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0])
    lut += b"".join(struct.pack(">i", 65536 * (i % 4 == 0)) for i in range(9))
    lut += bytes(range(256)) * 4
    for corner in range(16):  # cyan changes slowest; Lab as lightness, 128, 128
        lightness = {0: 255, 8: 128}.get(corner, 0)
        lut += bytes([lightness, 128, 128])
    lut += bytes(range(256)) * 3
    lut = lut.ljust(-(-len(lut) // 4) * 4, b"\0")
    header = struct.pack(
        ">I4sI4s4s4s", 144 + len(lut), bytes(4), 0x02400000, b"prtr", b"CMYK", b"Lab "
    )
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">iii", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"A2B0", 144, len(lut)) + lut


def test_cmyk_is_converted_by_its_profile_which_is_then_gone(tmp_path):
    cyan = Image.new("CMYK", (5, 4), (255, 0, 0, 0))
    cyan.save(tmp_path / "profile.tif", icc_profile=cmyk_profile())
    cyan.save(tmp_path / "plain.tif")

    managed, plain = read_picture(tmp_path / "profile.tif"), read_picture(tmp_path / "plain.tif")

    assert np.abs(managed.pixels.astype(int) - 119).max() <= 2  # Lab (50, 0, 0) in sRGB
    assert managed.icc[16:20] == b"RGB "
    np.testing.assert_array_equal(plain.pixels[0, 0], [0, 255, 255])
    assert plain.icc == b""


def test_profile_of_another_colour_space_is_dropped(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png", icc_profile=SRGB)
    assert read_picture(tmp_path / "a.png").icc == b""


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "tiff", "bmp"])
@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("transparent", [False, True])
def test_what_is_written_reads_back(tmp_path, format, grey, transparent):
    picture = Picture(GREY if grey else smooth(), ALPHA if transparent else None)

    write_picture(picture, tmp_path / "a.bin", format, quality=100)
    again = read_picture(tmp_path / "a.bin")

    assert again.format == format
    expected = np.dstack([GREY] * 3).astype(float) if grey else smooth().astype(float)
    if transparent and format in ("jpeg", "bmp"):
        opacity = ALPHA[..., None] / 255
        expected = expected * opacity + 255 * (1 - opacity)
        assert losses(picture, format) == ["transparency (laid on white)"]
    elif transparent:
        np.testing.assert_array_equal(again.alpha, ALPHA)
    colours = again.pixels if again.pixels.ndim == 3 else np.dstack([again.pixels] * 3)
    visible = ALPHA > 0 if transparent else np.ones_like(ALPHA, bool)
    assert np.abs(colours - expected)[visible].max() <= (4 if format == "jpeg" else 1)


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "bmp"])
def test_a_canvas_filled_block_by_block_is_written_like_an_array(tmp_path, format):
    canvases = []
    for values in (smooth(), ALPHA):
        canvas = canvas_for(format, values.dtype)(values.shape, values.dtype)
        for rows in (slice(0, 4), slice(4, 11)):
            for columns in (slice(0, 9), slice(9, 16)):
                canvas[rows, columns] = values[rows, columns]
        canvases.append(canvas)

    write_picture(Picture(*canvases), tmp_path / "canvas", format, quality=100)
    write_picture(Picture(smooth(), ALPHA), tmp_path / "array", format, quality=100)

    assert isinstance(canvases[0], PillowCanvas)
    assert (tmp_path / "canvas").read_bytes() == (tmp_path / "array").read_bytes()


def test_losses_and_limits_of_formats():
    deep = Picture(smooth(dtype="uint16"), exif=exif_bytes())
    assert losses(deep, "tiff") == losses(deep, "png") == []
    assert losses(deep, "bmp") == ["16 bits (rounded to 8)", "EXIF"]
    assert losses(deep, "gif") == ["more than 256 colours", "16 bits (rounded to 8)", "EXIF"]
    check_size("a.png", 70000, 9, "png")
    with pytest.raises(InputError, match=r"a\.webp: 9 x 16384 .* webp can hold \(16383 a side\)"):
        check_size("a.webp", 9, 16384, "webp")
    with pytest.raises(InputError, match=r"'\.ico'"):
        format_of("a.ico")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.webp"
    path.write_bytes(b"old")
    with pytest.raises(InputError, match="more than webp can hold"):
        write_picture(Picture(np.zeros((1, 20000, 3), "uint8")), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_animation_gives_its_first_frame_and_says_so(tmp_path):
    frames = [Image.fromarray(smooth() + i) for i in range(3)]
    for name in ("a.png", "a.webp", "a.tif"):
        options = {"lossless": True} if name == "a.webp" else {}
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
        picture = read_picture(tmp_path / name)
        assert picture.frames == 3
        np.testing.assert_array_equal(picture.pixels, smooth())


def huge(format):
    file = io.BytesIO()
    Image.fromarray(smooth()).save(file, format)
    data = file.getvalue()
    if format == "PNG":
        header = b"IHDR" + struct.pack(">II", 60000, 50000) + data[24:29]
        return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    if format == "BMP":
        return data[:18] + struct.pack("<ii", 60000, 50000) + data[26:]
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", 50000, 60000) + data[at + 4 :]


@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP"])
def test_huge_declared_size_is_refused_from_the_header(tmp_path, format):
    path = tmp_path / "huge.png"
    path.write_bytes(huge(format))
    with pytest.raises(InputError, match=r"huge\.png: declares 60000 x 50000 .* 100 megapixels"):
        read_picture(path)
    Image.fromarray(smooth()).save(path)
    with pytest.raises(InputError, match=r"declares 16 x 11 .* limit of 0\.0001 megapixels"):
        read_picture(path, max_megapixels=0.0001)


def test_damaged_files_are_named_with_the_reason(tmp_path):
    good = tmp_path / "good.png"
    noise = np.random.default_rng(3).integers(0, 256, (7, 10), dtype=np.uint8)
    Image.fromarray(noise).save(good)
    data = good.read_bytes()
    flipped = bytearray(data)
    flipped[-20] ^= 4  # inside the pixel data, which only the checksum notices
    for name, content, reason in [
        ("cut.png", data[:-30], "damaged"),
        ("flipped.png", bytes(flipped), "damaged"),
        ("empty.png", b"", "not a PNG"),
        ("text.jpg", b"hello world", "not a PNG"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name}: {reason}") as raised:
            read_picture(tmp_path / name)
        assert "\n" not in str(raised.value)
    with pytest.raises(InputError, match=r"missing\.png: No such file"):
        read_picture(tmp_path / "missing.png")
    with pytest.raises(InputError, match="Is a directory"):
        read_picture(tmp_path)
