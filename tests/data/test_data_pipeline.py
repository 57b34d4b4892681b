"""Aligned crops: HR images whose pixels tell where they are, LR = every scale-th of them."""

import queue
import subprocess
import sys

import numpy as np
import pytest

from awsrn_keras.data import CropReader, PairBank, crop_dataset, pipeline
from awsrn_keras.data.degradations import Degradation
from awsrn_keras.data.pipeline import crop_batch, crop_pair, orient_pair
from awsrn_keras.errors import InputError

PATCH = 6


def coordinate_image(number, height, width):
    """Red is the row, green the column, blue the image."""
    rows, columns = np.mgrid[:height, :width].astype("uint8")
    return np.stack([rows, columns, np.full_like(rows, number)], axis=2)


def coordinate_bank(scale=3, count=5):
    hrs = [coordinate_image(i, (8 + i) * scale, (17 - i) * scale) for i in range(count)]
    pairs = ((f"image {i}", hr[::scale, ::scale], hr) for i, hr in enumerate(hrs))
    return PairBank.from_pairs(pairs, scale)


@pytest.fixture(scope="module")
def bank():
    return coordinate_bank()


def batches(dataset, count):
    return [(lr.numpy(), hr.numpy()) for lr, hr in dataset.take(count)]


def test_batches_are_float_pixels_of_lr_and_hr(bank):
    lr, hr = next(iter(crop_dataset(bank, 4, PATCH, seed=1)))

    assert (lr.shape, hr.shape) == ((4, PATCH, PATCH, 3), (4, 3 * PATCH, 3 * PATCH, 3))
    assert (lr.dtype, hr.dtype) == ("float32", "float32")
    assert set(np.unique(lr[..., 2])) <= {0.0, 1.0, 2.0, 3.0, 4.0}  # not divided by 255
    spec = crop_dataset(bank, 4, PATCH, seed=1).element_spec
    assert spec[1].shape == (4, 3 * PATCH, 3 * PATCH, 3)  # known before the first batch


def test_every_hr_crop_lies_where_its_lr_crop_does(bank):
    for lr, hr in batches(crop_dataset(bank, 16, PATCH, seed=2), 20):
        # LR holds the HR coordinates of the top left pixel of each 3x3 block of HR. However
        # the crop is turned, that is the pixel of least row and column in the block.
        blocks = hr.reshape(16, PATCH, 3, PATCH, 3, 3)
        np.testing.assert_array_equal(blocks.min(axis=(2, 4)), lr)
        np.testing.assert_array_equal(blocks.max(axis=(2, 4))[..., :2], lr[..., :2] + 2)


def test_corners_cover_the_whole_of_images_that_are_not_square(bank):
    seen = np.concatenate([lr for lr, _ in batches(crop_dataset(bank, 16, PATCH, seed=3), 200)])

    for i in range(len(bank)):
        positions = seen[seen[..., 2] == i][:, :2]
        height, width = bank.hr(i).shape[:2]
        assert {tuple(p) for p in positions.astype(int).tolist()} == {
            (row, column) for row in range(0, height, 3) for column in range(0, width, 3)
        }


def test_all_eight_orientations_occur_equally_often(bank):
    counts = {}
    for lr, _ in batches(crop_dataset(bank, 16, PATCH, seed=4), 100):
        for crop in lr:
            step_down, step_right = crop[1, 0, :2] - crop[0, 0, :2], crop[0, 1, :2] - crop[0, 0, :2]
            key = (*step_down, *step_right)
            counts[key] = counts.get(key, 0) + 1

    assert len(counts) == 8
    assert all(150 < count < 250 for count in counts.values())  # 200 each, deviation 13


def test_each_pass_visits_every_image_once_in_an_order_of_its_own(bank):
    lrs = [lr for lr, _ in batches(crop_dataset(bank, 5, PATCH, seed=5), 12)]
    passes = [lr[:, 0, 0, 2].astype(int).tolist() for lr in lrs]

    assert all(sorted(images) == [0, 1, 2, 3, 4] for images in passes)
    assert len({tuple(images) for images in passes}) > 6


def test_first_step_continues_the_same_sequence_bitwise(bank):
    whole = batches(crop_dataset(bank, 4, PATCH, seed=6), 9)
    rest = batches(crop_dataset(bank, 4, PATCH, seed=6, first_step=7), 2)

    for (lr, hr), (rest_lr, rest_hr) in zip(whole[7:], rest, strict=True):
        np.testing.assert_array_equal(lr, rest_lr)
        np.testing.assert_array_equal(hr, rest_hr)


def test_an_example_depends_on_its_number_not_on_the_batch_size(bank):
    fours = np.concatenate([hr for _, hr in batches(crop_dataset(bank, 4, PATCH, seed=7), 3)])
    sixes = np.concatenate([hr for _, hr in batches(crop_dataset(bank, 6, PATCH, seed=7), 2)])

    np.testing.assert_array_equal(fours, sixes)
    assert len(np.unique(fours, axis=0)) == 12


def test_seeds_give_different_sequences(bank):
    one, other = (batches(crop_dataset(bank, 8, PATCH, seed=seed), 1)[0][0] for seed in (8, 9))

    assert np.any(one != other)


def test_two_iterators_of_one_dataset_do_not_disturb_each_other(bank):
    dataset = crop_dataset(bank, 4, PATCH, seed=10)
    expected = [hr for _, hr in batches(dataset, 12)]
    first, second = iter(dataset), iter(dataset)
    for _ in range(6):
        next(first)

    for k in range(6):
        np.testing.assert_array_equal(next(first)[1], expected[6 + k])
        np.testing.assert_array_equal(next(second)[1], expected[k])


@pytest.mark.parametrize("turn", range(8))
def test_orient_pair_is_one_of_numpys_turns(turn):
    lr = coordinate_image(0, 4, 7)
    hr = coordinate_image(1, 8, 14)
    turns = [np.rot90(lr, k) for k in range(4)] + [np.rot90(lr[:, ::-1], k) for k in range(4)]

    turned_lr, turned_hr = orient_pair(lr, hr, turn)

    assert sum(np.array_equal(turned_lr, other) for other in turns) == 1
    assert turned_hr.shape[:2] == (2 * turned_lr.shape[0], 2 * turned_lr.shape[1])
    np.testing.assert_array_equal(orient_pair(hr, lr, turn)[0], turned_hr)
    np.testing.assert_array_equal(orient_pair(lr, hr, turn + 8 * 10**17)[0], turned_lr)


def test_crop_pair_takes_the_square_by_its_remainders():
    hr = coordinate_image(0, 20, 14)

    lr_crop, hr_crop = crop_pair(hr[::2, ::2], hr, 4, down=7 * 10 + 3, right=4 * 9 + 1)

    np.testing.assert_array_equal(hr_crop, hr[6:14, 2:10])
    np.testing.assert_array_equal(lr_crop, hr[6:14:2, 2:10:2])


def test_crops_are_the_same_eagerly_and_in_a_dataset(bank):
    lr, hr = crop_batch(bank, [0, 1, 2, 3, 4], PATCH, seed=11, first=8, count=4)
    ((dataset_lr, dataset_hr),) = batches(crop_dataset(bank, 4, PATCH, 11, first_step=2), 1)

    np.testing.assert_array_equal(lr, dataset_lr)
    np.testing.assert_array_equal(hr, dataset_hr)


def test_images_smaller_than_a_patch_are_left_out_and_named(bank, capsys):
    lrs = [lr for lr, _ in batches(crop_dataset(bank, 4, 10, seed=12), 10)]

    assert set(np.concatenate(lrs)[:, 0, 0, 2]) == {2.0, 3.0, 4.0}  # 8x17 and 9x16 are not
    assert "Left out 2 of 5 images" in capsys.readouterr().err
    crop_dataset(bank, 4, 8, seed=12)
    assert capsys.readouterr().err == ""  # 8x17 just fits


def test_a_patch_larger_than_every_image_is_refused_with_the_largest_one(bank):
    with pytest.raises(InputError, match=r"image 4: the shorter side is 36 pixels.* at most 12"):
        crop_dataset(bank, 4, 13, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [11, 12])
def test_a_process_that_ends_in_the_middle_of_an_endless_dataset_does_not_hang(steps):
    program = f"""
import numpy as np
from awsrn_keras.data import PairBank, crop_dataset
hr = np.zeros((200, 200, 3), np.uint8)
bank = PairBank.from_pairs([("black", hr[::2, ::2], hr)], 2)
iterator = iter(crop_dataset(bank, 16, 48, seed=0))
for _ in range({steps}):
    next(iterator)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120, capture_output=True)


def test_a_reader_gives_every_batch_whatever_the_order(bank):
    reader = CropReader(bank, 4, PATCH, seed=13, ahead=2)
    for step in (5, 6, 7, 40, 2):
        expected = crop_batch(bank, [0, 1, 2, 3, 4], PATCH, 13, 4 * step, 4)
        for side, wanted in zip(reader(step), expected, strict=True):
            np.testing.assert_array_equal(side, wanted)


def test_shares_of_a_batch_are_its_examples(bank):
    setting = Degradation(clean=0, noise=1, noise_sigma=(5, 9))
    whole = CropReader(bank, 6, PATCH, seed=15, degrade=setting)(3)
    for share in range(3):
        part = CropReader(bank, 6, PATCH, seed=15, degrade=setting, share=(share, 3))(3)
        for own, wanted in zip(part, whole, strict=True):
            np.testing.assert_array_equal(own, wanted[share::3])


def test_the_next_batches_are_cut_once_while_one_is_used(bank, monkeypatch):
    cut = queue.Queue()

    def noted(*arguments):
        if arguments[3] == 14:  # readers of other tests may still be at work
            cut.put(arguments[4] // 4)  # the number of the first example
        return crop_batch(*arguments)

    monkeypatch.setattr(pipeline, "crop_batch", noted)
    reader = CropReader(bank, 4, PATCH, seed=14, ahead=2)
    reader(5)
    assert [cut.get(timeout=20) for _ in range(3)] == [5, 6, 7]
    reader(6), reader(7)
    assert [cut.get(timeout=20) for _ in range(2)] == [8, 9]
    assert cut.empty()


def test_degraded_crops_depend_on_seed_and_number_alone(bank):
    setting = Degradation(clean=0, noise=1, noise_sigma=(5, 9))
    later = batches(crop_dataset(bank, 4, PATCH, 3, first_step=2, degrade=setting), 2)
    reader = CropReader(bank, 4, PATCH, 3, degrade=setting)
    clean = CropReader(bank, 4, PATCH, 3)

    for step, (lr, hr) in enumerate(later, 2):
        np.testing.assert_array_equal(lr, reader(step)[0])
        np.testing.assert_array_equal(hr, clean(step)[1])  # the ground truth stays
        assert all(np.any(a != b) for a, b in zip(lr, clean(step)[0], strict=True))
    other = CropReader(bank, 4, PATCH, 4, degrade=setting)
    assert not np.array_equal(other(2)[0], reader(2)[0])


def test_patches_left_clean_are_turned_with_their_ground_truth(bank):
    all_clean = CropReader(bank, 16, PATCH, 2, degrade=Degradation(clean=1))
    for given, expected in zip(all_clean(0), CropReader(bank, 16, PATCH, 2)(0), strict=True):
        np.testing.assert_array_equal(given, expected)
