"""The networks: published sizes, values against NumPy, saving, mixed precision, errors.

Run with KERAS_BACKEND=jax as well.
"""

import json
import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import numpy_awsrn
import pytest
from keras import ops

import awsrn_keras as awsrn
from awsrn_keras.network.loading import official_weights

# Parameters with weight-norm gains counted, and 10^9 multiply-adds for a 1280x720 output,
# of the official networks (arXiv:1904.02358 and the authors' code, b7e285e).
PUBLISHED = {
    ("awsrn", 2): (1_396_872, 320.5),
    ("awsrn", 3): (1_476_147, 150.6),
    ("awsrn", 4): (1_587_132, 91.1),
    ("awsrn", 8): (2_348_172, 33.7),
    ("awsrn_m", 2): (1_063_742, 244.1),
    ("awsrn_m", 3): (1_143_017, 116.6),
    ("awsrn_m", 4): (1_254_002, 72.0),
    ("awsrn_s", 2): (397_482, 91.2),
    ("awsrn_s", 3): (476_757, 48.6),
    ("awsrn_s", 4): (587_742, 33.7),
    ("awsrn_sd", 2): (348_098, 79.6),
    ("awsrn_sd", 3): (388_013, 39.5),
    ("awsrn_sd", 4): (443_894, 25.4),
}


def image(height=6, width=9, batch=1, seed=0):
    shape = (batch, height, width, 3)
    return np.random.default_rng(seed).uniform(0, 255, shape).astype("float32")


def perturb(model, seed=1):
    """Move every weight, so that neither a lambda of 1 nor a g of ||v|| can hide a mistake."""
    draw = np.random.default_rng(seed)
    for weight in model.weights:
        value = ops.convert_to_numpy(weight)
        weight.assign(value * draw.uniform(0.7, 1.3, value.shape))
    return model


def run(model, images):
    output = model(images)
    assert keras.backend.standardize_dtype(output.dtype) == "float32"
    return ops.convert_to_numpy(output)


@pytest.mark.parametrize(("variant", "scale"), PUBLISHED)
def test_parameters_and_multiply_adds_are_the_published_ones(variant, scale):
    parameters, giga = PUBLISHED[variant, scale]
    model = awsrn.AWSRN(variant, scale)
    assert model.count_params() == parameters
    assert round(awsrn.multiply_adds(model) / 1e9, 1) == giga


@pytest.mark.parametrize(("variant", "scale"), [("awsrn_sd", 2), ("awsrn_s", 3), ("awsrn_m", 4)])
def test_a_network_matches_numpy(variant, scale):
    model = perturb(awsrn.AWSRN(variant, scale))
    size = awsrn.VARIANTS[variant]
    x = image(5, 7)

    expected = numpy_awsrn.upscale(x[0], official_weights(model), scale, size.blocks, size.units)

    assert 20 < expected.std() < 500
    np.testing.assert_allclose(run(model, x)[0], expected, atol=2e-3, rtol=0)


def test_height_and_width_are_free_and_not_confused():
    model = awsrn.AWSRN("awsrn_sd", 3)
    assert model.input_shape == (None, None, None, 3)
    assert model.output_shape == (None, None, None, 3)
    for height, width in ((1, 1), (4, 11), (9, 2)):
        assert run(model, image(height, width, batch=2)).shape == (2, 3 * height, 3 * width, 3)


def test_initial_scalars_and_their_names():
    weights = awsrn.branch_weights(awsrn.AWSRN("awsrn_s", 2))
    alphas = {f"awms/alpha_{size}": 0.25 for size in (3, 5, 7, 9)}
    blocks = ["lfb_1", *(f"lfb_1/awru_{unit}" for unit in (1, 2, 3, 4))]
    lambdas = {f"{name}/{kind}": 1.0 for name in blocks for kind in ("lambda_res", "lambda_x")}
    assert weights == {**alphas, **lambdas}


@pytest.mark.parametrize(
    ("variant", "radius"), [("awsrn_s", 14), ("awsrn_sd", 22), ("awsrn_m", 32), ("awsrn", 41)]
)
def test_the_receptive_field_is_how_far_a_pixel_reaches(variant, radius):
    """With only the top left tap of each kernel, a bright pixel moves by the full radius."""
    model = awsrn.AWSRN(variant, 2)
    for weight in model.weights:
        value = np.zeros(weight.shape)
        if weight.name == "v":
            value[0, 0] = 1
        elif weight.name == "g":
            value[:] = 1
        elif weight.name.startswith(("lambda", "alpha")):
            value = np.ones(())
        weight.assign(value)
    side = radius + 3
    dark = np.zeros((1, side, side, 3), "float32")
    bright = dark.copy()
    bright[:, 1, 1] = 255

    changed = np.abs(run(model, bright) - run(model, dark)).max(axis=(0, 3)) > 1

    assert awsrn.receptive_field(model) == radius
    assert np.argwhere(changed).max() // 2 - 1 == radius


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5"])
def test_a_saved_model_computes_the_same(name, policy, tmp_path):
    model = perturb(awsrn.AWSRN("awsrn_s", 3, kernel_sizes=(3, 7), dtype=policy))
    x = image()
    if name == "model.keras":
        model.save(tmp_path / name)
        loaded = keras.saving.load_model(tmp_path / name)
    else:
        model.save_weights(tmp_path / name)
        loaded = awsrn.AWSRN("awsrn_s", 3, kernel_sizes=(3, 7), dtype=policy)
        loaded.load_weights(tmp_path / name)

    assert loaded.get_config() == model.get_config()
    assert (loaded.variant, loaded.scale, loaded.kernel_sizes) == ("awsrn_s", 3, (3, 7))
    assert loaded.dtype_policy.name == policy
    np.testing.assert_array_equal(run(loaded, x), run(model, x))


def test_the_config_survives_json():
    model = awsrn.AWSRN("awsrn_sd", 8, kernel_sizes=(5,), dtype="mixed_float16", name="mine")
    again = awsrn.AWSRN.from_config(json.loads(json.dumps(model.get_config())))
    assert again.get_config() == model.get_config()
    assert again.count_params() == model.count_params()
    assert again.name == "mine"


def test_mixed_precision_gives_float32_pixels_between_the_grey_levels():
    model = awsrn.AWSRN("awsrn_sd", 2, dtype="mixed_bfloat16")
    full = awsrn.AWSRN("awsrn_sd", 2)
    full.set_weights(model.get_weights())
    x = image(16, 20)

    output, exact = run(model, x), run(full, x)

    assert {str(weight.dtype) for weight in model.weights} == {"float32"}
    in_bfloat16 = ops.convert_to_numpy(ops.cast(ops.cast(output, "bfloat16"), "float32"))
    assert (output == in_bfloat16).mean() < 0.01  # all of them if anything rounded at the end
    difference = np.abs(output - exact)
    assert 0 < difference.mean() < 0.5
    assert difference.max() < 4


def test_one_step_of_fit_changes_every_weight():
    keras.utils.set_random_seed(0)
    model = awsrn.AWSRN("awsrn_sd", 2)
    model.compile(keras.optimizers.Adam(1e-3), "mean_absolute_error", run_eagerly=True)
    before = [ops.convert_to_numpy(weight) for weight in model.weights]

    history = model.fit(image(8, 6, 2), image(16, 12, 2, seed=1), batch_size=2, verbose=0)

    assert np.isfinite(history.history["loss"]).all()
    for weight, old in zip(model.weights, before, strict=True):
        moved = np.abs(ops.convert_to_numpy(weight) - old)
        # A hidden channel that its ReLU shuts for every pixel has no gradient.
        assert (moved > 0).mean() > 0.9, weight.path


def test_unknown_variant_or_scale_lists_the_choices():
    with pytest.raises(ValueError, match="'awsrn_xl': choose one of awsrn, awsrn_m, awsrn_s"):
        awsrn.AWSRN("awsrn_xl", 2)
    with pytest.raises(ValueError, match="scale 5: choose one of 2, 3, 4, 8"):
        awsrn.AWSRN("awsrn", 5)


def textured_pairs(count=32):
    """Images with edges (LR 16x16, HR 32x32): HR is a random layout of discs, LR its means."""
    draw = np.random.default_rng(0)
    rows, columns = np.mgrid[:32, :32]
    hr = np.full((count, 32, 32, 3), 128.0)
    for picture in hr:
        for _ in range(12):
            row, column, radius = draw.uniform((0, 0, 2), (32, 32, 10))
            inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
            picture[inside] = draw.uniform(0, 255, 3)
    lr = hr.reshape(count, 16, 2, 16, 2, 3).mean(axis=(2, 4))
    return lr.astype("float32"), hr.astype("float32")


@pytest.mark.slow
def test_after_200_steps_the_bfloat16_loss_is_within_2_percent_of_float32():
    lr, hr = textured_pairs()
    losses = {}
    for policy in ("float32", "mixed_bfloat16"):
        keras.utils.set_random_seed(0)
        model = awsrn.AWSRN("awsrn_sd", 2, dtype=policy)
        rate = keras.optimizers.schedules.CosineDecay(1e-3, 200)
        model.compile(keras.optimizers.Adam(rate), "mean_absolute_error", jit_compile=False)
        first = model.evaluate(lr, hr, batch_size=32, verbose=0)
        model.fit(lr, hr, batch_size=4, epochs=25, shuffle=False, verbose=0)
        losses[policy] = model.evaluate(lr, hr, batch_size=32, verbose=0)
        assert losses[policy] < 0.5 * first  # it has learned, so the comparison says something
    assert losses["mixed_bfloat16"] == pytest.approx(losses["float32"], rel=0.02)


@pytest.mark.slow
def test_tensorflow_and_jax_compute_the_same_pictures(tmp_path):
    other = "tensorflow" if keras.backend.backend() == "jax" else "jax"
    pytest.importorskip(other)
    np.save(tmp_path / "image.npy", image(7, 5))
    models = [perturb(awsrn.AWSRN("awsrn_sd", scale)) for scale in (2, 3, 4, 8)]
    for model in models:
        model.save(tmp_path / f"{model.name}.keras")
    program = """
        import pathlib, sys, keras, numpy as np, awsrn_keras.network.model
        folder = pathlib.Path(sys.argv[1])
        for file in folder.glob("*.keras"):
            output = keras.saving.load_model(file)(np.load(folder / "image.npy"))
            np.save(file.with_suffix(".npy"), keras.ops.convert_to_numpy(output))
        print(keras.backend.backend())
    """

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), tmp_path],
        env={**os.environ, "KERAS_BACKEND": other},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split()[-1] == other
    for model in models:
        output = np.load(tmp_path / f"{model.name}.npy")
        assert 20 < output.std() < 500
        np.testing.assert_allclose(output, run(model, image(7, 5)), atol=1e-3, rtol=0)
