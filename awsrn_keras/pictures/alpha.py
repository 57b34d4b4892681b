"""Transparency: what colour invisible pixels get, and where alpha has nothing to upscale."""

import numpy as np


def fill_transparent(colours: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Colours with those of invisible pixels replaced by their surroundings.

    A network mixes neighbours, so black under full transparency would darken every edge.
    Each invisible pixel takes the mean of the visible ones in the smallest square block,
    of a power of two, that has any.

    Args:
        colours: uint8, uint16 or float32 of 0..255 (which is filled with whole numbers), RGB
            `(height, width, 3)` or grey `(height, width)`.
        visible: bool, `(height, width)`.
    """
    if visible.all() or not visible.any():
        return colours
    if colours.ndim == 2:
        return fill_transparent(colours[..., None], visible)[..., 0]
    height, width = visible.shape
    even = ((0, height % 2), (0, width % 2))
    counts = _block_sums(np.pad(visible, even).astype(np.uint32))
    sums = _block_sums(np.pad(colours * visible[..., None], (*even, (0, 0))).astype(np.uint32))
    means = (sums + counts[..., None] // 2) // np.maximum(counts, 1)[..., None]
    coarse = fill_transparent(means.astype(colours.dtype), counts > 0)
    blocks = coarse.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    return np.where(visible[..., None], colours, blocks)


def _block_sums(values: np.ndarray) -> np.ndarray:
    """Sums over blocks of 2x2."""
    rows = values[::2] + values[1::2]
    return rows[:, ::2] + rows[:, 1::2]


def constant_around(values: np.ndarray, radius: int) -> np.ndarray:
    """Where all values within `radius` rows and columns, those of the picture, are equal.

    Args:
        values: `(height, width)`.
        radius: At least 0.

    Returns:
        bool, `(height, width)`.
    """
    least = most = np.pad(values, radius, mode="edge")
    for _ in ("rows", "columns"):
        reach = 1  # how many rows the minimum and the maximum of each row are of
        while reach < 2 * radius + 1:
            step = min(reach, 2 * radius + 1 - reach)
            least = np.minimum(least[:-step], least[step:])
            most = np.maximum(most[:-step], most[step:])
            reach += step
        least, most = least.T, most.T
    return least == most
