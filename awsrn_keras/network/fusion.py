"""AWSRN as a plain graph for inference: the same pictures from convolutions and additions alone.

Between two ReLUs everything is linear, so weight norm, every lambda and alpha, the AWMS
branches and the scaling of the pixels fold into the convolutions. The folding is done in
float64 on the weights; only `keras` is used, so any backend will do.
"""

import functools
import operator
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from .layers import AWMS, AWRU, LFB, WeightNormConv2D
from .model import AWSRN, HALF_RANGE, RGB_MEAN

# Factors by which a stored tensor may differ from the features that it stands for.
SMALLEST_FACTOR, LARGEST_FACTOR = 1e-3, 1e3


def fuse(model: AWSRN, skip_scale: float | None = None) -> keras.Model:
    """Build the plain graph that computes what `model` computes, up to rounding.

    It holds Conv2D, ReLU, Add, Concatenate, one mean subtraction and depth_to_space;
    nothing is multiplied, and AWMS is one convolution as large as its largest branch.

    In a chain `y = a * F(x) + b * x` the graph keeps `y / b` instead of `y`: the skip is
    then a plain addition, and whatever reads `y` has `b` in its kernel. Where |b| or the
    product of the b's so far is below 1e-3 (or the product above 1e3), `b` becomes
    identity taps, `conv(concat[hidden, x], [a * F, b * I])`, and the product restarts at 1.

    Args:
        model: The network; it is left as it is. Pruned `kernel_sizes` are fine.
        skip_scale: None keeps the 3x3 skip convolution apart. A positive number sums tail
            and skip in one convolution over `[features, skip_scale * (image - mean)]`, so
            that an integer runtime adds them in its 32-bit accumulator; a 1x1 convolution
            then subtracts the mean and scales. It costs about 2 % more multiply-adds.

    Returns:
        A functional model in the variable dtype of `model` with the same input and output:
        RGB `(batch, height, width, 3)`, 0..255, not clipped. Saved as `.keras`, it loads
        without this package. A convolution made of frozen layers alone is frozen too.

    Raises:
        ValueError: `model` is no `AWSRN`, or `skip_scale` is not positive.
    """
    if not isinstance(model, AWSRN):
        raise ValueError(f"fuse needs an AWSRN, got {type(model).__name__} {model.name!r}.")
    if skip_scale is not None and not skip_scale > 0:
        raise ValueError(f"fuse needs a skip_scale above 0, got {skip_scale}.")
    part = {layer.name: layer for layer in model.layers}
    image = keras.Input((None, None, 3), dtype=model.dtype_policy.variable_dtype, name="image")

    x = _normalized(image, skip_scale)
    features = _Signal(_conv(_folded(part["head"]), [x], "head"))
    for layer in model.layers:
        if isinstance(layer, LFB):
            features = _lfb(layer, features)
    tail = HALF_RANGE * _folded_awms(part["awms"])
    skip = HALF_RANGE * _folded(part["skip"]) + np.tile(RGB_MEAN, model.scale**2)
    if skip_scale is None:
        pixels = _added(_conv(tail, [features], "tail"), _conv(skip, [x], "skip"), "pixels")
    else:
        pixels = _conv(tail & skip, [features, x], "tail")
    upscaled = ops.depth_to_space(pixels, model.scale, data_format="channels_last")
    fused = keras.Model(image, upscaled, name=f"{model.name}_fused")
    if not model.trainable:
        fused.trainable = False
    return fused


@dataclass(frozen=True)
class _Signal:
    """A value of the original network, which the graph keeps as `tensor = value / factor`."""

    tensor: keras.KerasTensor
    factor: float = 1.0


@dataclass(frozen=True)
class _Affine:
    """Kernel `(size, size, inputs, outputs)` and bias of a convolution, in float64.

    `factor * conv` scales what it gives, `conv + other` adds two that read the same input,
    `conv & other` adds two that read different inputs, now side by side; `conv + array`
    adds a constant. It is `trainable` if a layer is that it comes from.
    """

    kernel: np.ndarray
    bias: np.ndarray
    trainable: bool

    def __rmul__(self, factor: float | np.ndarray) -> "_Affine":
        return _Affine(factor * self.kernel, factor * self.bias, self.trainable)

    def __add__(self, other: "_Affine | np.ndarray") -> "_Affine":
        if isinstance(other, np.ndarray):
            return _Affine(self.kernel, self.bias + other, self.trainable)
        kernel = np.add(*_same_size(self.kernel, other.kernel))
        return _Affine(kernel, self.bias + other.bias, self.trainable or other.trainable)

    def __and__(self, other: "_Affine") -> "_Affine":
        kernel = np.concatenate(_same_size(self.kernel, other.kernel), axis=2)
        return _Affine(kernel, self.bias + other.bias, self.trainable or other.trainable)


def _same_size(*kernels: np.ndarray) -> list[np.ndarray]:
    largest = max(map(len, kernels))
    borders = [(largest - len(kernel)) // 2 for kernel in kernels]
    return [
        np.pad(kernel, [(border, border), (border, border), (0, 0), (0, 0)])
        for kernel, border in zip(kernels, borders, strict=True)
    ]


def _folded(conv: WeightNormConv2D) -> _Affine:
    v, g, bias = map(_float64, (conv.v, conv.g, conv.bias))
    kernel = v * (g / np.sqrt(np.square(v).sum(axis=(0, 1, 2))))
    return _Affine(kernel, bias, conv.trainable)


def _folded_awms(awms: AWMS) -> _Affine:
    """One convolution for all branches: small kernels padded with zeros, scaled and added."""
    branches = zip(awms.alphas, awms.branches, strict=True)
    return functools.reduce(operator.add, (_float64(a) * _folded(conv) for a, conv in branches))


def _float64(variable: keras.Variable) -> np.ndarray:
    return ops.convert_to_numpy(variable.value).astype("float64")


def _identity(channels: int) -> _Affine:
    return _Affine(np.eye(channels)[None, None], np.zeros(channels), trainable=False)


def _conv(affine: _Affine, inputs: list[_Signal], name: str) -> keras.KerasTensor:
    """Place the convolution on the concatenated inputs; its kernel takes up their factors."""
    tensors = [signal.tensor for signal in inputs]
    factors = [np.full(signal.tensor.shape[-1], signal.factor) for signal in inputs]
    kernel = affine.kernel * np.concatenate(factors)[:, None]
    x = tensors[0]
    if len(tensors) > 1:
        x = layers.Concatenate(dtype=x.dtype, name=f"{name}_inputs")(tensors)
    conv = layers.Conv2D(
        kernel.shape[-1],
        kernel.shape[0],
        padding="same",
        data_format="channels_last",
        dtype=x.dtype,
        name=name,
    )
    y = conv(x)
    conv.set_weights([kernel, affine.bias])
    conv.trainable = affine.trainable
    return y


def _added(x: keras.KerasTensor, y: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.Add(dtype=x.dtype, name=name)([x, y])


def _normalized(image: keras.KerasTensor, skip_scale: float | None) -> _Signal:
    """The network's `(image - mean) / 127.5`, kept as pixels or `skip_scale` times pixels.

    The subtraction stays a step of its own, because the zero padding comes after it.
    """
    if skip_scale is None:
        return _Signal(ops.subtract(image, RGB_MEAN.astype(image.dtype)), 1 / HALF_RANGE)
    subtract = _identity(3) + -RGB_MEAN
    scaled = _conv(skip_scale * subtract, [_Signal(image)], "image_minus_mean")
    return _Signal(scaled, 1 / (HALF_RANGE * skip_scale))


def _weighted_sum(
    unit: AWRU | LFB, residual: _Affine, inputs: list[_Signal], x: _Signal, name: str
) -> _Signal:
    """`lambda_res * residual(inputs) + lambda_x * x`, the skip as an addition where it can be."""
    a, b = (float(_float64(scalar)) for scalar in (unit.lambda_res, unit.lambda_x))
    factor = b * x.factor
    if min(abs(b), abs(factor)) < SMALLEST_FACTOR or abs(factor) > LARGEST_FACTOR:
        taps = b * _identity(unit.filters)
        return _Signal(_conv(a * residual & taps, [*inputs, x], name))
    branch = _conv(a / factor * residual, inputs, name)
    return _Signal(_added(branch, x.tensor, f"{name}_skip"), factor)


def _hidden(unit: AWRU, x: _Signal, name: str) -> _Signal:
    expanded = _conv(_folded(unit.expand), [x], f"{name}_expand")
    return _Signal(layers.ReLU(dtype=expanded.dtype, name=f"{name}_relu")(expanded))


def _awru(unit: AWRU, x: _Signal, name: str) -> _Signal:
    hidden = _hidden(unit, x, name)
    return _weighted_sum(unit, _folded(unit.reduce), [hidden], x, f"{name}_reduce")


def _lfb(block: LFB, x: _Signal) -> _Signal:
    """As `y_m = a * F(y_m-1) + b * y_m-1` is read by the fusion alone, its skip folds too.

    The fusion reads `a * F(y_m-1)` in place of `y_m`, and its kernel for `y_m-1` grows by
    `b` times that for `y_m`. Besides saving an addition, this leaves `a * F` a scale of its
    own, which an integer runtime needs: it is often much larger than the `y` before it.
    """
    *units, last = block.units
    outputs, y = [], x
    for unit in units:
        y = _awru(unit, y, f"{block.name}_{unit.name}")
        outputs.append(y)
    name = f"{block.name}_{last.name}"
    branch = _float64(last.lambda_res) * _folded(last.reduce)
    outputs.append(_Signal(_conv(branch, [_hidden(last, y, name)], f"{name}_reduce")))

    fusion = _folded(block.fusion)
    before, own = (slice(-2 * block.filters, -block.filters), slice(-block.filters, None))
    fusion.kernel[:, :, before] += _float64(last.lambda_x) * fusion.kernel[:, :, own]
    return _weighted_sum(block, fusion, outputs, x, f"{block.name}_fusion")
