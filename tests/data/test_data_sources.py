"""Folders, DIV2K's layout: which pixels come out, what is refused."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import awsrn_keras.data.sources as sources
from awsrn_keras.data import load_pairs
from awsrn_keras.errors import InputError
from awsrn_keras.pictures.resize import imresize


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "cache"))


def picture(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return pixels


def save_div2k(root, scale=2, train=3, validation=7):
    """The folders that DIV2K's archives unpack to; LR is every scale-th pixel, not imresize."""
    lr_folder = f"LR_bicubic/X{scale}" if scale < 8 else "LR_x8"
    for split, first, count in (("train", 1, train), ("valid", 801, validation)):
        for number in range(first, first + count):
            hr = picture(8 * scale, 10 * scale, number)
            save(root / f"DIV2K_{split}_HR/{number:04}.png", hr)
            save(root / f"DIV2K_{split}_{lr_folder}/{number:04}x{scale}.png", hr[::scale, ::scale])


def test_lr_is_made_by_imresize_from_hr_cropped_at_the_bottom_right(tmp_path):
    first = save(tmp_path / "a/1.png", picture(31, 22, 1))
    second = save(tmp_path / "b/sub/2.PNG", picture(12, 18, 2))

    bank = load_pairs([tmp_path / "a", str(tmp_path / "b")], 3)

    assert [Path(name).name for name in bank.names] == ["1.png", "2.PNG"]
    np.testing.assert_array_equal(bank.hr(0), first[:30, :21])
    np.testing.assert_array_equal(bank.lr(0), imresize(first[:30, :21], 1 / 3))
    np.testing.assert_array_equal(bank.hr(1), second)


def test_many_images_keep_their_order(tmp_path):
    images = [save(tmp_path / f"{i:02}.png", picture(20 + i, 30, i)) for i in range(25)]

    bank = load_pairs(tmp_path, 2)

    assert len(bank) == 25
    for i, image in enumerate(images):
        np.testing.assert_array_equal(bank.hr(i), image[: image.shape[0] // 2 * 2])


def test_images_are_decoded_once(tmp_path, monkeypatch):
    save(tmp_path / "1.png", picture(16, 12))
    load_pairs([tmp_path], 2)
    monkeypatch.setattr(sources, "read_pairs", None)  # would fail if called

    assert load_pairs([tmp_path], 2).hr(0).shape == (16, 12, 3)


@pytest.mark.parametrize("change", ["rewrite", "add", "remove"])
def test_a_changed_folder_is_decoded_again(tmp_path, change):
    for name in "12":
        save(tmp_path / f"in/{name}.png", picture(16, 12, int(name)))
    load_pairs([tmp_path / "in"], 2)
    if change == "rewrite":
        save(tmp_path / "in/1.png", picture(16, 12, 5))
        os.utime(tmp_path / "in/1.png", (0, 0))
    elif change == "add":
        save(tmp_path / "in/0.png", picture(16, 12, 5))
    else:
        os.remove(tmp_path / "in/1.png")

    bank = load_pairs([tmp_path / "in"], 2)

    expected = {"rewrite": [5, 2], "add": [5, 1, 2], "remove": [2]}[change]
    assert len(bank) == len(expected)
    for i, seed in enumerate(expected):
        np.testing.assert_array_equal(bank.hr(i), picture(16, 12, seed))


@pytest.mark.parametrize("scale", [2, 8])
@pytest.mark.parametrize("folder", ["", "DIV2K_train_HR"])
def test_div2ks_folders_bring_their_lr_images(tmp_path, scale, folder):
    save_div2k(tmp_path, scale)

    bank = load_pairs([tmp_path / folder], scale)

    assert len(bank) == 3
    for i in range(3):
        hr = picture(8 * scale, 10 * scale, i + 1)
        np.testing.assert_array_equal(bank.hr(i), hr)
        np.testing.assert_array_equal(bank.lr(i), hr[::scale, ::scale])


def test_div2k_validates_on_0801_to_0805_unless_its_folder_is_named(tmp_path):
    save_div2k(tmp_path)

    five = load_pairs(tmp_path, 2, "validation")
    seven = load_pairs([tmp_path / "DIV2K_valid_HR"], 2, "validation")

    assert [Path(name).stem for name in five.names] == ["0801", "0802", "0803", "0804", "0805"]
    assert len(seven) == 7


def test_div2k_at_a_scale_without_lr_folder_has_them_made(tmp_path):
    save_div2k(tmp_path, 2)

    bank = load_pairs([tmp_path], 4)

    np.testing.assert_array_equal(bank.lr(0), imresize(picture(16, 20, 1), 1 / 4))


def test_div2k_without_its_validation_folder_is_refused(tmp_path):
    save(tmp_path / "DIV2K_train_HR/0001.png", picture(16, 20))

    with pytest.raises(InputError, match=r"DIV2K_valid_HR: no such folder: unpack"):
        load_pairs([tmp_path], 2, "validation")


@pytest.mark.parametrize("name", ["a/1.png", "a/1x2.png", "X2/a/1x2.png", "a/1.bmp"])
def test_lr_dir_is_searched_for_the_usual_names(tmp_path, name):
    hr = save(tmp_path / "hr/a/1.png", picture(14, 10))
    save(tmp_path / "lr" / name, hr[1::2, 1::2])

    bank = load_pairs([tmp_path / "hr"], 2, lr_dir=str(tmp_path / "lr"))

    np.testing.assert_array_equal(bank.lr(0), hr[1::2, 1::2])


def test_an_lr_image_rounded_up_is_cropped_to_the_whole_pixels(tmp_path):
    """MATLAB rounds sizes up, as in DIV2K at x8: 1404 rows become 176."""
    hr = save(tmp_path / "hr/1.png", picture(12, 17))
    lr = save(tmp_path / "lr/1x8.png", picture(2, 3, 1))

    bank = load_pairs([tmp_path / "hr"], 8, lr_dir=tmp_path / "lr")

    np.testing.assert_array_equal(bank.lr(0), lr[:1, :2])
    np.testing.assert_array_equal(bank.hr(0), hr[:8, :16])


@pytest.mark.parametrize("size", [(8, 6), (7, 7), (14, 10), (5, 7)])
def test_an_lr_image_of_the_wrong_size_is_named_with_both_sizes(tmp_path, size):
    save(tmp_path / "hr/1.png", picture(14, 10))
    save(tmp_path / "lr/1.png", picture(*size))

    with pytest.raises(InputError, match=rf"lr/1\.png: LR image of {size[1]}x{size[0]} .* 5x7"):
        load_pairs([tmp_path / "hr"], 2, lr_dir=tmp_path / "lr")


def test_an_hr_image_without_lr_is_named_with_what_is_missing(tmp_path):
    for name in "12":
        save(tmp_path / f"hr/{name}.png", picture(14, 10))
    save(tmp_path / "lr/1.png", picture(7, 5))

    with pytest.raises(InputError, match=r"hr/2\.png: no LR image 2\.png or 2x2\.png in .*lr"):
        load_pairs([tmp_path / "hr"], 2, lr_dir=tmp_path / "lr")


def test_a_truncated_image_is_named_and_nothing_is_cached(tmp_path):
    save(tmp_path / "in/good.png", picture(40, 40))
    save(tmp_path / "in/bad.png", picture(40, 40))
    whole = (tmp_path / "in/bad.png").read_bytes()
    (tmp_path / "in/bad.png").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(InputError, match=r"bad\.png") as error:
        load_pairs([tmp_path / "in"], 2)

    assert "\n" not in str(error.value)
    assert [p.suffix for p in (tmp_path / "cache").iterdir()] == [".lock"]
    os.remove(tmp_path / "in/bad.png")
    assert len(load_pairs([tmp_path / "in"], 2)) == 1


def test_an_image_smaller_than_the_scale_is_named(tmp_path):
    save(tmp_path / "dot.png", picture(3, 40))

    with pytest.raises(InputError, match=r"dot\.png: 40x3 pixels are too few for scale 4"):
        load_pairs([tmp_path], 4)


def test_an_empty_or_missing_folder_is_named(tmp_path):
    (tmp_path / "empty").mkdir()

    for folder in ("empty", "missing"):
        with pytest.raises(InputError, match=folder):
            load_pairs([tmp_path / folder], 2)
    with pytest.raises(InputError, match="No folder"):
        load_pairs([], 2)


@pytest.mark.parametrize("data", ["sample", ["div2k"]])
def test_lr_dir_belongs_to_folders(data, tmp_path):
    with pytest.raises(InputError, match="for folders only"):
        load_pairs(data, 2, lr_dir=tmp_path)


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="'test': choose"):
        load_pairs("sample", 2, "test")


def test_progress_is_shown_on_a_terminal_only(tmp_path, capsys, monkeypatch):
    for number in range(3):
        save(tmp_path / f"in/{number}.png", picture(16, 12, number))
    load_pairs([tmp_path / "in"], 2)
    assert capsys.readouterr().err == ""

    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    load_pairs([tmp_path / "in"], 4)

    shown = capsys.readouterr().err
    assert "Decoding images" in shown
    assert "100%" in shown
