"""The LiteRT engine against Keras, and the files that the package ships for it."""

import numpy as np
import pytest
from skimage import data

from awsrn_keras import AWSRN, fuse, presets
from awsrn_keras.errors import InputError
from awsrn_keras.network.presets import WEIGHTS
from awsrn_keras.upscaling.engines import choose_engine, make_engine
from awsrn_keras.upscaling.keras_engine import KerasEngine
from awsrn_keras.upscaling.litert_engine import LiteRTEngine, tflite_path
from awsrn_keras.upscaling.upscale import upscale, upscale_with

SHIPPED = [name for name, card in presets().items() if (WEIGHTS / f"{name}.tflite").is_file()]


def photograph(height, width):
    return np.ascontiguousarray(data.astronaut()[90 : 90 + height, 170 : 170 + width])


@pytest.mark.parametrize("name", SHIPPED)
def test_the_file_of_every_preset_is_made_from_its_weights(name):
    window = photograph(45, 62).astype("float32")
    engine, model = LiteRTEngine(name), AWSRN.from_preset(name)

    result = engine(window)

    expected = np.asarray(model(window[None]))[0].clip(0, 255)
    keras_engine = KerasEngine(model)
    assert (engine.scale, engine.margin) == (keras_engine.scale, keras_engine.margin)
    assert expected.std() > 30
    assert np.abs(result.clip(0, 255) - expected).mean() < 0.1  # weights of 16 bits
    assert tflite_path(name).stat().st_size < 1.2 * 2 * fuse(model).count_params()


@pytest.mark.parametrize("precision", ["float", "int8"])
def test_the_number_of_threads_changes_no_bit(precision):
    one, two = (make_engine("awsrn_sd_x2", "litert", precision, threads=n) for n in (1, 2))
    window = photograph(137, 201).astype(one.dtype)
    np.testing.assert_array_equal(one(window), two(window))


def test_windows_of_changing_shape():
    engine = LiteRTEngine("awsrn_sd_x2")
    for height, width in [(30, 20), (1, 1), (30, 20), (20, 30)]:
        window = photograph(height, width).astype("float32")
        first, again = engine(window), engine(window)
        assert first.shape == (2 * height, 2 * width, 3)
        np.testing.assert_array_equal(first, again)
    assert not np.shares_memory(first, again)


@pytest.mark.parametrize(("height", "width"), [(61, 75), (1, 90), (140, 33)])
def test_tiles_change_no_value(height, width):
    engine, image = LiteRTEngine("awsrn_sd_x2"), photograph(height, width)
    whole, _ = upscale_with(engine, image, tile=1000)
    for tile in (7, 30):
        tiled, _ = upscale_with(engine, image, tile=tile)
        np.testing.assert_array_equal(tiled, whole)


def test_presets_without_a_file_are_refused():
    with pytest.raises(InputError, match=r"no preset .awsrn_sd_x9.: choose one of .*awsrn_sd_x2"):
        LiteRTEngine("awsrn_sd_x9")


EIGHT_BIT = [name for name in presets() if (WEIGHTS / f"{name}_int8.tflite").is_file()]


@pytest.mark.parametrize("name", EIGHT_BIT)
def test_the_eight_bit_file_of_a_preset_gives_its_picture_in_bytes(name):
    window = photograph(64, 75)
    engine, exact = LiteRTEngine(name, "int8"), LiteRTEngine(name)

    result = engine(window)

    expected = exact(window.astype("float32")).clip(0, 255)
    assert (engine.dtype, result.dtype) == (np.uint8, np.uint8)
    assert (engine.scale, engine.margin) == (exact.scale, exact.margin)
    assert expected.std() > 30
    assert 0.1 < np.sqrt(np.mean((result - expected) ** 2)) < 2
    assert tflite_path(name, "int8").stat().st_size < 0.75 * tflite_path(name).stat().st_size


@pytest.mark.parametrize(("height", "width"), [(61, 75), (1, 90), (140, 33)])
def test_tiles_change_no_bit_in_eight_bits(height, width):
    engine, image = LiteRTEngine(EIGHT_BIT[0], "int8"), photograph(height, width)
    whole, _ = upscale_with(engine, image, tile=1000)
    assert whole.std() > 10
    for tile in (1, 7, 30, 60, 70):
        tiled, _ = upscale_with(engine, image, tile=tile)
        np.testing.assert_array_equal(tiled, whole)


def test_precision_and_engine_are_chosen_by_name():
    image, name = photograph(30, 41), EIGHT_BIT[0]
    eight = upscale(image, name, precision="int8")
    np.testing.assert_array_equal(eight, LiteRTEngine(name, "int8")(image))
    exact = upscale(image, name)  # LiteRT, as there is no GPU
    expected = LiteRTEngine(name)(image.astype("float32")).clip(0, 255)
    np.testing.assert_array_equal(exact, np.rint(expected).astype("uint8"))
    assert np.any(eight != exact)
    assert choose_engine(name) == "litert"
    assert choose_engine(name, "keras") == choose_engine(AWSRN("awsrn_s", 2)) == "keras"
    assert choose_engine("awsrn_x8") == "keras"  # it has no file


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("awsrn_sd_x2", "tpu"), "Unknown engine 'tpu': choose one of auto, litert, keras"),
        (("awsrn_sd_x2", "auto", "int4"), "Unknown precision 'int4': choose one of float, int8"),
        (("awsrn_sd_x2", "keras", "int8"), "int8 is for presets on LiteRT"),
        (("model.keras", "auto", "int8"), "int8 is for presets on LiteRT"),
        (("model.keras", "litert"), "model.keras: LiteRT runs presets only"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        choose_engine(*arguments)


def test_eight_bits_refuse_sixteen():
    with pytest.raises(InputError, match="uint8 pixels only, got uint16"):
        upscale(np.zeros((4, 5, 3), np.uint16), EIGHT_BIT[0], precision="int8")
