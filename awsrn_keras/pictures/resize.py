"""MATLAB's `imresize(image, ..., "bicubic")`, the resampling behind every published figure.

Resampling a side is a product with a matrix that has a narrow band of non-zeros. The picture
is done in tiles, each with the blocks of both matrices that it needs: small products that
stay in cache, and little memory beyond input and output however large the photograph.
"""

import math
from typing import NamedTuple

import numpy as np

_BLOCK = 64  # sides of a tile of the larger of input and output; its matrices stay in cache


class _Block(NamedTuple):
    """Output `[start, stop)` is `matrix @ input[first:last]`."""

    start: int
    stop: int
    first: int
    last: int
    matrix: np.ndarray


def imresize(
    image: np.ndarray,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Bicubic resampling, value for value MATLAB's.

    Keys' cubic with a = -0.5, stretched by 1 / factor when shrinking (antialiasing), borders
    replicated. The dimension with the smaller factor is resampled first, rows first when
    equal. Integer images are rounded, half up, and clipped after each of the two passes;
    floating-point images are neither rounded nor clipped.

    Args:
        image: `(height, width)` or `(height, width, channels)`; uint8, uint16 or floating
            point of any range.
        scale: Factor for both sides; the new sides are `ceil(scale * side)`.
        size: New height and width instead of `scale`, pixels.

    Returns:
        The resampled image, in the dtype of `image`.

    Raises:
        ValueError: Not exactly one of `scale` and `size` is given, either is not positive,
            or `image` is empty or has another rank or dtype.

    Source: MATLAB's imresize as it made the benchmark images; newer releases mirror the image
    at its borders instead, which changes values within three pixels of them.
    """
    image = np.asarray(image)
    _check_image(image)
    factors, size = _factors_and_size(image.shape[:2], scale, size)
    result = np.empty((*size, *image.shape[2:]), image.dtype)
    source, target = _planes(image), _planes(result)
    if factors[1] < factors[0]:
        factors = factors[::-1]
        source, target = source.swapaxes(1, 2), target.swapaxes(1, 2)
    _resample(source, factors, target)
    return result


def _check_image(image: np.ndarray) -> None:
    known = image.dtype in (np.uint8, np.uint16) or np.issubdtype(image.dtype, np.floating)
    if not known or image.ndim not in (2, 3) or image.size == 0:
        raise ValueError(
            "imresize needs a (height, width) or (height, width, channels) image of uint8, uint16 "
            f"or floating point, got {image.dtype} of shape {image.shape}."
        )


def _factors_and_size(
    old: tuple[int, int], scale: float | None, size: tuple[int, int] | None
) -> tuple[tuple[float, float], tuple[int, int]]:
    if scale is not None and size is None:
        if not 0 < scale < math.inf:
            raise ValueError(f"imresize needs a scale above 0, got {scale}.")
        return (scale, scale), (math.ceil(scale * old[0]), math.ceil(scale * old[1]))
    if size is None or scale is not None:
        raise ValueError(f"imresize needs either scale or size, got {scale} and {size}.")
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"imresize needs a size (height, width) of at least 1, got {size}.")
    return (size[0] / old[0], size[1] / old[1]), (size[0], size[1])


def _planes(image: np.ndarray) -> np.ndarray:
    """A view `(channels, height, width)`."""
    return image[None] if image.ndim == 2 else np.moveaxis(image, 2, 0)


def _resample(source: np.ndarray, factors: tuple[float, float], target: np.ndarray) -> None:
    """Fill the planes `target` tile by tile; in each tile rows first, then columns."""
    across = _blocks(source.shape[2], target.shape[2], factors[1])
    for rows in _blocks(source.shape[1], target.shape[1], factors[0]):
        strip = source[:, rows.first : rows.last].astype(np.float64, order="C")
        for columns in across:
            tile = rows.matrix @ strip[..., columns.first : columns.last]
            tile = _rounded(tile, source.dtype) @ columns.matrix.T
            tile = _rounded(tile, source.dtype)
            target[:, rows.start : rows.stop, columns.start : columns.stop] = tile


def _rounded(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`values`, for an integer dtype rounded half up and clipped to its range in place."""
    if np.issubdtype(dtype, np.integer):
        values += 0.5
        np.floor(values, out=values)
        np.clip(values, 0, np.iinfo(dtype).max, out=values)
    return values


def _blocks(old: int, new: int, factor: float) -> list[_Block]:
    """The resampling matrix from `old` to `new` values, cut into blocks of output values."""
    index, weights = _taps(old, new, factor)
    step = max(1, int(_BLOCK * min(factor, 1)))
    blocks = []
    for start in range(0, new, step):
        stop = min(start + step, new)
        taps = index[start:stop]
        first, last = taps.min(), taps.max() + 1
        matrix = np.zeros((stop - start, last - first))
        np.add.at(matrix, (np.arange(stop - start)[:, None], taps - first), weights[start:stop])
        blocks.append(_Block(start, stop, first, last, matrix))
    return blocks


def _taps(old: int, new: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
    """For each output value the input values it mixes, and their weights; both `(new, taps)`."""
    sharpness = min(factor, 1)
    radius = 2 / sharpness
    centre = (np.arange(new) + 0.5) / factor - 0.5
    index = np.floor(centre - radius)[:, None] + np.arange(math.ceil(2 * radius) + 2)
    weights = _cubic(sharpness * (centre[:, None] - index))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.clip(index, 0, old - 1).astype(np.intp), weights


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel with a = -0.5, zero from |x| = 2 on."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
