"""TIFF files of every kind, written and read by tifffile, as what their tags mean."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image
from unusual_pictures import (
    libtiff_samples,
    packed_rows,
    refused_tiff,
    tiff_file,
    tiff_meaning,
    tiff_samples,
    upright,
)

from awsrn_keras.errors import InputError
from awsrn_keras.pictures import Picture, losses, read_picture, tiff_writing, write_picture

SAMPLES = {"miniswhite": 1, "minisblack": 1, "palette": 1, "rgb": 3, "separated": 4}


def samples(depth, channels, height=13, width=22):
    """Samples of so many bits, the least and the greatest among them."""
    top = 2**depth - 1
    random = np.random.default_rng(depth)
    values = random.integers(0, top + 1, (height, width, channels))
    values[0], values[-1] = 0, top
    return values.astype(np.uint8 if depth <= 8 else np.uint16)


def check(content, raw, pixels, alpha):
    """tifffile reads the same samples, and `read_picture` what they mean, to the bit."""
    np.testing.assert_array_equal(tiff_samples(content), raw)
    picture = read_picture(io.BytesIO(content))
    assert picture.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(picture.pixels, pixels)
    assert (picture.alpha is None) == (alpha is None)
    if alpha is not None:
        assert picture.alpha.dtype == pixels.dtype
        np.testing.assert_array_equal(picture.alpha, alpha)
    return picture


@pytest.mark.parametrize(
    ("depth", "photometric", "planes"),
    [
        *[(depth, kind, None) for depth in range(1, 17) for kind in ("miniswhite", "minisblack")],
        *[(depth, "rgb", planes) for depth in range(2, 17) for planes in ("contig", "separate")],
    ],
)
def test_every_number_of_bits_means_black_to_white(depth, photometric, planes):
    raw = samples(depth, SAMPLES[photometric])
    options = {"planarconfig": planes} if planes else {}
    content = tiff_file(raw, depth, photometric, byteorder="<", **options)

    pixels, alpha = tiff_meaning(raw, depth, photometric, [])

    top = 255 if depth <= 8 else 65535
    assert {pixels.min(), pixels.max()} == {0, top}
    check(content, raw, pixels, alpha)


@pytest.mark.parametrize("photometric", ["miniswhite", "minisblack", "rgb", "separated"])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize(
    "extras",
    [
        ["unassalpha"],
        ["assocalpha"],
        ["unspecified"],
        ["unspecified", "unassalpha"],
        ["assocalpha", "unspecified", "unspecified"],
    ],
)
def test_extra_samples_are_alpha_of_either_kind_or_noted(photometric, depth, planes, extras):
    colours = SAMPLES[photometric]
    raw = samples(depth, colours + len(extras))
    if "assocalpha" in extras:
        raw[..., :colours] = np.minimum(raw[..., :colours], raw[..., colours : colours + 1])
    content = tiff_file(
        raw, depth, photometric, planarconfig=planes, extrasamples=extras, byteorder=">"
    )

    picture = check(content, raw, *tiff_meaning(raw, depth, photometric, extras))

    unspecified = extras.count("unspecified")
    words = f"{unspecified} extra channel{'s' if unspecified > 1 else ''}"
    assert picture.left_out == ((words,) if unspecified else ())
    assert losses(picture, "tiff") == list(picture.left_out)


@pytest.mark.parametrize(
    ("compression", "predictor"),
    [
        *[(kind, False) for kind in (None, "lzw", "zlib", "packbits", "zstd", "lzma")],
        *[(kind, True) for kind in ("lzw", "zlib", "zstd", "lzma")],
    ],
)
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "layout",
    [{}, {"rowsperstrip": 5}, {"tile": (16, 32)}, {"tile": (32, 16), "planarconfig": "separate"}],
    ids=str,
)
def test_compression_predictor_and_layout_change_no_value(
    compression, depth, predictor, order, layout
):
    raw = samples(depth, 3, 41, 50)
    content = tiff_file(
        raw, depth, "rgb", compression=compression, predictor=predictor, byteorder=order, **layout
    )
    np.testing.assert_array_equal(libtiff_samples(content), raw)
    check(content, raw, raw, None)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "zstd", "lzma"])
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_the_last_strip_may_have_more_rows_than_the_picture(compression, planes):
    raw = samples(8, 3, 64, 50)
    options = {"compression": compression, "planarconfig": planes, "rowsperstrip": 32}
    content = tiff_file(raw, 8, "rgb", **options)
    height = struct.pack("<HHII", 257, 4, 1, 64)
    assert content.count(height) == 1
    shorter = content.replace(height, struct.pack("<HHII", 257, 4, 1, 41))
    np.testing.assert_array_equal(read_picture(io.BytesIO(shorter)).pixels, raw[:41])


def test_palette_and_big_tiff_and_jpeg():
    raw = samples(8, 1)
    table = np.random.default_rng(1).integers(0, 65536, (3, 256)).astype("uint16")
    content = tiff_file(raw, 8, "palette", colormap=table, bigtiff=True, compression="lzw")
    check(content, raw, (table // 256).astype("uint8").T[raw[..., 0]], None)

    smooth = (np.mgrid[:40, :50].sum(0)[..., None] * (1, 2, 0.5)).astype("uint8")
    for photometric, values in (("rgb", smooth), ("ycbcr", smooth), ("minisblack", smooth[..., 1])):
        values = values.reshape(40, 50, -1)
        content = tiff_file(values, 8, photometric, compression="jpeg", tile=(16, 32))
        picture = read_picture(io.BytesIO(content))
        difference = np.atleast_3d(picture.pixels).astype(int) - libtiff_samples(content)
        assert np.abs(difference).max() <= 1
        assert picture.pixels.std() > 10


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_ycbcr_without_jpeg_becomes_rgb(compression, tmp_path):
    y, x = np.mgrid[:40, :50]
    colours = Image.fromarray(np.dstack([4 * y, 3 * x, y + x + 60]).astype("uint8"))
    image = colours.convert("YCbCr")
    image.save(tmp_path / "a.tif", compression=compression)
    expected = np.asarray(image.convert("RGB"))
    assert np.abs(expected.astype(int) - np.asarray(image)).max() > 50
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels, expected)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
@pytest.mark.parametrize("photometric", [0, 1])
def test_fax(compression, photometric):
    black = np.random.default_rng(0).integers(0, 2, (9, 21)).astype(bool)
    file = io.BytesIO()
    Image.fromarray(black).save(file, "TIFF", compression=compression, tiffinfo={262: photometric})
    stored = tiff_samples(file.getvalue())[..., 0].astype(bool)
    assert (stored ^ black).all() or not (stored ^ black).any()
    np.testing.assert_array_equal(read_picture(file).pixels, (stored ^ (photometric == 0)) * 255)


def by_hand(width, height, data, tags, order="<"):
    """A TIFF file of one strip; `tags` are added to the fewest there can be."""
    tags = {256: width, 257: height, 259: 1, 262: 1, 277: 1, 278: height} | tags
    tags[273] = 8 + 2 + 12 * (len(tags) + 1) + 4
    entries = b"".join(
        struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in sorted(tags.items())
    )
    mark = b"II" if order == "<" else b"MM"
    start = struct.pack(order + "2sHIH", mark, 42, 8, len(tags))
    return io.BytesIO(start + entries + bytes(4) + data)


@pytest.mark.parametrize("order", ["<", ">"])
def test_packed_bits_by_hand(order):
    white = by_hand(8, 8, b"\xff" * 96, {258: 12, 279: 96}, order)
    assert (read_picture(white).pixels == 65535).all()
    two = bytes([0x12, 0x3A, 0xBC, 0, 0, 1])  # 0x123 0xABC, 0 1
    picture = read_picture(by_hand(2, 2, two, {258: 12, 279: 6}, order))
    expected = np.array([[0x123, 0xABC], [0, 1]]) * 65535 / 4095
    np.testing.assert_array_equal(picture.pixels, np.floor(expected + 0.5))
    # Without the count of bytes, as old files are; with its bits reversed in each byte.
    np.testing.assert_array_equal(
        read_picture(by_hand(2, 2, two, {258: 12}, order)).pixels, picture.pixels
    )
    reversed_bits = bytes(int(f"{byte:08b}"[::-1], 2) for byte in two)
    np.testing.assert_array_equal(
        read_picture(by_hand(2, 2, reversed_bits, {258: 12, 266: 2}, order)).pixels,
        picture.pixels,
    )


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("depth", range(1, 17))
@pytest.mark.parametrize("channels", [1, 3])
def test_samples_of_every_depth_by_hand(order, depth, channels):
    raw = samples(depth, channels)
    data = raw.astype("<u2") if order == "<" and depth == 16 else packed_rows(raw, depth)
    tags = {258: depth, 262: 1 if channels == 1 else 2, 277: channels, 279: data.nbytes}
    picture = read_picture(by_hand(22, 13, data.tobytes(), tags, order))
    pixels, _ = tiff_meaning(raw, depth, "minisblack" if channels == 1 else "rgb", [])
    assert picture.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(picture.pixels, pixels)


@pytest.mark.parametrize("depth", [8, 16])
def test_jpeg_2000(depth):
    raw = samples(depth, 3, 41, 50)
    content = tiff_file(raw, depth, "rgb", compression="jpeg2000", tile=(16, 32))
    np.testing.assert_array_equal(read_picture(io.BytesIO(content)).pixels, raw)


def test_a_compression_that_is_not_read_is_named(tmp_path):
    content = tiff_file(samples(8, 3), 8, "rgb", compression="webp")
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.tif: its compression \(WEBP\) is not read; save it"):
        read_picture(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", ["jpeg", "jpeg2000"])
def test_a_strip_that_decodes_to_more_than_the_picture_is_refused(compression):
    large = np.zeros((304, 500, 3), np.uint8)
    content = tiff_file(large, 8, "rgb", compression=compression, rowsperstrip=304)
    for tag, side in ((256, 500), (257, 304), (278, 304)):
        entry = struct.pack("<HHII", tag, 4, 1, side)
        assert content.count(entry) == 1
        content = content.replace(entry, struct.pack("<HHII", tag, 4, 1, 20))
    with pytest.raises(InputError, match="a strip or tile of it declares 500 x 304 pixels"):
        read_picture(io.BytesIO(content))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["SHORT", "LONG", "SBYTE"])
def test_orientation_of_any_integer_type(orientation, kind, tmp_path):
    raw = samples(16, 3)
    kinds = {"SHORT": 3, "LONG": 4, "SBYTE": 6}
    tags = [(274, kinds[kind], 1, orientation, True)]
    content = tiff_file(raw, 16, "rgb", extratags=tags, byteorder=">")
    picture = read_picture(io.BytesIO(content))
    np.testing.assert_array_equal(picture.pixels, upright(raw, orientation))
    write_picture(picture, tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.getexif().get(274, 1) == 1


@pytest.mark.parametrize("number", range(20))
def test_other_kinds_of_pixels_are_refused_by_what_they_are(number, tmp_path):
    import random

    file = refused_tiff(random.Random(number))
    (tmp_path / "a.tif").write_bytes(file.content)
    with pytest.raises(InputError, match=rf"a\.tif: .*{file.what}.*; (save|develop) it") as raised:
        read_picture(tmp_path / "a.tif")
    assert "\n" not in str(raised.value)
    assert "damaged" not in str(raised.value)


def test_a_preview_is_not_taken_for_the_picture(tmp_path):
    large, small = np.full((240, 320, 3), 99, "uint8"), np.full((12, 16, 3), 99, "uint8")
    for name, first, second in (
        ("IMG_1.dng", {"subifds": 1, "subfiletype": 1}, {"subfiletype": 0}),
        ("pages.tif", {"subfiletype": 1}, {"subfiletype": 0}),
    ):
        with tifffile.TiffWriter(tmp_path / name) as file:
            file.write(small, photometric="rgb", **first)
            file.write(large, photometric="rgb", **second)
        with pytest.raises(InputError, match=f"{name}: its first picture is a small preview"):
            read_picture(tmp_path / name)
    with tifffile.TiffWriter(tmp_path / "pyramid.tif") as file:
        file.write(large, photometric="rgb")
        file.write(small, photometric="rgb", subfiletype=1)
        file.write(small[..., 0] > 0, photometric="minisblack", subfiletype=4)
        file.write(large, photometric="rgb")
    picture = read_picture(tmp_path / "pyramid.tif")
    assert picture.pixels.shape == (240, 320, 3)
    assert picture.frames == 2
    with tifffile.TiffWriter(tmp_path / "camera.dng") as file:
        file.write(small, photometric="rgb", extratags=[(50706, 1, 4, (1, 4, 0, 0), True)])
    with pytest.raises(InputError, match=r"camera\.dng: a raw photograph"):
        read_picture(tmp_path / "camera.dng")


def test_a_tiff_beyond_4_gib_becomes_a_big_tiff(tmp_path, monkeypatch):
    raw, exif = samples(16, 4, 2000, 90), Image.Exif()
    exif[0x010F] = "Cam"
    picture = Picture(raw[..., :3], raw[..., 3], exif=exif.tobytes()[6:], xmp=b"<x/>")
    write_picture(picture, tmp_path / "small.tif")
    monkeypatch.setattr(tiff_writing, "CLASSIC_BYTES", 400_000)

    write_picture(picture, tmp_path / "big.tif")

    for name, big in (("small.tif", False), ("big.tif", True)):
        with tifffile.TiffFile(tmp_path / name) as file:
            assert file.is_bigtiff == big
            assert len(file.pages[0].dataoffsets) > 1
            assert file.pages[0].tags["Make"].value == "Cam"
            np.testing.assert_array_equal(file.asarray(), raw)
        again = read_picture(tmp_path / name)
        np.testing.assert_array_equal(again.pixels, picture.pixels)
        np.testing.assert_array_equal(again.alpha, picture.alpha)
        assert again.xmp == b"<x/>"
