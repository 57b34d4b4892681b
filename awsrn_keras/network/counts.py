"""What can be counted on a network: learned scalars, multiply-adds, receptive field."""

import math

import keras
from keras import ops

from .model import AWSRN
from .variants import VARIANTS


def branch_weights(model: AWSRN) -> dict[str, float]:
    """Learned lambdas and alphas by name, e.g. `"lfb_1/awru_2/lambda_x": 1.03`."""
    return {
        variable.path.removeprefix(f"{model.name}/"): float(ops.convert_to_numpy(variable))
        for variable in model.trainable_variables
        if variable.name.startswith(("lambda_", "alpha_"))
    }


def multiply_adds(model: keras.Model, output_size: tuple[int, int] = (720, 1280)) -> float:
    """Multiply-adds of all convolutions for one image, as the paper counts them.

    Args:
        model: An `AWSRN` or its fused graph: every convolution runs at input resolution.
        output_size: Height and width of the upscaled image, pixels; the number of input
            pixels is their product / scale**2, not rounded.
    """
    scale = model.compute_output_shape((1, 8, 8, 3))[1] // 8
    kernels = (v.shape for v in model.variables if len(v.shape) == 4)
    return math.prod(output_size) / scale**2 * sum(map(math.prod, kernels))


def receptive_field(model: AWSRN) -> int:
    """Radius in input pixels: how far an output pixel's value depends on its surroundings."""
    return VARIANTS[model.variant].receptive_field(model.kernel_sizes)
