"""The parts of AWSRN as Keras layers: weight-normalised convolution, AWRU, LFB and AWMS.

Only `keras.ops` is used, so the layers run on every Keras backend. Under a mixed dtype
policy the convolutions alone compute in 16 bits: weight normalisation, the learned
scalars and the residual stream stay float32, because a bfloat16 scalar cannot hold a
lambda of 1.003 and a bfloat16 residual stream loses whole grey levels.

Source: Wang, Li and Shi (2019), arXiv:1904.02358; code/src/model/awsrn.py and awsrnd.py
of github.com/ChaofWang/AWSRN at b7e285e.
"""

import math
from typing import Any

import keras
from keras import ops

from .composite import Composite

Tensor = Any  # a value of whichever backend Keras has
Shape = tuple[Any, ...]  # None where a side may be of any length


@keras.saving.register_keras_serializable(package="awsrn_keras")
class WeightNormConv2D(keras.layers.Layer):
    """Convolution with a normalised kernel: `conv(x, g * v / ||v||) + bias`.

    Stride 1, zero padding that keeps height and width. The norm is taken over all axes
    of `v` but the output channels, so there is one gain `g` per output channel. Initial
    values are those of the official code, PyTorch's `Conv2d` default followed by its
    `weight_norm`: `v` and bias uniform within 1/sqrt(fan_in), `g = ||v||`.

    Args:
        filters: Output channels, at least 1.
        kernel_size: Height and width of the kernel, odd.

    Input: `(batch, height, width, channels)`. Output: `(batch, height, width, filters)`,
    in the compute dtype. Height and width may be unknown.

    Raises:
        ValueError: `filters` is below 1 or `kernel_size` is not odd and positive.

    Source: Salimans and Kingma (2016), arXiv:1602.07868; no epsilon under the root.
    """

    def __init__(self, filters: int, kernel_size: int, **kwargs) -> None:
        super().__init__(**kwargs)
        if filters < 1:
            raise ValueError(f"WeightNormConv2D needs at least 1 filter, got {filters}.")
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"WeightNormConv2D needs an odd kernel_size, got {kernel_size}.")
        self.filters = filters
        self.kernel_size = kernel_size

    def build(self, input_shape: Shape) -> None:
        shape = (self.kernel_size, self.kernel_size, input_shape[-1], self.filters)
        bound = 1 / math.sqrt(math.prod(shape[:3]))
        uniform = keras.initializers.RandomUniform(-bound, bound)
        self.v = self.add_weight(name="v", shape=shape, initializer=uniform, autocast=False)
        self.g = self.add_weight(
            name="g",
            shape=(self.filters,),
            initializer=lambda shape, dtype: ops.cast(_norm(self.v), dtype),
            autocast=False,
        )
        self.bias = self.add_weight(
            name="bias", shape=(self.filters,), initializer=uniform, autocast=False
        )

    @property
    def kernel(self) -> Tensor:
        """The normalised kernel `(height, width, channels, filters)`, never rounded to 16 bits."""
        return self.v * (self.g / _norm(self.v))

    def call(self, x: Tensor) -> Tensor:
        return _convolve(x, self.kernel, self.bias, self.compute_dtype)

    def scaled(self, x: Tensor, factor: Tensor) -> Tensor:
        """`factor * conv(x)` with the scalar multiplied into kernel and bias.

        The same up to rounding, and a training step saves two passes over a feature map.
        """
        return _convolve(x, factor * self.kernel, factor * self.bias, self.compute_dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        own = {"filters": self.filters, "kernel_size": self.kernel_size}
        return {**super().get_config(), **own}


def _norm(v: Tensor) -> Tensor:
    return ops.sqrt(ops.sum(ops.square(v), axis=(0, 1, 2)))


def _convolve(x: Tensor, kernel: Tensor, bias: Tensor, dtype: str) -> Tensor:
    x, kernel, bias = (ops.cast(value, dtype) for value in (x, kernel, bias))
    return ops.conv(x, kernel, padding="same", data_format="channels_last") + bias


class _AdaptiveResidual(Composite):
    """`lambda_res * F(x) + lambda_x * x`, which AWRU and LFB share; both lambdas start at 1."""

    def __init__(self, **kwargs) -> None:
        # Without autocast the incoming residual stream is not rounded to 16 bits.
        super().__init__(autocast=False, **kwargs)

    def build(self, input_shape: Shape) -> None:
        if input_shape[-1] != self.filters:
            raise ValueError(
                f"{type(self).__name__} expects {self.filters} channels, got input {input_shape}."
            )
        # Without autocast here as well, Keras rounds the scalars to 16 bits all the same.
        self.lambda_res, self.lambda_x = (
            self.add_weight(name=name, shape=(), initializer="ones", autocast=False)
            for name in ("lambda_res", "lambda_x")
        )

    def weighted_sum(self, last_conv: WeightNormConv2D, hidden: Tensor, x: Tensor) -> Tensor:
        residual = last_conv.scaled(hidden, self.lambda_res)
        return ops.cast(residual, x.dtype) + self.lambda_x * x

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape


@keras.saving.register_keras_serializable(package="awsrn_keras")
class AWRU(_AdaptiveResidual):
    """Adaptive weighted residual unit: `y = lambda_res * F(x) + lambda_x * x`.

    `F` is conv3x3 to `expanded_filters`, ReLU, conv3x3 back to `filters`, both
    weight-normalised. The lambdas are learned scalars that start at 1, so a new unit is
    an ordinary residual unit.

    Args:
        filters: Channels of the input and of the output, at least 1.
        expanded_filters: Channels between the two convolutions, at least 1.

    Input and output: features `(batch, height, width, filters)`, unbounded.
    Height and width may be unknown; both are preserved.

    Raises:
        ValueError: A count is below 1, or the input has another channel count.

    Source: arXiv:1904.02358, section 3.2; class `AWRU` in code/src/model/awsrn.py.
    """

    def __init__(self, filters: int, expanded_filters: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.expanded_filters = expanded_filters
        dtype = self.dtype_policy  # sub-layers do not inherit it by themselves
        self.expand = WeightNormConv2D(expanded_filters, 3, dtype=dtype, name="expand")
        self.reduce = WeightNormConv2D(filters, 3, dtype=dtype, name="reduce")

    def parts(self) -> list[keras.layers.Layer]:
        return [self.expand, self.reduce]

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        self.expand.build(input_shape)
        self.reduce.build((*input_shape[:-1], self.expanded_filters))

    def call(self, x: Tensor) -> Tensor:
        return self.weighted_sum(self.reduce, ops.relu(self.expand(x)), x)

    def get_config(self) -> dict[str, Any]:
        own = {"filters": self.filters, "expanded_filters": self.expanded_filters}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="awsrn_keras")
class LFB(_AdaptiveResidual):
    """Local fusion block: `y = lambda_res * conv3x3(concat(y_1..y_m)) + lambda_x * x`.

    `y_1 = AWRU(x)`, `y_i = AWRU(y_{i-1})`; the convolution fuses the outputs of all
    units (the paper's local residual fusion unit, LRFU).

    Args:
        filters: Channels of the input and of the output, at least 1.
        units: AWRUs in the chain (the paper's m), at least 1.
        expanded_filters: Channels inside each AWRU, at least 1.

    Input and output: features `(batch, height, width, filters)`, unbounded.

    Raises:
        ValueError: A count is below 1, or the input has another channel count.

    Source: arXiv:1904.02358, section 3.2; class `LFB` in code/src/model/awsrn.py.
    """

    def __init__(self, filters: int, units: int, expanded_filters: int, **kwargs) -> None:
        super().__init__(**kwargs)
        if units < 1:
            raise ValueError(f"LFB needs at least 1 unit, got {units}.")
        self.filters = filters
        self.expanded_filters = expanded_filters
        dtype = self.dtype_policy
        self.units = [
            AWRU(filters, expanded_filters, dtype=dtype, name=f"awru_{i + 1}") for i in range(units)
        ]
        self.fusion = WeightNormConv2D(filters, 3, dtype=dtype, name="fusion")

    def parts(self) -> list[keras.layers.Layer]:
        return [*self.units, self.fusion]

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        for unit in self.units:
            unit.build(input_shape)
        self.fusion.build((*input_shape[:-1], self.filters * len(self.units)))

    def call(self, x: Tensor) -> Tensor:
        outputs, y = [], x
        for unit in self.units:
            y = unit(y)
            outputs.append(y)
        return self.weighted_sum(self.fusion, ops.concatenate(outputs, axis=-1), x)

    def get_config(self) -> dict[str, Any]:
        own = {
            "filters": self.filters,
            "units": len(self.units),
            "expanded_filters": self.expanded_filters,
        }
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="awsrn_keras")
class AWMS(Composite):
    """Adaptive weighted multi-scale branches: `sum_k alpha_k * conv_kxk(x)`.

    The last step before the pixel shuffle. Each kernel size has its own convolution and
    a learned scalar that starts at 1 / number of branches.

    Args:
        filters: Output channels of every branch: 3 * scale**2 for RGB.
        kernel_sizes: Odd kernel sizes, one branch each; the paper has 3, 5, 7 and 9.

    Input: features `(batch, height, width, channels)`.
    Output: `(batch, height, width, filters)`, in the variable dtype (float32 under a
    mixed policy), because pixels are summed here.

    Raises:
        ValueError: `kernel_sizes` is empty or has one twice.

    Source: arXiv:1904.02358, section 3.3; `tail` in code/src/model/awsrn.py. The official
    code shuffles each branch to pixels before the sum; as shuffling only moves values,
    summing first gives the same picture.
    """

    def __init__(
        self, filters: int, kernel_sizes: tuple[int, ...] = (3, 5, 7, 9), **kwargs
    ) -> None:
        super().__init__(**kwargs)
        if not kernel_sizes or len(set(kernel_sizes)) < len(kernel_sizes):
            raise ValueError(f"AWMS needs one or more different kernel_sizes, got {kernel_sizes}.")
        self.filters = filters
        self.kernel_sizes = tuple(kernel_sizes)
        self.branches = [
            WeightNormConv2D(filters, size, dtype=self.dtype_policy, name=f"conv_{size}")
            for size in self.kernel_sizes
        ]

    def parts(self) -> list[keras.layers.Layer]:
        return list(self.branches)

    def build(self, input_shape: Shape) -> None:
        start = keras.initializers.Constant(1 / len(self.branches))
        self.alphas = [
            self.add_weight(name=f"alpha_{size}", shape=(), initializer=start, autocast=False)
            for size in self.kernel_sizes
        ]
        for branch in self.branches:
            branch.build(input_shape)

    def call(self, x: Tensor) -> Tensor:
        # All branches read the same features, so their weighted sum is one convolution with
        # the weighted sum of their kernels, the small ones padded by zeros: half the taps.
        branches = list(zip(self.alphas, self.branches, strict=True))
        kernel = sum(alpha * self._padded(branch.kernel) for alpha, branch in branches)
        bias = sum(alpha * branch.bias for alpha, branch in branches)
        return ops.cast(_convolve(x, kernel, bias, self.compute_dtype), self.variable_dtype)

    def _padded(self, kernel: Tensor) -> Tensor:
        border = (max(self.kernel_sizes) - kernel.shape[0]) // 2
        return ops.pad(kernel, [(border, border), (border, border), (0, 0), (0, 0)])

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        own = {"filters": self.filters, "kernel_sizes": self.kernel_sizes}
        return {**super().get_config(), **own}
