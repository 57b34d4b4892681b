"""Picture files of every kind become training pixels: RGB, 8 bits, upright."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from awsrn_keras.data import load_pairs
from awsrn_keras.pictures.resize import imresize


def files_of_all_kinds(folder):
    """One picture in many formats; the expected RGB pixels by file name."""
    rgb = np.random.default_rng(0).integers(0, 256, (16, 12, 3), dtype=np.uint8)
    folder.mkdir()
    grey = rgb[..., 0]
    palette = Image.fromarray(rgb).quantize(16)
    orange = np.full((16, 12, 4), (0, 128, 255, 0), np.uint8)  # cyan, magenta, yellow, black
    turned = Image.Exif()
    turned[0x0112] = 6  # to be turned by 90 degrees to the right
    Image.fromarray(grey).save(folder / "grey.png")
    Image.fromarray(np.dstack([rgb, grey])).save(folder / "alpha.png")
    palette.save(folder / "palette.png")
    Image.fromarray(orange, "CMYK").save(folder / "cmyk.tif")
    Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "sixteen.png")
    Image.fromarray(rgb).save(folder / "turned.webp", lossless=True, exif=turned)
    Image.fromarray(rgb).save(folder / "plain.bmp")
    repeated = np.repeat(grey[..., None], 3, axis=2)
    return {
        "grey.png": repeated,
        "alpha.png": rgb,
        "palette.png": np.asarray(palette.convert("RGB")),
        "cmyk.tif": np.full((16, 12, 3), (255, 127, 0), np.uint8),
        "sixteen.png": repeated,
        "turned.webp": np.rot90(rgb, -1),
        "plain.bmp": rgb,
    }


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
def test_every_kind_of_picture_file_becomes_rgb(tmp_path):
    expected = files_of_all_kinds(tmp_path / "in")

    bank = load_pairs([tmp_path / "in"], 4, cache_dir=tmp_path / "cache")

    assert {Path(name).name for name in bank.names} == set(expected)
    for i, name in enumerate(bank.names):
        np.testing.assert_array_equal(bank.hr(i), expected[Path(name).name], err_msg=name)
        np.testing.assert_array_equal(bank.lr(i), imresize(bank.hr(i), 1 / 4), err_msg=name)
