"""Packs hold the pictures to the last bit, in parts of a bounded size."""

import numpy as np
import pytest
from PIL import Image

from awsrn_keras.errors import InputError
from training.release import picture_packs
from training.release.data import load_images
from training.release.picture_packs import write_packs


@pytest.fixture
def pictures(tmp_path):
    """Two folders with a picture of the same name in each; PNG, BMP and JPEG."""
    rng = np.random.default_rng(0)
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, suffixes in zip(folders, (("png", "bmp"), ("png", "jpg")), strict=True):
        folder.mkdir()
        for i, suffix in enumerate(suffixes):
            pixels = rng.integers(0, 256, (30 + i, 41, 3), "uint8")
            Image.fromarray(pixels).save(folder / f"picture_{i}.{suffix}")
    return folders


def test_images_of_packs_are_those_of_the_folders(pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(picture_packs, "PART_BYTES", 9000)
    packs = write_packs(pictures, tmp_path / "train")
    assert [path.name for path in packs] == ["train-01.zip", "train-02.zip"]
    assert max(path.stat().st_size for path in packs) <= 9000

    for scale in (2, 3):
        expected, of_folders = load_images(pictures, scale, 8)
        found, of_packs = load_images(packs, scale, 8)
        assert expected.pixels.std() > 50
        for before, after in zip(expected, found, strict=True):
            np.testing.assert_array_equal(before, after)
        assert of_packs.pop("sources") != of_folders.pop("sources")
        assert of_packs == of_folders
        assert of_folders["images"] == 4


def test_an_older_pack_is_not_mixed_with_a_new_one(pictures, tmp_path):
    write_packs(pictures, tmp_path / "train")
    with pytest.raises(InputError, match=r"train-01\.zip exists"):
        write_packs(pictures, tmp_path / "train")


def test_a_picture_larger_than_a_pack_is_an_error(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(picture_packs, "PART_BYTES", 2000)
    with pytest.raises(InputError, match=r"picture_0\.webp.* more than a pack"):
        write_packs(pictures, tmp_path / "train")
    assert not list(tmp_path.glob("*.zip"))
