"""The fused graph gives the pictures of the network that it was made from."""

from zipfile import ZipFile

import keras
import numpy as np
import pytest
from keras import ops
from random_model import random_model

from awsrn_keras import AWSRN, VARIANTS, fuse, multiply_adds

PLAIN = {"InputLayer", "Conv2D", "ReLU", "Add", "Concatenate", "Subtract", "DepthToSpace"}


def picture(height=11, width=14, dtype="float32"):
    return np.random.default_rng(1).uniform(0, 255, (1, height, width, 3)).astype(dtype)


def largest_difference(model, fused, image):
    """Largest difference as a part of the largest output, and that output."""
    expected = ops.convert_to_numpy(model(image))
    actual = ops.convert_to_numpy(fused(image))
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype == image.dtype
    largest = np.abs(expected).max()
    assert largest > 50  # else nothing was computed
    return np.abs(actual - expected).max() / largest, largest


@pytest.mark.parametrize(
    ("variant", "scale", "skip_scale"),
    [("awsrn_sd", 2, None), ("awsrn_s", 4, 0.02), ("awsrn_m", 3, 1 / 127.5)],
)
def test_fused_graph_equals_the_network(variant, scale, skip_scale):
    model = random_model(variant, scale, dtype="float64")
    image = picture(dtype="float64")
    assert largest_difference(model, fuse(model, skip_scale), image)[0] < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_and_scale_is_equal_in_float32_and_float64(variant, scale):
    model = random_model(variant, scale, dtype="float64", seed=scale)
    image = picture(dtype="float64")
    assert largest_difference(model, fuse(model), image)[0] < 1e-9

    # In float32 the network itself is off by 1e-6 or so: float64 tells what is right.
    single = AWSRN(variant, scale, dtype="float32")
    single.set_weights([weight.astype("float32") for weight in model.get_weights()])
    model.set_weights([weight.astype("float64") for weight in single.get_weights()])
    exact = ops.convert_to_numpy(model(image))
    largest = np.abs(exact).max()
    for skip_scale in (None, 0.02):
        upscaled = ops.convert_to_numpy(fuse(single, skip_scale)(picture()))
        assert upscaled.dtype == "float32"
        assert np.abs(upscaled - exact).max() < max(2e-3, 2e-6 * largest)


NEAR_ZERO = {
    "awru_1/lambda_x": 0.0,
    "awru_3/lambda_x": -4e-4,
    "awru_4/lambda_x": 9.9e-4,
    "awru_5/lambda_res": 0.0,
    "lfb_1/lambda_x": 2e-5,
}
SHRINKING = {f"awru_{unit}/lambda_x": -0.02 for unit in range(1, 9)}
GROWING = {f"awru_{unit}/lambda_x": 6.0 for unit in range(1, 9)}


@pytest.mark.parametrize(
    ("lambdas", "restarts"),
    [(NEAR_ZERO, 4), (SHRINKING, 3), (GROWING, 1), ({"lfb_1/lambda_x": 0.0}, 1)],
)
def test_skip_factors_that_cannot_be_divided_by_become_identity_taps(lambdas, restarts):
    model = random_model(dtype="float64", lambdas=lambdas)
    fused = fuse(model)
    assert largest_difference(model, fused, picture(dtype="float64"))[0] < 1e-9

    # Seven units, block, tail and skip; the last unit's addition is part of the fusion.
    assert 7 + 1 + 1 - count(fused, "Add") == restarts

    model = random_model(lambdas=lambdas)
    difference, largest = largest_difference(model, fuse(model), picture())
    assert difference < max(2e-3 / largest, 2e-6)


def count(model, operation):
    return [type(node).__name__ for node in model.operations].count(operation)


@pytest.mark.parametrize("kernel_sizes", [(3, 5, 7), (9, 3), (5,)])
def test_pruned_tails_fuse_into_one_kernel_of_the_largest_size_kept(kernel_sizes):
    model = random_model(scale=3, dtype="float64", kernel_sizes=kernel_sizes)
    fused = fuse(model)
    largest = max(kernel_sizes)
    assert fused.get_layer("tail").kernel.shape == (largest, largest, 16, 27)
    assert largest_difference(model, fused, picture(dtype="float64"))[0] < 1e-9


@pytest.mark.parametrize(("skip_scale", "share"), [(None, 0.782), (0.02, 0.800)])
def test_only_plain_operations_are_left_and_they_cost_as_much_as_published(skip_scale, share):
    model = AWSRN("awsrn_s", 4)
    fused = fuse(model, skip_scale)
    assert {type(node).__name__ for node in fused.operations} <= PLAIN
    assert count(fused, "Subtract") == (skip_scale is None)
    assert multiply_adds(fused) / multiply_adds(model) == pytest.approx(share, abs=5e-4)


def test_fused_model_of_mixed_precision_is_float32_and_exact():
    model = random_model(dtype="mixed_bfloat16")
    exact = AWSRN("awsrn_sd", 2)
    exact.set_weights(model.get_weights())
    difference, largest = largest_difference(exact, fuse(model), picture())
    assert difference < max(2e-3 / largest, 2e-6)


def test_saved_fused_model_loads_without_custom_objects(tmp_path):
    fused = fuse(random_model(lambdas=NEAR_ZERO))
    fused.save(tmp_path / "fused.keras")
    assert "awsrn_keras" not in ZipFile(tmp_path / "fused.keras").read("config.json").decode()
    loaded = keras.models.load_model(tmp_path / "fused.keras")
    np.testing.assert_array_equal(fused(picture()), loaded(picture()))


def test_any_size_and_batch_is_accepted_and_the_network_is_left_alone():
    model = random_model()
    before = model.get_weights()
    fused = fuse(model)
    batch = np.concatenate([picture(1, 5), picture(1, 5) / 2])
    assert largest_difference(model, fused, batch)[0] < 2e-5
    np.testing.assert_equal(model.get_weights(), before)


def test_fuse_refuses_a_fused_model_and_a_scale_that_is_not_positive():
    model = AWSRN()
    with pytest.raises(ValueError, match="needs an AWSRN, got Functional 'awsrn_sd_x2_fused'"):
        fuse(fuse(model))
    with pytest.raises(ValueError, match="skip_scale above 0, got 0"):
        fuse(model, skip_scale=0)


@pytest.mark.parametrize("name", ["awsrn_sd_x2", "awsrn_s_x3"])
def test_fused_graph_gives_the_official_network_s_outputs(shared, name):
    from awsrn_keras import from_pytorch

    pytest.importorskip("torch")
    with np.load(shared / f"reference/{name}_io.npz") as example:
        lr, sr = example["lr"], example["sr"]
    fused = fuse(from_pytorch(shared / f"reference/{name}.pt"))
    np.testing.assert_allclose(fused(lr[None].astype("float32"))[0], sr, atol=5e-3)
