"""Which pictures `evaluate.py` finds in a folder, and how it pairs them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from awsrn_keras import imresize
from awsrn_keras.errors import InputError
from awsrn_keras.scoring.image_sets import load_image_sets


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "cache"))


def save(path: Path, height: int, width: int) -> np.ndarray:
    """A picture of noise that depends on its path."""
    seed = sum(map(ord, "/".join(path.parts[-4:])))
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return save_as(path, pixels)


def save_as(path: Path, pixels: np.ndarray) -> np.ndarray:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


@pytest.fixture
def benchmarks(tmp_path) -> Path:
    """Two sets of one picture, at x2 and x3, whose LR pictures are not made from HR."""
    root = tmp_path / "benchmarks"
    for name in ("Set5", "Other"):
        for scale in (2, 3):
            save(root / name / f"x{scale}/HR/a.png", 20 * scale, 31 * scale)
            save(root / name / f"x{scale}/LR/a.png", 20, 31)
    return root


def test_a_benchmark_brings_the_lr_pictures_of_the_scale(benchmarks):
    for scale in (2, 3):
        (found,) = load_image_sets([str(benchmarks / "Set5")], scale)
        assert found.name == "Set5"
        assert found.image_names() == ["a.png"]
        folder = benchmarks / f"Set5/x{scale}"
        np.testing.assert_array_equal(found.pairs.lr(0), Image.open(folder / "LR/a.png"))
        np.testing.assert_array_equal(found.pairs.hr(0), Image.open(folder / "HR/a.png"))


def test_a_folder_of_benchmarks_brings_each_of_them(benchmarks):
    found = load_image_sets([str(benchmarks)], 3)
    assert [image_set.name for image_set in found] == ["Other", "Set5"]
    assert all(image_set.pairs.scale == 3 for image_set in found)


@pytest.mark.parametrize("inner", ["x2", "x2/HR"])
def test_a_folder_inside_a_benchmark_has_its_name(benchmarks, inner):
    (found,) = load_image_sets([str(benchmarks / "Set5" / inner)], 2)
    assert found.name == "Set5"


def test_at_x8_the_x2_pictures_are_cropped_from_the_top_left(benchmarks):
    (found,) = load_image_sets([str(benchmarks / "Set5")], 8)
    hr = np.asarray(Image.open(benchmarks / "Set5/x2/HR/a.png"))[:40, :56]
    np.testing.assert_array_equal(found.pairs.hr(0), hr)  # of 40x62
    np.testing.assert_array_equal(found.pairs.lr(0), imresize(hr, 1 / 8))


def test_a_plain_folder_is_cropped_from_the_top_left_and_shrunk(tmp_path):
    pixels = save(tmp_path / "mine/b.png", 50, 46)[:48, :44]
    (found,) = load_image_sets([str(tmp_path / "mine")], 4)
    assert found.name == "mine"
    np.testing.assert_array_equal(found.pairs.hr(0), pixels)
    np.testing.assert_array_equal(found.pairs.lr(0), imresize(pixels, 1 / 4))


def test_two_folders_of_one_name_are_told_apart_and_one_given_twice_counts_once(benchmarks):
    folders = [str(benchmarks / "Set5"), str(benchmarks / "Other/x2"), str(benchmarks / "Set5")]
    save(benchmarks / "more/Set5/b.png", 40, 44)
    found = load_image_sets([*folders, str(benchmarks / "more/Set5")], 2)
    assert [each.name for each in found] == ["Set5", "Other", str(benchmarks / "more/Set5")]


def test_a_folder_in_div2ks_layout_is_scored_on_its_validation_pictures(tmp_path):
    for number in (1, 2):
        save(tmp_path / f"DIV2K/DIV2K_train_HR/{number:04}.png", 40, 52)
    for number in range(801, 808):
        hr = save(tmp_path / f"DIV2K/DIV2K_valid_HR/{number:04}.png", 40, 52)
        save_as(tmp_path / f"DIV2K/DIV2K_valid_LR_bicubic/X2/{number:04}x2.png", hr[::2, ::2])
    (found,) = load_image_sets([str(tmp_path / "DIV2K")], 2)
    assert found.name == "DIV2K"
    assert found.image_names() == [f"{number:04}.png" for number in range(801, 806)]
    np.testing.assert_array_equal(found.pairs.lr(4), found.pairs.hr(4)[::2, ::2])

    (training,) = load_image_sets([str(tmp_path / "DIV2K/DIV2K_train_HR")], 2)
    assert training.image_names() == ["0001.png", "0002.png"]


def test_sample_gives_held_out_photographs():
    (found,) = load_image_sets(["sample"], 4)
    assert found.name == "sample"
    assert "chelsea.png" in found.image_names()


def test_what_cannot_be_scored_is_an_error_that_names_it(benchmarks, tmp_path):
    with pytest.raises(InputError, match="gone"):
        load_image_sets([str(tmp_path / "gone")], 2)
    with pytest.raises(InputError, match="pictures of scale 2, 3, not 4: add"):
        load_image_sets([str(benchmarks / "Set5")], 4)
    with pytest.raises(InputError, match=r"LR/a.png: LR image of 31x20 pixels"):
        load_image_sets([str(benchmarks / "Set5/x3")], 2)
    save(tmp_path / "small/c.png", 14, 90)
    with pytest.raises(InputError, match=r"c.png: 90x14 pixels are too few.*15x15 is the least"):
        load_image_sets([str(tmp_path / "small")], 2)
