"""Folders, DIV2K's layout: which pixels come out, what is refused."""

import os
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

import awsrn_keras.data.sources as sources
from awsrn_keras.data import held_out, load_pairs
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


@pytest.mark.parametrize("again", [False, True])
def test_images_that_cannot_be_used_are_named_all_at_once(tmp_path, again):
    save_with_faults(tmp_path / "in")

    for _ in range(1 + again):  # decoded, then from the cache
        with pytest.raises(InputError) as error:
            load_pairs([tmp_path / "in"], 4)
    message = str(error.value)

    for name, reason in FAULTS.items():
        assert f"in/{name}: {reason}" in message
        os.remove(tmp_path / "in" / name)
    assert message.endswith(": remove them.")
    assert "\n" not in message
    assert len(load_pairs([tmp_path / "in"], 4)) == 2


FAULTS = {"bad.png": "damaged", "dot.png": "1x1 pixels are too few for scale 4", "empty.png": "not"}


def save_with_faults(folder):
    """Two good pictures, one of them small, among others of which no pair can be made."""
    save(folder / "bad.png", picture(40, 40))
    whole = (folder / "bad.png").read_bytes()
    (folder / "bad.png").write_bytes(whole[: len(whole) // 2])
    save(folder / "dot.png", picture(1, 1))
    (folder / "empty.png").write_bytes(b"")
    save(folder / "good.png", picture(40, 44, 1))
    save(folder / "small.png", picture(40, 13, 2))


@pytest.mark.parametrize(("least_side", "kept"), [(1, 2), (12, 2), (13, 1), (40, 1)])
def test_images_are_left_out_by_name_in_one_line(tmp_path, capsys, least_side, kept):
    save_with_faults(tmp_path / "in")
    load_pairs([tmp_path / "in"], 4, strict=False)
    capsys.readouterr()

    bank = load_pairs([tmp_path / "in"], 4, least_side=least_side, strict=False)

    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.startswith(f"Left out {5 - kept} of 5 images: ")
    for name, reason in FAULTS.items():
        assert f"in/{name}: {reason}" in line
    small = f"small.png: 12x40 pixels are too few, {least_side}x{least_side} is the least"
    assert (small in line) == (kept == 1)
    assert [Path(name).name for name in bank.names] == ["good.png", "small.png"][:kept]
    np.testing.assert_array_equal(bank.hr(0), picture(40, 44, 1))
    assert len(bank) == kept
    with pytest.raises(InputError, match=r"bad\.png"):
        load_pairs([tmp_path / "in"], 4, least_side=least_side)


def test_the_images_that_are_left_have_their_own_pixels(tmp_path, capsys):
    for number, side in enumerate((20, 40, 24, 44)):
        save(tmp_path / f"{number}.png", picture(side, 50, number))
    whole = load_pairs(tmp_path, 2)

    bank = load_pairs(tmp_path, 2, least_side=30, strict=False)

    assert len(bank) == 2
    assert bank.lr_size(1) == (22, 25)
    for i, number in enumerate((1, 3)):
        np.testing.assert_array_equal(bank.hr(i), whole.hr(number))
        np.testing.assert_array_equal(bank.lr(i), whole.lr(number))
    assert bank.digest != whole.digest
    assert len(whole) == 4
    assert "0.png" in capsys.readouterr().err


def test_where_no_image_is_left_the_largest_is_named_first(tmp_path):
    for number, side in enumerate((20, 40, 24)):
        save(tmp_path / f"{number}.png", picture(side, 50, number))

    with pytest.raises(
        InputError, match=r"^\S*1\.png: 50x40 pixels are too few, 64x64 .*; no image is left"
    ):
        load_pairs(tmp_path, 2, least_side=64, strict=False)


def test_a_long_list_of_images_is_cut(tmp_path, capsys):
    save(tmp_path / "good.png", picture(40, 40))
    for number in range(9):
        (tmp_path / f"{number}.png").write_bytes(b"")

    load_pairs(tmp_path, 2, strict=False)

    line = capsys.readouterr().err
    assert line.startswith("Left out 9 of 10 images: ")
    assert line.count(".png") == 6
    assert line.endswith("; and 3 more\n")


@pytest.mark.parametrize("fault", [MemoryError(), PermissionError(13, "Permission denied")])
def test_what_says_nothing_about_the_image_is_an_error(tmp_path, monkeypatch, fault):
    """Else a picture would be left out for good because memory was short once."""
    save(tmp_path / "in/good.png", picture(40, 40))
    read = imagecodecs.png_decode

    def fail(*arguments, **options):
        raise fault

    monkeypatch.setattr(imagecodecs, "png_decode", fail)
    with pytest.raises(InputError, match=r"good\.png: (not enough memory|Permission denied)"):
        load_pairs([tmp_path / "in"], 2, strict=False)
    monkeypatch.setattr(imagecodecs, "png_decode", read)
    assert len(load_pairs([tmp_path / "in"], 2, strict=False)) == 1


def test_an_image_smaller_than_the_scale_is_named(tmp_path):
    save(tmp_path / "dot.png", picture(3, 40))

    with pytest.raises(InputError, match=r"dot\.png: 40x3 pixels are too few for scale 4: remove"):
        load_pairs([tmp_path], 4)


def save_pairs(tmp_path, hr_names, lr_names):
    """HR pictures, and LR pictures whose pixels tell their number in `lr_names`."""
    for name in hr_names:
        save(tmp_path / "hr" / name, picture(14, 10))
    for number, name in enumerate(lr_names):
        save(tmp_path / "lr" / name, np.full((7, 5, 3), number, np.uint8))


@pytest.mark.parametrize(
    ("hr_names", "lr_names"),
    [
        (["a.bmp", "a.png"], ["a.bmp", "a.png"]),
        (["a.png", "ax2.png"], ["a.png", "ax2.png"]),
        (["a.png", "b.png"], ["a.png", "bx2.png", "b.b.png"]),
        (["a.b.png", "a.png"], ["a.bx2.png", "a.png"]),
        (["a.png", "b/a.png"], ["a.png", "b/ax2.png"]),
        (["a.png"], ["a.png", "a.bmp", "ax2.png"]),
    ],
)
def test_an_lr_image_of_the_very_name_comes_first(tmp_path, hr_names, lr_names):
    save_pairs(tmp_path, hr_names, lr_names)

    bank = load_pairs([tmp_path / "hr"], 2, lr_dir=tmp_path / "lr")

    assert [str(Path(name).relative_to(tmp_path / "hr")) for name in bank.names] == hr_names
    assert [bank.lr(i).max() for i in range(len(bank))] == list(range(len(hr_names)))


@pytest.mark.parametrize(
    ("hr_names", "lr_names", "both"),
    [
        (["a.bmp", "a.png"], ["a.png"], "lr/a.png: may be .*hr/a.bmp or of .*hr/a.png"),
        (["a.bmp", "a.png"], ["ax2.png"], "lr/ax2.png: may be .*hr/a.bmp or of .*hr/a.png"),
        (["a.png"], ["a.bmp", "ax2.png"], "hr/a.png: .*lr/a.bmp or .*lr/ax2.png: give"),
        (["a.png"], ["ax2.bmp", "ax2.png"], "hr/a.png: .*lr/ax2.bmp or .*lr/ax2.png: give"),
        (["b/a.png"], ["b/a.bmp", "b/a.webp"], "hr/b/a.png: .*lr/b/a.bmp or .*lr/b/a.webp"),
    ],
)
def test_a_pair_that_is_ambiguous_is_refused_with_both_names(tmp_path, hr_names, lr_names, both):
    save_pairs(tmp_path, hr_names, lr_names)

    with pytest.raises(InputError, match=both.replace(".png", r"\.png")) as error:
        load_pairs([tmp_path / "hr"], 2, lr_dir=tmp_path / "lr")

    assert "\n" not in str(error.value)


def test_two_folders_do_not_share_an_lr_image(tmp_path):
    save_pairs(tmp_path, ["a.png", "b.png"], ["a.png", "b.png"])
    save(tmp_path / "more/b.png", picture(14, 10, 1))

    with pytest.raises(InputError, match=r"lr/b\.png: may be .*hr/b\.png or of .*more/b\.png"):
        load_pairs([tmp_path / "hr", tmp_path / "more"], 2, lr_dir=tmp_path / "lr")
    assert len(load_pairs([tmp_path / "hr", tmp_path / "hr"], 2, lr_dir=tmp_path / "lr")) == 4


def test_what_is_held_out_is_of_the_same_kind_where_there_is_any(tmp_path):
    save_div2k(tmp_path / "div2k")
    save(tmp_path / "mine/1.png", picture(14, 10))
    root, mine = str(tmp_path / "div2k"), str(tmp_path / "mine")

    assert held_out(["div2k"]) == ("div2k",)
    assert held_out([root]) == held_out([mine, root]) == (root,)
    assert held_out([mine]) == held_out([str(tmp_path / "missing")]) == ("sample",)


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
