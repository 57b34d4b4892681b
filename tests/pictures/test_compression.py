"""Which files show their compression."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from awsrn_keras.pictures import visibly_compressed

PHOTOGRAPH = Image.fromarray(data.astronaut()[40:136, 180:300])


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("a.jpg", {"quality": 30}, True),
        ("a.jpg", {"quality": 91, "subsampling": "4:4:4"}, True),
        ("a.jpg", {"quality": 92}, False),
        ("a.jpg", {"quality": 98}, False),
        ("a.webp", {"quality": 90}, True),
        ("a.webp", {"lossless": True}, False),
        ("a.png", {}, False),
    ],
)
def test_jpeg_by_its_tables_and_webp_by_its_kind(name, options, expected, tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "odd"  # makes WebP an extended file
    for more in ({}, {"exif": exif}):
        PHOTOGRAPH.save(tmp_path / name, **options, **more)
        assert visibly_compressed(tmp_path / name) is expected


def test_a_grey_jpeg_and_an_animated_webp(tmp_path):
    PHOTOGRAPH.convert("L").save(tmp_path / "grey.jpg", quality=60)
    assert visibly_compressed(tmp_path / "grey.jpg")
    frames = [PHOTOGRAPH, PHOTOGRAPH.rotate(90)]
    for lossless in (False, True):
        frames[0].save(
            tmp_path / "b.webp", save_all=True, append_images=frames[1:], lossless=lossless
        )
        assert visibly_compressed(tmp_path / "b.webp") is not lossless


def test_damaged_and_missing_files_are_not(tmp_path):
    PHOTOGRAPH.save(tmp_path / "a.jpg", quality=30)
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(content[:40])
    (tmp_path / "zeros.webp").write_bytes(b"RIFF\0\0\0\0WEBP" + bytes(np.zeros(99, np.uint8)))
    for name in ("cut.jpg", "zeros.webp", "missing.jpg"):
        assert not visibly_compressed(tmp_path / name)
