"""Training losses: errors of the upscaled picture, RGB in grey levels 0..255.

Each function takes HR and upscaled pictures `(batch, height, width, 3)` and gives one value
for each picture, `(batch,)`.
"""

from keras import KerasTensor as Tensor
from keras import ops

CHARBONNIER_EPSILON = 0.255  # grey levels: 1e-3 of the range


def l1(hr: Tensor, sr: Tensor) -> Tensor:
    """The mean absolute error, the paper's loss."""
    return ops.mean(ops.abs(sr - hr), axis=(1, 2, 3))


def mse(hr: Tensor, sr: Tensor) -> Tensor:
    """The mean squared error."""
    return ops.mean(ops.square(sr - hr), axis=(1, 2, 3))


def charbonnier(hr: Tensor, sr: Tensor) -> Tensor:
    """`sqrt(error^2 + epsilon^2)`: L1 that is smooth at zero."""
    return ops.mean(ops.sqrt(ops.square(sr - hr) + CHARBONNIER_EPSILON**2), axis=(1, 2, 3))


def log_mse(hr: Tensor, sr: Tensor) -> Tensor:
    """`log(1 + mse)`: but for sign and factor the picture's PSNR, which is what is scored.

    The gradient of a picture is that of its squared error divided by the squared error, so
    smooth pictures count as much as those full of detail.
    """
    return ops.log(1 + mse(hr, sr))


LOSSES = {function.__name__: function for function in (l1, mse, charbonnier, log_mse)}
