"""The layers against NumPy. Run with KERAS_BACKEND=jax as well."""

import keras
import numpy as np
import numpy_awsrn
import pytest
from keras import ops

from awsrn_keras.network.layers import AWMS, AWRU, LFB, WeightNormConv2D

LAYERS = {
    "WeightNormConv2D": lambda **options: WeightNormConv2D(5, 3, **options),
    "AWRU": lambda **options: AWRU(2, 7, **options),
    "LFB": lambda **options: LFB(2, 3, 7, **options),
    "AWMS": lambda **options: AWMS(5, (3, 7), **options),
}


def features(channels=2, seed=0):
    return np.random.default_rng(seed).normal(size=(2, 5, 8, channels)).astype("float32")


def randomise(layer, seed=1):
    """Give every weight a value of its own: lambdas of 1 and g of ||v|| would hide mistakes."""
    draw = np.random.default_rng(seed)
    for weight in layer.weights:
        weight.assign(draw.normal(size=weight.shape))


def conv_weights(conv, name):
    """A convolution's weights under official names, as `numpy_awsrn` reads them."""
    values = {key: ops.convert_to_numpy(getattr(conv, key)) for key in ("v", "g", "bias")}
    return {
        f"{name}.weight_v": values["v"].transpose(3, 2, 0, 1),
        f"{name}.weight_g": values["g"].reshape(-1, 1, 1, 1),
        f"{name}.bias": values["bias"],
    }


def lambdas(layer, name):
    return {
        f"{name}.res_scale.scale": ops.convert_to_numpy(layer.lambda_res),
        f"{name}.x_scale.scale": ops.convert_to_numpy(layer.lambda_x),
    }


def awru_weights(unit, name):
    expand = conv_weights(unit.expand, f"{name}.body.0")
    return {**expand, **conv_weights(unit.reduce, f"{name}.body.2"), **lambdas(unit, name)}


def assert_matches(layer, x, oracle):
    actual, expected = ops.convert_to_numpy(layer(x)), np.stack([oracle(image) for image in x])
    assert expected.std() > 0.1
    np.testing.assert_allclose(actual, expected, atol=1e-4 * np.abs(expected).max(), rtol=0)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_convolution_matches_numpy(size):
    conv = WeightNormConv2D(3, size)
    conv.build((None, None, None, 2))
    randomise(conv)
    weights = conv_weights(conv, "c")
    assert_matches(conv, features(), lambda x: numpy_awsrn.convolve(x, weights, "c"))


def test_the_gain_alone_sets_the_length_of_a_kernel():
    conv = WeightNormConv2D(3, 3)
    conv.build((None, None, None, 2))
    conv.g.assign([0.5, -2.0, 3.0])
    before = ops.convert_to_numpy(conv.kernel)
    np.testing.assert_allclose(np.sqrt((before**2).sum(axis=(0, 1, 2))), [0.5, 2.0, 3.0], rtol=1e-5)

    conv.v.assign(ops.convert_to_numpy(conv.v) * [7.0, 0.1, 1.0])  # per output channel

    np.testing.assert_allclose(ops.convert_to_numpy(conv.kernel), before, rtol=1e-5)


def test_initial_values_are_those_of_pytorch_conv2d_and_its_weight_norm():
    keras.utils.set_random_seed(0)
    conv = WeightNormConv2D(64, 5)
    conv.build((None, None, None, 16))
    bound = 1 / np.sqrt(5 * 5 * 16)

    v, g, bias = (ops.convert_to_numpy(w) for w in (conv.v, conv.g, conv.bias))

    for values in (v, bias):
        assert np.abs(values).max() <= bound
        assert values.min() < -0.9 * bound
        assert values.max() > 0.9 * bound
    assert v.std() == pytest.approx(bound / np.sqrt(3), rel=0.01)  # uniform
    np.testing.assert_allclose(g, np.sqrt((v**2).sum(axis=(0, 1, 2))), rtol=1e-5)


def test_awru_matches_numpy():
    unit = AWRU(filters=2, expanded_filters=7)
    unit.build((None, None, None, 2))
    randomise(unit)
    weights = awru_weights(unit, "u")
    assert_matches(unit, features(), lambda x: numpy_awsrn.awru(x, weights, "u"))


def test_awru_scales_the_branch_and_the_input_independently():
    unit = AWRU(filters=2, expanded_filters=5)
    x = features()
    branch = ops.convert_to_numpy(unit(x)) - x  # both lambdas are 1 at first
    assert np.abs(branch).max() > 0.1  # else the check below proves nothing

    unit.lambda_res.assign(0.5)
    unit.lambda_x.assign(-2.0)

    np.testing.assert_allclose(ops.convert_to_numpy(unit(x)), 0.5 * branch - 2.0 * x, atol=1e-5)
    # v + g + bias of each convolution, then the two lambdas.
    assert unit.count_params() == (3 * 3 * 2 * 5 + 5 + 5) + (3 * 3 * 5 * 2 + 2 + 2) + 2


def test_lfb_matches_numpy():
    block = LFB(filters=2, units=3, expanded_filters=7)
    block.build((None, None, None, 2))
    randomise(block)
    weights = {**lambdas(block, "b"), **conv_weights(block.fusion, "b.reduction")}
    for index, unit in enumerate(block.units):
        weights |= awru_weights(unit, f"b.b{index}")
    assert_matches(block, features(), lambda x: numpy_awsrn.lfb(x, weights, "b", units=3))


def test_awms_matches_numpy():
    tail = AWMS(filters=5, kernel_sizes=(3, 7))
    tail.build((None, None, None, 2))
    randomise(tail)
    weights = {}
    for size, branch, alpha in zip((3, 7), tail.branches, tail.alphas, strict=True):
        weights |= conv_weights(branch, f"tail.tail_k{size}")
        weights[f"tail.scale_k{size}.scale"] = ops.convert_to_numpy(alpha)
    assert_matches(tail, features(), lambda x: numpy_awsrn.awms(x, weights, (3, 7)))


@pytest.mark.parametrize(("kernel_sizes", "start"), [((3, 5, 7, 9), 0.25), ((3, 5), 0.5)])
def test_the_alphas_start_at_an_equal_share(kernel_sizes, start):
    tail = AWMS(filters=5, kernel_sizes=kernel_sizes)
    tail.build((None, None, None, 2))
    assert [float(ops.convert_to_numpy(alpha)) for alpha in tail.alphas] == [start] * len(
        kernel_sizes
    )


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_survives_its_config(name, policy):
    layer = LAYERS[name](dtype=policy, name="mine")
    x = features()
    layer(x)
    randomise(layer)

    again = type(layer).from_config(layer.get_config())
    again(x)
    again.set_weights(layer.get_weights())

    assert again.name == "mine"
    assert again.dtype_policy.name == policy
    assert again.get_config() == layer.get_config()
    np.testing.assert_array_equal(
        ops.convert_to_numpy(ops.cast(again(x), "float32")),
        ops.convert_to_numpy(ops.cast(layer(x), "float32")),
    )


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_takes_any_height_and_width(name):
    image = keras.Input((None, None, 2))
    layer = LAYERS[name]()
    model = keras.Model(image, layer(image))
    channels = 2 if name in ("AWRU", "LFB") else 5
    assert model.output_shape == (None, None, None, channels)
    for height, width in ((1, 6), (7, 4)):
        assert model(np.ones((1, height, width, 2), "float32")).shape == (
            1,
            height,
            width,
            channels,
        )


@pytest.mark.parametrize("name", LAYERS)
def test_mixed_precision_keeps_weights_and_the_residual_stream_in_float32(name):
    layer = LAYERS[name](dtype="mixed_bfloat16")
    full = LAYERS[name]()
    x = features()
    y = layer(x)
    full(x)
    full.set_weights(layer.get_weights())
    exact = ops.convert_to_numpy(full(x))
    difference = np.abs(ops.convert_to_numpy(ops.cast(y, "float32")) - exact).max()

    assert {str(weight.dtype) for weight in layer.weights} == {"float32"}
    expected = "bfloat16" if name == "WeightNormConv2D" else "float32"
    assert keras.backend.standardize_dtype(y.dtype) == expected
    assert 0 < difference < 0.03 * np.abs(exact).max()  # the convolutions did run in 16 bits


@pytest.mark.parametrize("name", ["AWRU", "LFB"])
def test_under_mixed_precision_a_lambda_is_not_rounded_nor_is_the_input(name):
    layer = LAYERS[name](dtype="mixed_bfloat16")
    x = features()
    layer(x)
    layer.lambda_res.assign(0.0)
    layer.lambda_x.assign(1.003)  # 1.0 in bfloat16
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), 1.003 * x, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: WeightNormConv2D(0, 3), "at least 1 filter, got 0"),
        (lambda: WeightNormConv2D(4, 2), "odd kernel_size, got 2"),
        (lambda: WeightNormConv2D(4, -1), "odd kernel_size, got -1"),
        (lambda: AWRU(2, 0), "at least 1 filter, got 0"),
        (lambda: LFB(2, 0, 5), "at least 1 unit, got 0"),
        (lambda: AWMS(4, ()), "one or more different kernel_sizes, got ()"),
        (lambda: AWMS(4, (3, 3)), "different kernel_sizes"),
        (lambda: AWRU(2, 5).build((None, 4, 6, 3)), "AWRU expects 2 channels"),
        (lambda: LFB(2, 1, 5).build((None, 4, 6, 3)), "LFB expects 2 channels"),
    ],
)
def test_a_wrong_argument_is_named(make, message):
    with pytest.raises(ValueError, match=message.replace("()", r"\(\)")):
        make()
