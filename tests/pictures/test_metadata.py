"""Metadata: each kind is in the file that is written, or among its losses."""

import io
import itertools
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps
from unusual_pictures import jpeg_with

from awsrn_keras.errors import InputError
from awsrn_keras.pictures import Picture, check_size, losses, read_picture, write_picture
from awsrn_keras.pictures.exif import exif_orientation, upright_exif, upright_xmp

FORMATS = ("png", "jpeg", "webp", "tiff", "bmp")
y, x, c = np.mgrid[:12, :17, :3]
PIXELS = (30 + 8 * y + 6 * x + 20 * c).astype(np.uint8)
ALPHA = (255 - 9 * np.mgrid[:12, :17].sum(0)).astype(np.uint8)
EXIF = Image.Exif()
EXIF[0x010F], EXIF[0x8298] = "Cam", "© Müller".encode()
EXIF.get_ifd(0x8769)[0x927C] = b"maker's note \0\1"
EXIF.get_ifd(0x8825)[2] = (50.0, 30.0, 0.0)
METADATA = {
    "exif": EXIF.tobytes().removeprefix(b"Exif\0\0"),
    "icc": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    "xmp": b"<x:xmpmeta>sunset</x:xmpmeta>",
    "dpi": (300.0, 150.0),
    "text": (("Comment", "Größe"), ("parameters", "a cat, steps 20")),
    "colour": ((b"gAMA", struct.pack(">I", 100000)),),
}
NOTES = {
    "exif": "EXIF",
    "icc": "colour profile",
    "xmp": "XMP",
    "dpi": "resolution",
    "text": "text (",
    "colour": "what the colours mean (gAMA): they may look different",
}


def jpeg(*segments):
    return jpeg_with(encoded("JPEG"), *segments)


def encoded(format, **options):
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "kinds", [(), ("exif",), ("xmp", "dpi"), ("text", "colour"), "all"], ids=str
)
def test_all_that_is_written_reads_back_or_is_noted(tmp_path, format, dtype, channels, kinds):
    kinds = tuple(METADATA) if kinds == "all" else kinds
    unit = 257 if dtype == "uint16" else 1
    pixels = (PIXELS if channels > 2 else PIXELS[..., 0]).astype(dtype) * unit
    alpha = None if channels % 2 else ALPHA.astype(dtype) * unit
    metadata = {kind: METADATA[kind] for kind in kinds}
    if channels < 3:
        metadata.pop("icc", None)  # it is one of RGB
    picture = Picture(pixels, alpha, **metadata)

    write_picture(picture, tmp_path / "a", format, quality=100)
    again = read_picture(tmp_path / "a")

    lost = losses(picture, format)
    deep = dtype == "uint16" and format in ("png", "tiff")
    assert again.pixels.dtype == (np.uint16 if deep else np.uint8)
    assert ("16 bits (rounded to 8)" in lost) == (dtype == "uint16" and not deep)
    see_through = alpha is not None and format not in ("jpeg", "bmp")
    assert (again.alpha is not None) == see_through
    assert ("transparency (laid on white)" in lost) == (alpha is not None and not see_through)
    expected = np.dstack([pixels] * 3) if channels < 3 else pixels
    expected = expected if deep else (expected // unit).astype(np.uint8)
    if alpha is not None and not see_through:
        opacity = ALPHA[..., None] / 255
        expected = expected * opacity + 255 * (1 - opacity)
    got = np.dstack([again.pixels] * 3) if again.pixels.ndim == 2 else again.pixels
    visible = ALPHA > 0 if see_through else np.ones(ALPHA.shape, bool)
    assert np.abs(got - expected.astype(float))[visible].max() <= (4 if format == "jpeg" else 1)
    if format in ("png", "tiff") or (format == "webp" and alpha is None and channels == 3):
        np.testing.assert_array_equal(got[visible], expected[visible])
    if see_through:
        np.testing.assert_array_equal(again.alpha, alpha if deep else alpha // unit)

    for kind, before in metadata.items():
        noted = any(note.startswith(NOTES[kind]) for note in lost)
        after = getattr(again, kind)
        if kind == "dpi" and not noted:
            assert after == pytest.approx(before, abs=0.5)
        elif kind == "exif" and format == "tiff":
            assert not noted
            assert_same_exif(after, before)
        elif kind == "text" and format == "jpeg":
            assert after == (("Comment", "Größe"),)
            assert "text (parameters)" in lost
        elif kind == "colour" and "icc" in metadata and format != "png":
            assert not noted  # the profile says it all
        else:
            assert (after == before) != noted, f"{kind}: {after!r}"
    noted_kinds = sum(note.startswith(tuple(NOTES.values())) for note in lost)
    assert noted_kinds <= len(metadata)
    assert noted_kinds + ("alpha" in "".join(lost)) <= len(lost)


def assert_same_exif(after, before):
    entries = []
    for content in (after, before):
        exif = Image.Exif()
        exif.load(content)
        folders = [dict(exif), dict(exif.get_ifd(0x8769)), dict(exif.get_ifd(0x8825))]
        entries.append([{k: v for k, v in f.items() if k not in (0x8769, 0x8825)} for f in folders])
    assert entries[0] == entries[1]


@pytest.mark.parametrize(
    ("before", "after"), list(itertools.product(("jpg", "png", "tif"), repeat=2))
)
def test_text_in_exif_keeps_its_bytes(tmp_path, before, after):
    exif, name = Image.Exif(), "Jürgen Müller".encode()
    exif[0x013B], exif[0x8298] = name, "© Müller".encode()
    Image.fromarray(PIXELS).save(tmp_path / f"a.{before}", exif=exif)
    for source, target in ((f"a.{before}", f"b.{after}"), (f"b.{after}", f"c.{before}")):
        assert name in (tmp_path / source).read_bytes()
        write_picture(read_picture(tmp_path / source), tmp_path / target)
        content = (tmp_path / target).read_bytes()
        assert name + b"\0" in content
        assert "© Müller".encode() + b"\0" in content


def exif_with(tag, kind, count, value, order="<", data=b""):
    mark = b"II" if order == "<" else b"MM"
    start = struct.pack(order + "2sHIHHHI", mark, 42, 8, 1, tag, kind, count)
    return start + value + bytes(4) + data


TYPES = [(3, "<H"), (4, "<I"), (6, "<b"), (8, "<h"), (9, "<i"), (11, "<f"), (1, "<B"), (2, "<B")]


@pytest.mark.parametrize(("kind", "code"), [*TYPES, (7, "<B")])
def test_orientation_of_unusual_type_is_read_as_pillow_reads_it(kind, code):
    exif = exif_with(0x0112, kind, 1, struct.pack(code, 6).ljust(4, b"\0"))
    content = jpeg((0xE1, b"Exif\0\0" + exif))
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))

    picture = read_picture(io.BytesIO(content))

    np.testing.assert_array_equal(picture.pixels, expected)
    turned = expected.shape[:2] != PIXELS.shape[:2]
    assert turned == (kind not in (1, 2, 7))
    assert exif_orientation(picture.exif) == 1
    assert (picture.exif == exif) == (not turned)  # what is no number is not overwritten


def test_entries_that_are_not_what_they_should_be_stay():
    lists = exif_with(0x0100, 3, 100, struct.pack("<I", 26), data=bytes(range(200)))
    fraction = exif_with(0x0112, 5, 1, struct.pack("<I", 26), data=struct.pack("<II", 6, 1))
    two = exif_with(0x0112, 3, 2, struct.pack("<HH", 6, 7))
    assert upright_exif(lists, 9, 9) == lists
    assert exif_orientation(fraction) == exif_orientation(two) == 6
    assert upright_exif(fraction, 9, 9) == fraction[:26] + struct.pack("<II", 1, 1)
    assert exif_orientation(upright_exif(two, 9, 9)) == 1
    assert upright_exif(two, 9, 9)[20:22] == two[20:22]


def test_xmp_describes_the_upright_picture(tmp_path):
    xmp = b'<x tiff:Orientation="6" tiff:ImageWidth="17"><exif:PixelYDimension>12</x>'
    content = jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp))
    with Image.open(io.BytesIO(content)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))

    picture = read_picture(io.BytesIO(content))

    np.testing.assert_array_equal(picture.pixels, expected)
    assert picture.pixels.shape == (17, 12, 3)
    write_picture(picture, tmp_path / "a.jpg")
    again = read_picture(tmp_path / "a.jpg")
    assert again.pixels.shape == (17, 12, 3)
    assert again.xmp == upright_xmp(xmp, 12, 17)
    assert again.xmp == (
        b'<x tiff:Orientation="1" tiff:ImageWidth="12"><exif:PixelYDimension>17</x>'
    )


def test_what_no_jpeg_segment_holds_is_left_out_with_a_note(tmp_path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x927C] = bytes(100_000)
    raw = exif.tobytes()
    parts = [raw[6:][at : at + 65_000] for at in range(0, len(raw), 65_000)]
    content = jpeg(*[(0xE1, b"Exif\0\0" + part) for part in parts])
    picture = read_picture(io.BytesIO(content))
    assert picture.exif == raw[6:]
    for size, noted in ((65504, False), (65505, True)):
        long = Picture(PIXELS, xmp=b"x" * size, text=(("Comment", "c" * (size + 29)),))
        write_picture(long, tmp_path / "a.jpg")
        again = read_picture(tmp_path / "a.jpg")
        assert (again.xmp == long.xmp) != noted
        assert (again.text == long.text) != noted
        notes = [f"XMP ({size} bytes of at most 65504)", "text (Comment)"]
        assert losses(long, "jpeg") == (notes if noted else [])

    write_picture(picture, tmp_path / "a.jpg")

    assert read_picture(tmp_path / "a.jpg").exif == b""
    assert losses(picture, "jpeg") == [f"EXIF ({len(raw) - 6} bytes of at most 65527)"]
    for format in ("png", "webp", "tiff"):
        assert losses(picture, format) == []
        write_picture(picture, tmp_path / "b", format)
        assert bytes(100_000) in read_picture(tmp_path / "b").exif
    edge = Picture(
        PIXELS, exif=exif_with(0x8298, 2, 65501, struct.pack("<I", 26), data=b"c" * 65501)
    )
    assert len(edge.exif) == 65527
    write_picture(edge, tmp_path / "edge.jpg")
    assert read_picture(tmp_path / "edge.jpg").exif == edge.exif


@pytest.mark.parametrize(
    ("format", "dpi", "expected"),
    [
        ("jpeg", (254_000, 0.2), (65535, 1)),
        ("png", (254_000, 0.3), (254_000, 1)),
        ("tiff", (254_000, 0.3), (254_000, 1)),
        ("bmp", (254_000, 0.3), (254_000, 1)),
    ],
)
def test_density_is_clipped_to_what_the_format_holds(tmp_path, format, dpi, expected):
    picture = Picture(PIXELS, dpi=dpi)
    write_picture(picture, tmp_path / "a", format)
    with Image.open(tmp_path / "a") as image:
        assert image.info["dpi"] == pytest.approx(expected, abs=0.02)
    clipped = ["resolution above 65535 pixels per inch (clipped)"] if format == "jpeg" else []
    assert losses(picture, format) == clipped


def test_other_pictures_in_a_jpeg_are_noted(tmp_path):
    views = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    views[0].save(tmp_path / "a.mpo", "MPO", save_all=True, append_images=views[1:])
    picture = read_picture(tmp_path / "a.mpo")
    assert picture.frames == 1
    assert len(losses(picture, "jpeg")) == 1
    assert losses(picture, "jpeg")[0].startswith("1 more in the file: another view")

    for xmp in (b'<x hdrgm:Version="1.0"/>', b'<x GCamera:MotionPhoto="1"/>'):
        picture = read_picture(
            io.BytesIO(jpeg((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + xmp)) + b"more")
        )
        assert picture.xmp == b""
        assert losses(picture, "png") == [
            "gain map, video or depth after the picture, and the XMP about it"
        ]
    iptc = read_picture(io.BytesIO(jpeg((0xED, b"Photoshop 3.0\0" + b"8BIM\4\4\0\0\0\0\0\0"))))
    assert losses(iptc, "jpeg") == ["IPTC and Photoshop's data"]


def test_georeference_and_iptc_of_a_tiff_are_noted(tmp_path):
    tags = [(33550, 12, 3, (1.0, 1.0, 0.0), True), (33723, 7, 4, b"abcd", True)]
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, extratags=tags, photometric="rgb")
    assert losses(read_picture(tmp_path / "a.tif"), "tiff") == [
        "IPTC and Photoshop's data",
        "georeference",
    ]


def test_a_bmp_beyond_4_gib_is_refused_before_any_work():
    check_size("a.bmp", 37836, 37836, "bmp")
    with pytest.raises(InputError, match=r"a\.bmp: .* bmp can hold \(4 GiB\); use --format png"):
        check_size("a.bmp", 37838, 37838, "bmp")
    check_size("a.tif", 60000, 60000, "tiff")
