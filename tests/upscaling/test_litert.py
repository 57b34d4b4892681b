"""The LiteRT engine against Keras, and the files that the package ships for it."""

import numpy as np
import pytest
from skimage import data

from awsrn_keras import AWSRN, presets
from awsrn_keras.errors import InputError
from awsrn_keras.upscaling.keras_engine import KerasEngine
from awsrn_keras.upscaling.litert_engine import LiteRTEngine, tflite_path
from awsrn_keras.upscaling.upscale import upscale_with

SHIPPED = [name for name, card in presets().items() if card["variant"] in ("awsrn_sd", "awsrn_s")]


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
    assert tflite_path(name).stat().st_size < 1.2 * 2 * AWSRN(model.variant, 2).count_params()


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
