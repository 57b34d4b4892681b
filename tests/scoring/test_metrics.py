"""`psnr_y` and `ssim_y` against hand arithmetic, scikit-image and published bicubic scores."""

import math

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity

from awsrn_keras import imresize, psnr_y, ssim_y


@pytest.fixture
def pair():
    random = np.random.default_rng(0)
    hr = imresize(random.integers(0, 256, (13, 21, 3), dtype=np.uint8), size=(97, 180))
    sr = np.clip(hr + random.normal(0, 12, hr.shape), 0, 255).astype(np.uint8)
    return sr, hr


def test_psnr_of_one_grey_level_is_48_13_db_plus_the_narrower_range_of_luma():
    grey = np.full((5, 7, 3), 100, np.uint8)
    # Luma spans 219 of 255 levels, so one level of grey is 219/255 of a level of luma.
    expected = 20 * math.log10(255 / (219 / 255))
    assert psnr_y(grey, grey + np.uint8(1), border=0) == pytest.approx(expected, abs=1e-9)
    assert expected == pytest.approx(48.13 + 1.32, abs=0.01)


@pytest.mark.parametrize(("channel", "weight"), [(0, 65.481), (1, 128.553), (2, 24.966)])
def test_psnr_weighs_each_colour_as_luma_does(channel, weight):
    hr = np.full((4, 6, 3), 50, np.uint8)
    sr = hr.copy()
    sr[1, 2, channel] = 60  # one pixel of 24, by ten levels
    error = (10 * weight / 255) ** 2 / 24
    expected = 10 * math.log10(255**2 / error)
    assert psnr_y(sr, hr, border=0) == pytest.approx(expected, abs=1e-9)


def test_floats_are_clipped_and_rounded_to_8_bits_first():
    hr = np.zeros((4, 6, 3), np.uint8)
    hr[2:] = 255
    sr = np.where(hr, 300.0, -40.0)
    assert psnr_y(sr, hr, border=0) == math.inf
    sr[1, 1] = 0.49
    assert psnr_y(sr, hr, border=0) == math.inf
    sr[1, 1] = 0.5
    rounded = hr.copy()
    rounded[1, 1] = 1
    assert psnr_y(sr, hr, border=0) == psnr_y(rounded, hr, border=0) < 100


def test_a_picture_that_is_not_a_number_has_no_score():
    hr = np.zeros((12, 16, 3), np.uint8)
    assert math.isnan(psnr_y(np.full(hr.shape, np.nan), hr, border=0))
    assert math.isnan(ssim_y(np.full(hr.shape, np.nan), hr, border=0))


def test_the_border_is_left_out_on_all_four_sides(pair):
    sr, hr = pair
    framed = sr.copy()
    framed[:3], framed[-3:], framed[:, :3], framed[:, -3:] = 0, 255, 0, 255
    for metric in (psnr_y, ssim_y):
        assert metric(framed, hr, border=3) == metric(sr, hr, border=3)
        assert metric(framed, hr, border=2) < metric(sr, hr, border=2)


@pytest.mark.parametrize("height", [11, 40, 97])
def test_ssim_is_that_of_scikit_image_with_a_gaussian_window(pair, height):
    sr, hr = (picture[:height] for picture in pair)

    def luma(picture):
        return picture.astype(float) @ [65.481 / 255, 128.553 / 255, 24.966 / 255] + 16

    expected = structural_similarity(
        luma(sr),
        luma(hr),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
    )
    assert 0.2 < expected < 0.95
    assert ssim_y(sr, hr, border=0) == pytest.approx(expected, abs=1e-10)
    assert ssim_y(hr, hr, border=0) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("scale", "psnr", "ssim"), [(2, 33.68, 0.9299), (3, 30.41, 0.8682), (4, 28.43, 0.8104)]
)
def test_bicubic_scores_on_set5_as_published(shared, scale, psnr, ssim):
    scores = []
    for path in sorted((shared / f"data/benchmarks/Set5/x{scale}/HR").glob("*.png")):
        lr = np.asarray(Image.open(path.parents[1] / "LR" / path.name))
        hr = np.asarray(Image.open(path))
        sr = imresize(lr.astype(float), scale)  # rounded once, by the metric
        scores.append((psnr_y(sr, hr, scale), ssim_y(sr, hr, scale)))
    mean_psnr, mean_ssim = np.mean(scores, axis=0)
    assert round(mean_psnr, 2) == psnr
    assert mean_ssim == pytest.approx(ssim, abs=0.001)  # published ones: other MATLAB releases


@pytest.mark.parametrize("metric", [psnr_y, ssim_y])
def test_a_wrong_argument_is_an_error_that_names_it(metric, pair):
    sr, hr = pair
    with pytest.raises(ValueError, match=r"\(96, 180, 3\) and \(97, 180, 3\)"):
        metric(sr[1:], hr, border=2)
    with pytest.raises(ValueError, match=r"got \(97, 180\)"):
        metric(sr[..., 0], hr[..., 0], border=2)
    with pytest.raises(ValueError, match="border of 49 must leave"):
        metric(sr, hr, border=49)
    with pytest.raises(ValueError, match="border of -1"):
        metric(sr, hr, border=-1)
    metric(sr, hr, border=43)  # 11 rows are left


@pytest.mark.parametrize("metric", [psnr_y, ssim_y])
@pytest.mark.parametrize("dtype", ["uint16", "int32", "bool"])
def test_integers_other_than_bytes_are_refused_and_not_clipped(metric, dtype, pair):
    sr, hr = (image.astype(dtype) for image in pair)
    if dtype == "uint16":
        sr, hr = sr * 257, hr * 257
    with pytest.raises(ValueError, match=f"got {dtype}"):
        metric(sr, hr, border=2)
    with pytest.raises(ValueError, match=f"got {dtype}"):
        metric(pair[0], hr, border=2)
    if dtype == "uint16":  # the cure
        assert metric(sr / 257, hr / 257, border=2) == metric(*pair, border=2)
