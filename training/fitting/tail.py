"""Solving for the tail of a network whose body is trained already.

From the body's features to the pixels everything is linear: an output channel of an LR pixel
sees a window of features, 3x3 pixels of the picture and a constant. The best weights for
given features are those of a linear regression, found in less than a minute;
docs/lab/experiments.md says what that is worth.
"""

from collections.abc import Iterable, Iterator

import keras
import numpy as np

from awsrn_keras.network.layers import AWMS
from awsrn_keras.network.model import AWSRN, HALF_RANGE, RGB_MEAN
from training.warm_start import set_convolution

LR_PIXELS = 300_000  # a hundred for each weight of a channel: neighbours are much alike
RIDGE = 0.02  # penalty on squared weights, in units of the inputs' mean square
BLOCK = 4096  # LR pixels worked on at a time, for memory


def solve_tail(model: AWSRN, batches: Iterable) -> None:
    """Give tail and skip the weights of the smallest squared error for the body's features.

    Args:
        model: Its head and blocks are trained.
        batches: `(lr, hr)`, RGB 0..255 `(batch, height, width, 3)`; as many are drawn as hold
            `LR_PIXELS`.
    """
    tail, skip = model.get_layer("awms"), model.get_layer("skip")
    body = keras.Model(model.input, [tail.input, skip.input])
    side, channels = max(tail.kernel_sizes), tail.filters
    products, targets, seen = np.zeros(()), np.zeros(()), 0
    for lr, hr in batches:
        features, pictures = map(keras.ops.convert_to_numpy, body(np.asarray(lr)))
        wanted = keras.ops.space_to_depth((np.asarray(hr) - RGB_MEAN) / HALF_RANGE, model.scale)
        wanted = keras.ops.convert_to_numpy(wanted)
        for inputs, outputs in _blocks(_windows(features, side), _windows(pictures, 3), wanted):
            products = products + inputs.T @ inputs
            targets = targets + inputs.T @ outputs
            seen += len(inputs)
        if seen >= LR_PIXELS:
            break
    products = products.astype("float64")
    penalty = RIDGE * np.trace(products) / len(products) * np.eye(len(products))
    solution = np.linalg.solve(products + penalty, targets)
    kernel, skip_kernel, bias = np.split(solution, [-28, -1])
    _share_out(tail, kernel.reshape(side, side, -1, channels))
    set_convolution(skip, skip_kernel.reshape(3, 3, 3, channels), bias[0])


def _windows(x: np.ndarray, side: int) -> np.ndarray:
    """A view `(batch, height, width, side, side, channels)`, with zeros beyond the border."""
    x = np.pad(x, [(0, 0), (side // 2, side // 2), (side // 2, side // 2), (0, 0)])
    return np.moveaxis(np.lib.stride_tricks.sliding_window_view(x, (side, side), (1, 2)), 3, 5)


def _blocks(
    features: np.ndarray, pictures: np.ndarray, wanted: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of the regression, `BLOCK` or so at a time: inputs and wanted outputs, float32."""
    lines = max(1, BLOCK // wanted.shape[2])
    for image in range(len(wanted)):
        for top in range(0, wanted.shape[1], lines):
            part = (image, slice(top, top + lines))
            outputs = wanted[part].reshape(-1, wanted.shape[-1])
            count = len(outputs)
            windows = [features[part].reshape(count, -1), pictures[part].reshape(count, -1)]
            inputs = np.hstack([*windows, np.ones((count, 1))])
            yield inputs.astype("float32"), outputs.astype("float32")


def _share_out(tail: AWMS, kernel: np.ndarray) -> None:
    """Make the branches add up to `kernel`; each tap is shared by those that reach it."""
    borders = [(len(kernel) - size) // 2 for size in tail.kernel_sizes]
    inner = [slice(border, len(kernel) - border) for border in borders]
    reached_by = np.zeros((*kernel.shape[:2], 1, 1))
    for part in inner:
        reached_by[part, part] += 1
    for part, alpha, branch in zip(inner, tail.alphas, tail.branches, strict=True):
        own = (kernel / reached_by)[part, part] / keras.ops.convert_to_numpy(alpha)
        set_convolution(branch, own, np.zeros(tail.filters))
