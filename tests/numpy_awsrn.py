"""AWSRN in NumPy, straight from the paper's formulas: the oracle of layer and model tests.

Weights are dictionaries of official names (`network.loading.official_weights`), so kernels are
(output, input, row, column) and pixels are shuffled from (colour, row, column).
"""

import numpy as np


def convolve(x, weights, name):
    """`g * v / ||v||` applied to `x` (height, width, channels) with zero padding, plus bias."""
    v = weights[f"{name}.weight_v"].astype("float64")
    norm = np.sqrt((v**2).sum(axis=(1, 2, 3), keepdims=True))
    kernel = weights[f"{name}.weight_g"] * v / norm
    radius = v.shape[2] // 2
    padded = np.pad(x, ((radius, radius), (radius, radius), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, v.shape[2:], axis=(0, 1))
    return np.einsum("hwirc,oirc->hwo", windows, kernel, optimize=True) + weights[f"{name}.bias"]


def adaptive_sum(residual, x, weights, name):
    dot = f"{name}." if name else ""
    return weights[f"{dot}res_scale.scale"] * residual + weights[f"{dot}x_scale.scale"] * x


def awru(x, weights, name):
    hidden = np.maximum(convolve(x, weights, f"{name}.body.0"), 0)
    return adaptive_sum(convolve(hidden, weights, f"{name}.body.2"), x, weights, name)


def lfb(x, weights, name, units):
    outputs = [x]
    for unit in range(units):
        outputs.append(awru(outputs[-1], weights, f"{name}.b{unit}"))
    fused = convolve(np.concatenate(outputs[1:], axis=-1), weights, f"{name}.reduction")
    return adaptive_sum(fused, x, weights, name)


def awms(x, weights, kernel_sizes=(3, 5, 7, 9)):
    return sum(
        weights[f"tail.scale_k{k}.scale"] * convolve(x, weights, f"tail.tail_k{k}")
        for k in kernel_sizes
    )


def pixel_shuffle(x, scale):
    height, width, _ = x.shape
    blocks = x.reshape(height, width, 3, scale, scale)
    return blocks.transpose(0, 3, 1, 4, 2).reshape(height * scale, width * scale, 3)


def upscale(image, weights, scale, blocks, units, kernel_sizes=(3, 5, 7, 9)):
    """The whole network on one image (height, width, 3), 0..255."""
    mean = 255 * np.array([0.4488, 0.4371, 0.4040])
    x = (image - mean) / 127.5
    features = convolve(x, weights, "head.0")
    for block in range(blocks):
        features = lfb(features, weights, f"body.{block}", units)
    pixels = pixel_shuffle(awms(features, weights, kernel_sizes), scale)
    pixels = pixels + pixel_shuffle(convolve(x, weights, "skip.0"), scale)
    return pixels * 127.5 + mean
