"""`imresize` against MATLAB's own output, hand arithmetic and a scalar implementation."""

import math
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from awsrn_keras import imresize


def keys(x):
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    if x < 2:
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return 0.0


def resize_rows(image, new):
    """Scalar oracle: every weight by itself, samples replicated beyond both ends."""
    old = len(image)
    stretch = max(1.0, old / new)
    weights = np.zeros((new, old))
    for o in range(new):
        centre = (o + 0.5) * old / new - 0.5
        for i in range(-2 * old - 4, 3 * old + 4):
            weights[o, min(max(i, 0), old - 1)] += keys((centre - i) / stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.tensordot(weights, image.astype(np.float64), axes=1)


def resize_columns(image, new):
    return resize_rows(image.swapaxes(0, 1), new).swapaxes(0, 1)


def half_up(values, top):
    return np.clip(np.floor(values + 0.5), 0, top)


@pytest.fixture
def photograph():
    noise = np.random.default_rng(0).integers(0, 256, (41, 67, 3), dtype=np.uint8)
    noise[:, :20] = 255 * (noise[:, :20] > 127)  # overshoots on both ends of the range
    return noise


@pytest.mark.parametrize("folder", ["Set5", "Set14"])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_value_of_matlabs_benchmark_images_is_reproduced(shared, folder, scale):
    pictures = sorted((shared / f"data/benchmarks/{folder}/x{scale}/HR").glob("*.png"))
    assert len(pictures) == {"Set5": 5, "Set14": 14}[folder]
    for path in pictures:
        expected = np.asarray(Image.open(path.parents[1] / "LR" / path.name))
        got = imresize(np.asarray(Image.open(path)), scale=1 / scale)
        np.testing.assert_array_equal(got, expected, err_msg=str(path))


def test_halving_spreads_an_impulse_over_eight_taps_of_256ths():
    line = np.zeros((1, 24))
    line[0, 11] = 256
    expected = np.zeros(12)
    expected[4:8] = [-9, 111, 29, -3]  # odd position: every second of -3 -9 29 111 111 29 -9 -3
    halved = imresize(line, size=(1, 12))
    np.testing.assert_allclose(halved[0], expected, atol=1e-12)


def test_doubling_mixes_four_taps_of_128ths():
    line = np.zeros((9, 1))
    line[4] = 128
    doubled = imresize(line, size=(18, 1))[:, 0]
    np.testing.assert_allclose(doubled[5:13], [-3, -9, 29, 111, 111, 29, -9, -3], atol=1e-12)
    assert np.count_nonzero(doubled) == 8


@pytest.mark.parametrize("size", [(82, 134), (23, 150), (90, 31), (1, 7), (41, 200)])
def test_floats_agree_with_the_scalar_oracle_without_rounding_or_clipping(photograph, size):
    expected = resize_columns(resize_rows(photograph, size[0]), size[1])
    got = imresize(photograph.astype(np.float64), size=size)
    assert expected.min() < -5 or size[0] == 1  # overshoot survives
    np.testing.assert_allclose(got, expected, atol=1e-9)
    single = imresize(photograph.astype(np.float32), size=size)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, atol=1e-4)


@pytest.mark.parametrize(("dtype", "gain"), [(np.uint8, 1), (np.uint16, 257)])
def test_integers_are_rounded_and_clipped_after_each_pass(photograph, dtype, gain):
    image = photograph.astype(dtype) * dtype(gain)
    top = np.iinfo(dtype).max
    rows = half_up(resize_rows(image, 57), top)
    expected = half_up(resize_columns(rows, 100), top)
    once = half_up(resize_columns(resize_rows(image, 57), 100), top)
    assert (once != expected).mean() > 0.05  # the rounding between the passes shows
    got = imresize(image, size=(57, 100))
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, expected)


def test_the_dimension_with_the_smaller_factor_goes_first(photograph):
    rows_first = imresize(imresize(photograph, size=(20, 67)), size=(20, 90))
    columns_first = imresize(imresize(photograph, size=(41, 90)), size=(20, 90))
    assert (rows_first != columns_first).any()
    np.testing.assert_array_equal(imresize(photograph, size=(20, 90)), rows_first)

    turned = photograph.swapaxes(0, 1)  # not contiguous, too
    np.testing.assert_array_equal(imresize(turned, size=(90, 20)), rows_first.swapaxes(0, 1))


def test_a_scale_gives_sides_rounded_up_and_keeps_its_exact_factor(photograph):
    got = imresize(photograph, scale=1 / 3)
    assert got.shape == (14, 23, 3)  # 41 / 3 and 67 / 3
    cropped = imresize(photograph[:39, :66], size=(13, 22))
    np.testing.assert_array_equal(got[:11, :20], cropped[:11, :20])  # away from the borders
    assert imresize(photograph, scale=2).shape == (82, 134, 3)


def test_channels_are_independent_and_grey_needs_none(photograph):
    resized = imresize(photograph, scale=1.7)
    for channel in range(3):
        np.testing.assert_array_equal(
            imresize(photograph[..., channel], 1.7), resized[..., channel]
        )
    assert (resized[..., 0] != resized[..., 1]).any()


def test_a_constant_picture_stays_constant_down_to_one_pixel():
    picture = np.full((1, 3, 4), 200, np.uint8)
    for size in [(1, 1), (5, 1), (8, 24)]:
        assert (imresize(picture, size=size) == 200).all()


def test_memory_beyond_the_output_is_a_few_megabytes():
    picture = np.zeros((700, 1100, 3), np.uint8)
    tracemalloc.start()
    resized = imresize(picture, scale=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak - resized.nbytes < 8 * 2**20


@pytest.mark.parametrize(
    ("image", "arguments", "message"),
    [
        (np.zeros((4, 5), np.int32), {"scale": 2}, "int32 of shape"),
        (np.zeros((4, 5), bool), {"scale": 2}, "bool of shape"),
        (np.zeros((0, 5)), {"scale": 2}, r"shape \(0, 5\)"),
        (np.zeros((1, 4, 5, 3)), {"scale": 2}, r"shape \(1, 4, 5, 3\)"),
        (np.zeros((4, 5)), {}, "either scale or size"),
        (np.zeros((4, 5)), {"scale": 2, "size": (8, 10)}, "either scale or size"),
        (np.zeros((4, 5)), {"scale": 0}, "above 0, got 0"),
        (np.zeros((4, 5)), {"scale": math.nan}, "above 0, got nan"),
        (np.zeros((4, 5)), {"size": (8, 0)}, r"at least 1, got \(8, 0\)"),
        (np.zeros((4, 5)), {"size": (8,)}, r"at least 1, got \(8,\)"),
    ],
)
def test_a_wrong_argument_is_an_error_that_names_it(image, arguments, message):
    with pytest.raises(ValueError, match=message):
        imresize(image, **arguments)
