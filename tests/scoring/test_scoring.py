"""`score`, `mean_score` and the bicubic baseline."""

import math

import numpy as np
import pytest

from awsrn_keras import imresize, psnr_y, ssim_y
from awsrn_keras.scoring.score import Score, bicubic, mean_score, score


@pytest.fixture
def pairs():
    """Two LR and HR pictures at scale 3, of different sizes."""
    random = np.random.default_rng(0)
    sizes = [(12, 20), (15, 11)]
    lrs = [random.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]
    return [(lr, imresize(lr, 3) // 2 + 40) for lr in lrs]


def test_each_pair_is_scored_with_the_scale_as_border(pairs):
    results = score(lambda lr: imresize(lr, 3), pairs, scale=3)
    for (lr, hr), result in zip(pairs, results, strict=True):
        sr = imresize(lr, 3)
        assert result == (psnr_y(sr, hr, 3), ssim_y(sr, hr, 3))
        assert result.psnr != psnr_y(sr, hr, 2)
    assert results[0] != results[1]


def test_floats_from_an_upscaler_are_rounded_to_8_bits(pairs):
    answers = {lr.shape: hr for lr, hr in pairs}
    results = score(lambda lr: answers[lr.shape] + 0.4, pairs, scale=3)
    assert results == [(math.inf, pytest.approx(1))] * 2


def test_the_score_of_a_set_is_the_mean_of_its_pictures_decibels():
    mean = mean_score([Score(30.0, 0.9), Score(40.0, 0.6), Score(50.0, 0.3)])
    assert mean == (pytest.approx(40), pytest.approx(0.6))


def test_a_result_of_another_size_is_an_error(pairs):
    with pytest.raises(ValueError, match=r"\(24, 40, 3\) and \(36, 60, 3\)"):
        score(lambda lr: imresize(lr, 2), pairs, scale=3)


def test_bicubic_is_rounded_once(pairs):
    lr = pairs[0][0]
    exact = imresize(lr.astype(np.float64), 2)
    enlarged = bicubic(lr, 2)
    assert enlarged.dtype == np.uint8
    np.testing.assert_array_equal(enlarged, np.clip(np.floor(exact + 0.5), 0, 255))
    assert (enlarged != imresize(lr, 2)).any()
