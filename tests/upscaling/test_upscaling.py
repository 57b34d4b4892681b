"""Upscaling by real networks: tiles against none, and against the network called plainly."""

import logging
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from skimage import data

from awsrn_keras import AWSRN, VARIANTS, upscale
from awsrn_keras.errors import InputError
from awsrn_keras.network.variants import SCALES
from awsrn_keras.upscaling.keras_engine import KerasEngine
from awsrn_keras.upscaling.litert_engine import LiteRTEngine


def network(variant="awsrn_sd", scale=2):
    keras.utils.set_random_seed(5)
    return AWSRN(variant, scale)


@pytest.fixture(scope="module")
def engine():
    return KerasEngine(network())


def photograph(height, width, top=90, left=170):
    return np.ascontiguousarray(data.astronaut()[top : top + height, left : left + width])


def plain(model, image):
    """The network itself, not fused, on the whole image."""
    return np.asarray(model(image[None].astype("float32")))[0]


def test_without_tiles_the_picture_is_that_of_the_network():
    model, image = network(), photograph(21, 34)

    result = upscale(image, model)

    expected = plain(model, image)
    assert expected.std() > 10  # a picture, not a constant
    assert result.shape == (42, 68, 3)
    assert np.abs(result - expected.clip(0, 255)).max() <= 0.51  # rounded, nothing else


@pytest.mark.parametrize(("height", "width"), [(61, 75), (1, 90), (83, 1), (70, 122)])
def test_tiles_change_no_value(engine, height, width):
    image = photograph(height, width)
    whole = upscale(image, engine, tile=1000)
    for tile in (5, 16, 31):
        np.testing.assert_array_equal(upscale(image, engine, tile=tile), whole)


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("scale", SCALES)
def test_tiles_change_no_value_of_any_network(variant, scale):
    engine = KerasEngine(network(variant, scale))
    for height, width in [(1, 1), (97, 131), (2 * engine.margin + 1, 150), (119, 1), (1, 140)]:
        image = photograph(height, width)
        whole = upscale(image, engine, tile=1000)
        assert whole.shape == (height * scale, width * scale, 3)
        for tile in (13, 48):
            np.testing.assert_array_equal(upscale(image, engine, tile=tile), whole)


@pytest.mark.slow
def test_tiles_change_no_value_of_a_photograph(engine):
    image = np.tile(data.astronaut(), (1, 3, 1))[100:400]  # windows three across
    whole = upscale(image, engine, tile=1000)
    for tile in (64, 200):
        np.testing.assert_array_equal(upscale(image, engine, tile=tile), whole)
    # A width of 1536 sums in another order than one of 560: a rounding differs here or there.
    difference = np.abs(whole - np.rint(engine(image.astype("float32")).clip(0, 255)))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 1e-4


def test_self_ensemble_is_the_mean_over_flips_and_rotations():
    model, image = network(), photograph(11, 14)
    views = {  # the transformation of the image and what undoes it
        "same": (lambda a: a, lambda a: a),
        "rows": (np.flipud, np.flipud),
        "columns": (np.fliplr, np.fliplr),
        "both": (lambda a: a[::-1, ::-1], lambda a: a[::-1, ::-1]),
        "diagonal": (lambda a: a.swapaxes(0, 1), lambda a: a.swapaxes(0, 1)),
        "left": (lambda a: np.rot90(a, 1), lambda a: np.rot90(a, 3)),
        "right": (lambda a: np.rot90(a, 3), lambda a: np.rot90(a, 1)),
        "other diagonal": (
            lambda a: a[::-1, ::-1].swapaxes(0, 1),
            lambda a: a.swapaxes(0, 1)[::-1, ::-1],
        ),
    }
    outputs = [undo(plain(model, turn(image))) for turn, undo in views.values()]
    expected = np.mean(outputs, axis=0).clip(0, 255)

    result = upscale(image, model, self_ensemble=True)

    assert np.abs(outputs[0] - expected).max() > 2  # else the average proves nothing
    assert np.abs(result - expected).max() <= 0.51


def test_tiles_change_no_value_of_a_self_ensemble(engine):
    image = photograph(70, 122)
    whole = upscale(image, engine, self_ensemble=True)
    assert (whole != upscale(image, engine)).any()
    np.testing.assert_array_equal(upscale(image, engine, tile=20, self_ensemble=True), whole)


def test_sixteen_bits_and_eight_bits_agree(engine):
    image = photograph(15, 22)

    deep = upscale(image.astype("uint16") * 257, engine)

    assert deep.dtype == np.uint16
    assert len(np.unique(deep % 257)) > 100  # more than 8 bits are used
    assert np.abs(deep / 257 - upscale(image, engine)).max() <= 0.51


def test_an_opaque_disc_on_transparent_black_gets_no_dark_fringe(engine):
    y, x = np.mgrid[:30, :40]
    disc = (y - 14) ** 2 + (x - 20) ** 2 < 10**2
    image = np.zeros((30, 40, 4), "uint8")
    image[disc] = 230, 60, 40, 255

    result = upscale(image, engine, tile=16)

    flat = upscale(np.full((30, 40, 3), (230, 60, 40), "uint8"), engine)
    np.testing.assert_array_equal(result[..., :3], flat)  # red all over, as if all were opaque
    alone = upscale(image[..., 3], engine)
    kept = result[..., 3] != alone  # where it is constant, the network leaves it so only nearly
    assert set(np.unique(result[..., 3][kept])) <= {0, 255}
    assert (~kept).sum() > 0


@pytest.mark.parametrize("preset", ["awsrn_sd_x2", "awsrn_sd_x4"])
@pytest.mark.parametrize(("rest", "odd"), [(255, 0), (0, 255)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_alpha_stays_constant_beyond_the_receptive_field_of_an_odd_pixel(preset, rest, odd, dtype):
    engine, unit = LiteRTEngine(preset), 257 if dtype == "uint16" else 1
    image = np.full((60, 75, 4), rest * unit, dtype)
    image[..., :3] = photograph(60, 75).astype(dtype) * unit
    image[20, 31, 3] = odd * unit
    scale, radius = engine.scale, engine.margin

    alpha = upscale(image, engine)[..., 3]

    y, x = np.ogrid[: 60 * scale, : 75 * scale]
    near = (abs(y // scale - 20) <= radius) & (abs(x // scale - 31) <= radius)
    assert near.any()
    assert not near.all()
    assert (alpha[~near] == rest * unit).all()
    assert abs(int(alpha[20 * scale, 31 * scale]) - rest * unit) > 100 * unit
    alone = upscale(image[..., 3], engine)
    np.testing.assert_array_equal(alpha[near], alone[near])
    assert (alone[~near] != rest * unit).any()  # else this would prove nothing
    np.testing.assert_array_equal(upscale(image, engine, tile=7)[..., 3], alpha)


@pytest.mark.parametrize("value", [0, 1, 255])
def test_alpha_of_one_value_stays_that(engine, value):
    image = np.full((9, 14, 4), value, "uint8")
    image[..., :3] = photograph(9, 14)
    result = upscale(image, engine)
    assert (result[..., 3] == value).all()
    np.testing.assert_array_equal(result[..., :3], upscale(image[..., :3], engine))


def test_a_preset_and_a_file_name_a_model(tmp_path):
    model, image = network("awsrn_s", 3), photograph(6, 9)
    model.save(tmp_path / "model.keras")
    result = upscale(image, tmp_path / "model.keras")
    np.testing.assert_array_equal(result, upscale(image, model))
    with pytest.raises(InputError, match="no such model"):
        upscale(image, "awsrn_sd_x7")


def test_float32_pixels_are_those_of_the_network_clipped_and_not_rounded():
    model, image = network(), photograph(19, 26).astype("float32") * 0.9 + 0.3
    image[3:9, 4:14], image[3:9, 14:22] = 0, 255  # the network overshoots here

    result = upscale(image, model)

    expected = plain(model, image)
    assert expected.min() < -1
    assert expected.max() > 256
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected.clip(0, 255), atol=2e-3)
    np.testing.assert_allclose(upscale(image, model, tile=7), result, atol=1e-4)


def test_float32_alpha_and_grey_are_upscaled_as_those_of_8_bits(engine):
    image = np.dstack([photograph(12, 17), photograph(12, 17, top=200)[..., 0]])
    for pixels in (image, image[..., 3]):
        result = upscale(pixels.astype("float32"), engine)
        assert result.dtype == np.float32
        assert np.abs(result - upscale(pixels, engine)).max() <= 0.51


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((4, 5, 3), 0.9, "float32"), r"of 0\.\.255, got 0\.9\.\.0\.9: scale or clip"),
        (np.full((4, 5, 3), 255.5, "float32"), r"got 255\.5\.\.255\.5"),
        (np.full((4, 5, 3), -1, "float32"), r"got -1\.\.-1"),
        (np.full((4, 5, 3), np.nan, "float32"), r"got nan\.\.nan"),
        (np.zeros((4, 5, 3)), "uint8, uint16 or float32 pixels, got float64"),
        (np.zeros((0, 4, 5, 3), "uint8"), r"or a batch of the last two, got shape \(0, 4, 5, 3\)"),
        (np.zeros((2, 4, 5, 2), "uint8"), r"got shape \(4, 5, 2\)"),
        (np.zeros((2, 4, 5), "uint8"), r"got shape \(2, 4, 5\)"),
    ],
)
def test_pixels_that_are_not_taken_are_refused_with_those_that_are(engine, pixels, message):
    with pytest.raises(InputError, match=message):
        upscale(pixels, engine)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [3, 4])
def test_a_batch_is_upscaled_picture_by_picture(engine, dtype, channels):
    batch = np.stack([photograph(9, 14, top=top) for top in (90, 150)]).astype(dtype)
    if channels == 4:
        batch = np.concatenate([batch, batch[..., :1]], axis=-1)
    result = upscale(batch, engine)
    assert result.shape == (2, 18, 28, channels)
    assert (result[0] != result[1]).any()
    for one, image in zip(result, batch, strict=True):
        np.testing.assert_array_equal(one, upscale(image, engine))


def test_a_scale_chooses_the_default_preset_and_must_be_that_of_a_model(engine):
    image = photograph(8, 11)
    for scale, preset in ((None, "awsrn_sd_x2"), (2, "awsrn_sd_x2"), (3, "awsrn_sd_x3")):
        np.testing.assert_array_equal(upscale(image, scale=scale), upscale(image, preset))
    np.testing.assert_array_equal(upscale(image, engine, scale=2), upscale(image, engine))
    for model in ("awsrn_sd_x2", engine):
        with pytest.raises(InputError, match="The model is x2, not x3: leave out one of them"):
            upscale(image, model, scale=3)
    with pytest.raises(InputError, match="There is no preset of x0"):
        upscale(image, scale=0)
    with pytest.raises(InputError, match="There is no preset of x5"):
        upscale(image, scale=5)


def test_pictures_of_many_sizes_and_models_print_no_warnings(monkeypatch):
    logger, records = logging.getLogger("tensorflow"), []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", records.append)
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.WARNING)  # which also forgets what it has found to be too low
    try:
        model = network()
        for side in range(5, 12):
            upscale(photograph(side, side + 3), model)
        engine = KerasEngine(model)
        for side in range(5, 18):
            upscale(photograph(side, side + 3), engine)
        assert [record.getMessage() for record in records] == []
        logger.warning("still heard")
        assert len(records) == 1
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)


def test_where_keras_has_no_backend_presets_run_on_litert_and_others_name_what_is_missing():
    code = """
import sys, numpy as np
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
import awsrn_keras as awsrn
image = np.zeros((4, 5, 3), "uint8")
print(awsrn.upscale(image, "awsrn_sd_x2", engine="litert").shape)
try:
    awsrn.upscale(image, "awsrn_x8", engine="keras")
except ValueError as error:
    print(error)
"""
    environment = os.environ | {"KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert done.stdout.splitlines() == [
        "(8, 10, 3)",
        "awsrn_x8: is run by Keras, which needs tensorflow: pip install tensorflow.",
    ], done.stderr


@pytest.mark.slow
def test_threads_may_share_an_engine():
    """In a process of its own: what goes wrong is a crash."""
    code = (
        "import sys, concurrent.futures, numpy as np\n"
        "from awsrn_keras.upscaling.litert_engine import LiteRTEngine\n"
        "from awsrn_keras.upscaling.keras_engine import KerasEngine\n"
        "windows = [np.random.default_rng(h).uniform(0, 255, (h, 50, 3)).astype('float32')\n"
        "           for h in (20, 31, 40, 61)]\n"
        "for engine in LiteRTEngine('awsrn_sd_x2'), KerasEngine('awsrn_sd_x2'):\n"
        "    alone = [engine(window) for window in windows]\n"
        "    def ask(number):\n"
        "        return np.array_equal(engine(windows[number % 4]), alone[number % 4])\n"
        "    with concurrent.futures.ThreadPoolExecutor(8) as threads:\n"
        "        assert all(threads.map(ask, range(200)))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
