"""Whole pictures through a network of limited memory: windows without seams, alpha, 16 bits.

Only numpy is needed. The network is any `Engine`, so the Keras and the LiteRT engine share
this code.
"""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from .errors import InputError

WIDEST = 560  # pixels of a window
_LANES = 8  # convolutions are about 5 % faster on sides that are multiples of this


class Engine(Protocol):
    """A network that upscales one window.

    Called with RGB `(height, width, 3)`, float32, 0..255, it returns
    `(scale * height, scale * width, 3)` in the same range, not clipped.

    Attributes:
        scale: Magnification.
        margin: Radius in input pixels within which others change an output pixel.
        window_pixels: Pixels of the largest window that fits in memory, see `fitting_pixels`.
    """

    scale: int
    margin: int
    window_pixels: int

    def __call__(self, window: np.ndarray) -> np.ndarray: ...


class Span(NamedTuple):
    """One window along one axis: it reads `start` onwards and gives pixels `begin` to `end`."""

    start: int
    begin: int
    end: int


class Windows(NamedTuple):
    """How an axis is cut: all windows have the same size."""

    size: int
    spans: tuple[Span, ...]


def upscale_with(
    engine: Engine,
    pixels: np.ndarray,
    alpha: np.ndarray | None = None,
    tile: int | None = None,
    self_ensemble: bool = False,
    progress: Callable[[int, int], None] | None = None,
    new_canvas: Callable = np.empty,
) -> tuple:
    """Upscale a picture of any size; arguments as those of `awsrn_keras.upscale`.

    Args:
        pixels: uint8 or uint16, RGB `(height, width, 3)` or grey `(height, width)`.
        alpha: `(height, width)` of the same dtype, or None.
        new_canvas: Called with shape and dtype; makes what the results are put in, block by
            block, as in `canvas[rows, columns] = block`.

    Returns:
        Canvases of pixels and alpha (None where there was none), `engine.scale` times as large.
    """
    _check(pixels, tile)
    if self_ensemble:
        engine = _SelfEnsemble(engine)
    height, width = pixels.shape[:2]
    rows, columns = cut(
        height, width, engine.margin, engine.window_pixels, tile, turned=self_ensemble
    )
    layers = [pixels] if alpha is None else [fill_transparent(pixels, alpha > 0), alpha]

    total = len(rows.spans) * len(columns.spans) * len(layers)
    done = 0
    upscaled = []
    for layer in layers:
        shape = (height * engine.scale, width * engine.scale, *layer.shape[2:])
        upscaled.append(new_canvas(shape, layer.dtype))
        for _ in _upscale_layer(engine, layer, rows, columns, upscaled[-1]):
            done += 1
            if progress:
                progress(done, total)
    return upscaled[0], upscaled[1] if len(upscaled) > 1 else None


def cut_axis(length: int, tile: int, margin: int) -> Windows:
    """Cut an axis into windows of equal size whose inner parts, `tile` long, cover it.

    A window reads `margin` more on either side. At the ends of the axis windows are
    shifted inwards instead of padded, so the network's own padding falls where it would
    if the whole axis were one window.
    """
    inner = length - 2 * margin
    if inner <= tile:
        return Windows(length, (Span(0, 0, length),))
    step = math.ceil(inner / math.ceil(inner / tile))  # windows as equal as can be
    step = min(tile, math.ceil((step + 2 * margin) / _LANES) * _LANES - 2 * margin)
    count = math.ceil(inner / step)
    size = step + 2 * margin
    spans = tuple(
        Span(
            start=min(i * step, length - size),
            begin=i * step + margin if i > 0 else 0,
            end=(i + 1) * step + margin if i < count - 1 else length,
        )
        for i in range(count)
    )
    return Windows(size, spans)


def cut(
    height: int,
    width: int,
    margin: int,
    window_pixels: int,
    tile: int | None = None,
    turned: bool = False,
) -> tuple[Windows, Windows]:
    """Windows along height and width.

    Convolution libraries choose the order of their sums by the width of what they are given,
    and another order may round a pixel otherwise. So the width of the windows follows from
    that of the picture alone, and only their height from `tile` or from memory.

    Args:
        margin: Of the engine.
        window_pixels: Of the engine; a window has no more unless it gets too flat.
        tile: Rows that each window adds to the result; None goes by `window_pixels`.
        turned: The engine also turns windows on their side, so that heights become widths:
            they too follow from the picture alone then.
    """
    columns = cut_axis(width, WIDEST - 2 * margin, margin)
    if turned:
        tile = WIDEST - 2 * margin
    elif tile is None:
        tile = max(window_pixels // columns.size - 2 * margin, margin, 1)
    return cut_axis(height, tile, margin), columns


def fitting_pixels(pixel_bytes: int, budget: int) -> int:
    """Pixels of a window whose network needs `budget` bytes, less where the machine lacks them.

    Args:
        pixel_bytes: Memory that the network works in, for each pixel.
        budget: Bytes to use where a third of the available memory is more than that.
    """
    available = _available_memory()
    if available is not None:
        budget = min(budget, available // 3)
    return budget // pixel_bytes


def fill_transparent(colours: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Colours with those of invisible pixels replaced by their surroundings.

    A network mixes neighbours, so black under full transparency would darken every edge.
    Each invisible pixel takes the mean of the visible ones in the smallest square block,
    of a power of two, that has any.

    Args:
        colours: uint8 or uint16, RGB `(height, width, 3)` or grey `(height, width)`.
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


def _block_sums(values):
    """Sums over blocks of 2x2."""
    rows = values[::2] + values[1::2]
    return rows[:, ::2] + rows[:, 1::2]


class _SelfEnsemble:
    """An engine's mean over the eight flips and rotations of the window."""

    def __init__(self, engine: Engine):
        self.engine = engine
        self.scale, self.margin, self.window_pixels = (
            engine.scale,
            engine.margin,
            engine.window_pixels,
        )

    def __call__(self, window):
        total = 0
        for quarter_turns in range(4):
            for flip in (False, True):
                turned = np.rot90(window, quarter_turns)
                turned = turned[:, ::-1] if flip else turned
                upscaled = self.engine(np.ascontiguousarray(turned))
                upscaled = upscaled[:, ::-1] if flip else upscaled
                total = total + np.rot90(upscaled, -quarter_turns)
        return total / 8


def _check(image, tile):
    if image.dtype not in (np.uint8, np.uint16):
        raise InputError(f"upscale takes uint8 or uint16 pixels, got {image.dtype}.")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise InputError(
            "upscale takes (height, width), (height, width, 3) or (height, width, 4), "
            f"got shape {image.shape}."
        )
    if 0 in image.shape:
        raise InputError(f"upscale needs at least one pixel, got shape {image.shape}.")
    if tile is not None and tile < 1:
        raise InputError(f"The tile must be at least 1 pixel, got {tile}.")


def _upscale_layer(engine, layer, rows, columns, canvas) -> Iterator[None]:
    """Fill the canvas window by window; yields after each."""
    unit = 257 if layer.dtype == np.uint16 else 1
    for row in rows.spans:
        for column in columns.spans:
            window = layer[row.start : row.start + rows.size, column.start :][:, : columns.size]
            window = window.astype(np.float32)
            if window.ndim == 2:
                window = np.repeat(window[..., None], 3, axis=2)
            upscaled = engine(window / np.float32(unit))
            top, left = row.start * engine.scale, column.start * engine.scale
            y = slice(row.begin * engine.scale, row.end * engine.scale)
            x = slice(column.begin * engine.scale, column.end * engine.scale)
            block = upscaled[y.start - top : y.stop - top, x.start - left : x.stop - left]
            if layer.ndim == 2:
                block = block.mean(axis=2)
            block = np.rint(np.clip(block * np.float32(unit), 0, 255 * unit))
            canvas[y, x] = block.astype(layer.dtype)
            yield


def _available_memory() -> int | None:
    """Bytes that can be used without swapping; None where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None
