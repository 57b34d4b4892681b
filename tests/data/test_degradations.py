"""What is done to LR patches, measured from outside: variances, moments, JPEG's grid."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from skimage import data
from skimage.filters import gaussian
from skimage.measure import block_reduce

from awsrn_keras import imresize
from awsrn_keras.data import PairBank
from awsrn_keras.data.degradations import (
    SETTINGS,
    Degradation,
    blurred,
    degraded_bank,
    degraded_image,
    degraded_patch,
    jpeg,
    rounded,
)
from awsrn_keras.errors import InputError

NOTHING = Degradation(clean=0, shrink=(1, 0, 0), blur=0, noise=0, jpeg=0)


def pair(scale=2):
    hr = np.ascontiguousarray(data.astronaut()[: 100 * scale, : 120 * scale])
    return imresize(hr, 1 / scale), hr


def patch(setting, number=0, scale=2, corner=(11, 30), side=48):
    random = np.random.default_rng(number)
    return degraded_patch(*pair(scale), corner, side, setting, random)


def changed(**changes):
    return Degradation(
        **{**{name: getattr(NOTHING, name) for name in NOTHING.__dataclass_fields__}, **changes}
    )


def test_nothing_leaves_the_patch_as_it_is():
    lr, _ = pair()
    assert lr[11:59, 30:78].std() > 10
    np.testing.assert_array_equal(patch(NOTHING), lr[11:59, 30:78])
    np.testing.assert_array_equal(patch(changed(clean=1, jpeg=1, noise=1)), lr[11:59, 30:78])


def test_a_patch_is_a_function_of_its_generator_alone():
    photo = SETTINGS["photo"]
    first = [patch(photo, number) for number in range(30)]
    again = [patch(photo, number) for number in range(30)]
    np.testing.assert_array_equal(first, again)
    assert len({p.tobytes() for p in first}) > 20


def test_the_share_of_clean_patches():
    lr, _ = pair()
    clean = [np.array_equal(patch(SETTINGS["photo"], n), lr[11:59, 30:78]) for n in range(600)]
    assert 0.10 < np.mean(clean) < 0.22


@pytest.mark.parametrize(("grey", "correlation"), [(0, 0.0), (1, 1.0)])
def test_noise_has_the_variance_that_was_drawn(grey, correlation):
    lr = np.full((60, 70, 3), 128, np.uint8)
    hr = lr.repeat(2, axis=0).repeat(2, axis=1)
    setting = changed(noise=1, noise_sigma=(6, 6), grey_noise=grey)

    noise = degraded_patch(lr, hr, (3, 5), 52, setting, np.random.default_rng(1)) - 128.0

    assert np.std(noise) == pytest.approx(np.hypot(6, 12**-0.5), rel=0.03)  # and rounding
    assert np.mean(noise) == pytest.approx(0, abs=0.3)
    red_green = np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]
    assert red_green == pytest.approx(correlation, abs=0.05)


def test_a_blur_has_the_moments_of_its_gaussian():
    point = np.zeros((41, 41, 1), np.float32)
    point[20, 20] = 1
    y, x = np.mgrid[-20:21, -20:21]

    spread = blurred(point, (2.0, 1.0), angle=np.pi / 6)[..., 0]

    covariance = [(spread * a * b).sum() for a, b in ((x, x), (y, y), (x, y))]
    cos, sin = np.cos(np.pi / 6), np.sin(np.pi / 6)
    expected = [4 * cos**2 + sin**2, 4 * sin**2 + cos**2, 3 * cos * sin]
    assert spread.sum() == pytest.approx(1, abs=1e-4)
    assert covariance == pytest.approx(expected, rel=0.02)


def test_blurs_are_drawn_within_their_range():
    sharp = np.abs(np.diff(patch(NOTHING).astype(float), axis=1)).mean()
    soft = [
        np.abs(np.diff(patch(changed(blur=1, blur_sigma=(s, s))).astype(float), axis=1)).mean()
        for s in (0.3, 0.7, 1.2)
    ]
    assert sharp > soft[0] > soft[1] > soft[2]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_area_and_bilinear_shrink_as_their_formulas_say(scale):
    _, hr = pair(scale)
    area = block_reduce(hr.astype(float), (scale, scale, 1), np.mean)
    given = patch(changed(shrink=(0, 1, 0)), scale=scale)
    assert np.abs(given - area[11:59, 30:78]).max() <= 0.5 + 1e-3

    # A triangle of two LR pixels' width, as Pillow's BILINEAR has when it shrinks.
    size = (hr.shape[1] // scale, hr.shape[0] // scale)
    expected = np.asarray(Image.fromarray(hr).resize(size, Image.Resampling.BILINEAR))
    given = patch(changed(shrink=(0, 0, 1)), scale=scale)
    assert np.abs(given.astype(int) - expected[11:59, 30:78]).max() <= 1


def grid_offset(image):
    """Where 8x8 blocks begin: the eighth of the columns with the largest steps before them."""
    steps = np.abs(np.diff(image.astype(float).mean(axis=2), axis=1)).mean(axis=0)
    steps -= (np.roll(steps, 1) + np.roll(steps, -1)) / 2
    return int(np.argmax([steps[k::8][:5].mean() for k in range(8)]) + 1) % 8


@pytest.mark.parametrize("shrink", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_jpeg_follows_every_way_to_shrink(shrink):
    for second in (0, 1):
        setting = changed(jpeg=1, jpeg_quality=(9, 9), second_jpeg=second, shrink=shrink)
        assert np.abs(patch(setting).astype(int) - patch(changed(shrink=shrink))).mean() > 1


def test_the_grid_of_jpeg_falls_anywhere_in_the_patch():
    smooth = np.linspace(0, 255, 120)[None, :, None] + np.linspace(0, 60, 100)[:, None, None]
    lr = rounded(smooth.repeat(3, axis=2) / 1.3)
    hr = lr.repeat(2, axis=0).repeat(2, axis=1)
    assert grid_offset(jpeg(lr[:, 5:], 5)) == 0  # the oracle finds what it should
    setting = changed(jpeg=1, jpeg_quality=(5, 5), second_jpeg=0)

    offsets = [
        grid_offset(degraded_patch(lr, hr, (20, 31), 48, setting, np.random.default_rng(n)))
        for n in range(80)
    ]

    assert set(offsets) == set(range(8))


def test_lower_quality_and_a_second_compression_cost_more():
    original = patch(NOTHING).astype(float)

    def loss(**changes):
        errors = [
            np.mean((patch(changed(jpeg=1, **changes), n) - original) ** 2) for n in range(20)
        ]
        return np.mean(errors)

    one = {"second_jpeg": 0}
    assert 0.5 < loss(jpeg_quality=(90, 90), **one) < loss(jpeg_quality=(50, 50), **one)
    assert loss(jpeg_quality=(50, 50), second_jpeg=1) > loss(jpeg_quality=(50, 50), **one)
    fine, coarse = (loss(jpeg_quality=(90, 90), halved_colour=h, **one) for h in (0, 1))
    assert fine < coarse


def test_patches_at_the_border_of_the_image():
    lr, hr = pair()
    for corner in [(0, 0), (52, 72), (0, 72)]:
        for number in range(20):
            random = np.random.default_rng(number)
            result = degraded_patch(lr, hr, corner, 48, SETTINGS["photo"], random)
            assert result.shape == (48, 48, 3)
            assert result.dtype == np.uint8


def test_settings_are_read_from_a_file(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"noise": 0.2, "jpeg_quality": [60, 80]}))
    assert Degradation.named(str(path)) == Degradation(noise=0.2, jpeg_quality=(60, 80))
    assert Degradation.named("photo") == SETTINGS["photo"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"noise": 2}', "noise: 2 is not a number within 0..1"),
        ('{"noise": [0.5]}', r"noise: \(0.5,\) is not a number"),
        ('{"noise": true}', "noise: True is not a number"),
        ('{"noise_sigma": [[1, 2], 3]}', r"noise_sigma: \(\[1, 2\], 3\) is not 2 numbers"),
        ('{"jpeg_quality": [95, 30]}', r"jpeg_quality: \(95, 30\) is not .* the smaller first"),
        ('{"jpeg_quality": [30.5, 95]}', "2 whole numbers within 1..100"),
        ('{"shrink": [1, 0]}', r"3 numbers within 0..1\)"),
        ('{"jpeg_quality": 30}', "jpeg_quality: 30 is not"),
        ('{"shrink": [0, 0, 0]}', "names no way to shrink"),
        ('{"grain": 1}', "'grain' is none of clean, shrink, "),
        ('{"noise": NaN}', "noise: nan"),
        ("[1]", "not a setting .*give an object"),
        ("{", "not a setting"),
    ],
)
def test_a_bad_setting_is_one_line(tmp_path, content, message):
    path = tmp_path / "mine.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message) as error:
        Degradation.named(str(path))
    assert "\n" not in str(error.value)


def test_an_unknown_setting_lists_the_choices():
    with pytest.raises(InputError, match="fog: choose photo or name a JSON file"):
        Degradation.named("fog")
    with pytest.raises(InputError, match=r"fog.json: no such file; choose"):
        Degradation.named("fog.json")


def test_conditions_of_evaluation_are_the_same_for_everybody():
    lr, hr = pair()
    assert degraded_image(lr, hr, "clean") is lr

    file = io.BytesIO()
    Image.fromarray(lr).save(file, "JPEG", quality=40)
    np.testing.assert_array_equal(degraded_image(lr, hr, "jpeg40"), np.asarray(Image.open(file)))

    noise = degraded_image(lr, hr, "noise7", 3)
    expected = lr + np.random.default_rng(3).normal(0, 7, lr.shape)
    np.testing.assert_array_equal(noise, np.clip(np.round(expected), 0, 255))
    assert not np.array_equal(noise, degraded_image(lr, hr, "noise7", 4))

    blurry = gaussian(hr.astype(float), 1.5, channel_axis=2, mode="nearest", truncate=4)
    given = degraded_image(lr, hr, "blur1.5")
    assert np.abs(given - imresize(blurry, size=lr.shape[:2])).max() < 1.6  # rounded twice
    assert np.abs(given.astype(float) - lr).mean() > 1


@pytest.mark.parametrize(
    "name", ["jpeg", "jpeg0", "jpeg7.5", "fog3", "noise-1", "noise0", "noise101", "blur99", ""]
)
def test_an_unknown_condition_is_refused(name):
    with pytest.raises(InputError):
        degraded_image(*pair(), name)


def test_a_bank_under_a_condition_keeps_its_ground_truth():
    lr, hr = pair()
    bank = PairBank.from_pairs([("a", lr, hr), ("b", lr, hr)], 2)
    noisy = degraded_bank(bank, "noise5")
    for number in (0, 1):
        np.testing.assert_array_equal(noisy.hr(number), hr)
        np.testing.assert_array_equal(noisy.lr(number), degraded_image(lr, hr, "noise5", number))
