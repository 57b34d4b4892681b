"""Upscaling pictures that are already in memory, of any size.

Only NumPy is needed here. The network is any `Engine`; Keras is loaded where a model is given
instead of an engine.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from ..network.presets import default_preset
from ..pictures.alpha import constant_around, fill_transparent
from .engine import Engine
from .engines import make_engine
from .tiling import cut

if TYPE_CHECKING:
    from ..network.model import AWSRN


def upscale(
    image: np.ndarray,
    model: AWSRN | str | os.PathLike | Engine | None = None,
    tile: int | None = None,
    self_ensemble: bool = False,
    progress: Callable[[int, int], None] | None = None,
    engine: str = "auto",
    precision: str = "float",
    scale: int | None = None,
) -> np.ndarray:
    """Upscale a picture or a batch by the scale of the model, in windows that leave no seams.

    The result does not depend on `tile`: each window reads all pixels that its part of the
    result depends on, and zeros are padded at the borders of the picture only. It is the same to
    the bit if the runtime sums in the same order in windows of different heights, as TensorFlow
    does on a CPU. The width of windows follows from the picture alone.

    Args:
        image: uint8, uint16 or float32 of 0..255, RGB `(height, width, 3)`, grey
            `(height, width)` or RGB with alpha `(height, width, 4)`; or a batch of pictures of
            one size, `(batch, height, width, 3)` or `(batch, height, width, 4)`. Alpha is
            upscaled too, but kept where it is constant within the receptive field; colours of
            fully transparent pixels are replaced by those around, so that none bleeds into
            visible edges.
        model: An `AWSRN`, a preset name, a model file, or, for many pictures, an engine
            made once: `make_engine(model)`. None is `default_preset(scale)`, awsrn_sd_x2
            without a scale.
        tile: Rows of input pixels that each window adds to the result; windows are larger by
            `receptive_field` on every side and up to 560 pixels wide. None chooses windows
            that need about half a gigabyte, or less if little memory is free. It is not used with
            `self_ensemble`.
        self_ensemble: Average over the eight flips and rotations: slightly better, eight
            times as slow.
        progress: Called with the windows done and their number after each, for each picture.
        engine: "litert", "keras", or "auto", see `choose_engine`.
        precision: "int8" runs the 8-bit network of a preset: three to four times as fast, for
            uint8 pictures only.
        scale: Magnification; chooses the preset without a model, else it must be the model's.

    Returns:
        The picture, `scale` times as high and wide, in the same dtype and channels. uint16
        values are those of the network times 257; float32 is clipped to 0..255, not rounded.

    Raises:
        InputError: The image has another dtype, shape or range, there is no such model, or it
            has another scale.
    """
    if model is None:
        model = default_preset(2 if scale is None else scale)
    runner = model if isinstance(model, Engine) else make_engine(model, engine, precision)
    if scale not in (None, runner.scale):
        raise InputError(f"The model is x{runner.scale}, not x{scale}: leave out one of them.")
    image = np.asarray(image)
    if image.ndim == 4 and len(image):
        return np.stack([_upscaled(runner, one, tile, self_ensemble, progress) for one in image])
    return _upscaled(runner, image, tile, self_ensemble, progress)


def _upscaled(
    engine: Engine,
    image: np.ndarray,
    tile: int | None,
    self_ensemble: bool,
    progress: Callable[[int, int], None] | None,
) -> np.ndarray:
    alpha = None
    if image.ndim == 3 and image.shape[2] == 4:
        image, alpha = image[..., :3], image[..., 3]
    pixels, alpha = upscale_with(engine, image, alpha, tile, self_ensemble, progress)
    return pixels if alpha is None else np.dstack([pixels, alpha])


def upscale_with(
    engine: Engine,
    pixels: np.ndarray,
    alpha: np.ndarray | None = None,
    tile: int | None = None,
    self_ensemble: bool = False,
    progress: Callable[[int, int], None] | None = None,
    new_canvas: Callable = np.empty,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Upscale a picture of any size; arguments as those of `awsrn_keras.upscale`.

    Args:
        pixels: uint8, uint16 or float32 of 0..255, RGB `(height, width, 3)` or grey
            `(height, width)`.
        alpha: `(height, width)` of the same dtype, or None.
        new_canvas: Called with shape and dtype; makes what the results are put in, block by
            block, as in `canvas[rows, columns] = block`.

    Returns:
        Canvases of pixels and alpha (None where there was none), `engine.scale` times as large.
    """
    _check(pixels, tile)
    if pixels.dtype != np.uint8 and engine.dtype == np.uint8:
        raise InputError(f"An 8-bit network takes uint8 pixels only, got {pixels.dtype}.")
    if self_ensemble:
        engine = SelfEnsemble(engine)
    height, width = pixels.shape[:2]
    rows, columns = cut(
        height, width, engine.margin, engine.window_pixels, tile, turned=self_ensemble
    )
    layers = [pixels] if alpha is None else [fill_transparent(pixels, alpha > 0), alpha]

    scale = engine.scale
    canvases = [
        new_canvas((height * scale, width * scale, *layer.shape[2:]), layer.dtype)
        for layer in layers
    ]
    steps = list(itertools.product(zip(layers, canvases, strict=True), rows.spans, columns.spans))
    for done, ((layer, canvas), row, column) in enumerate(steps, 1):
        window = layer[row.start : row.start + rows.size, column.start :][:, : columns.size]
        own = (  # the part of the window that is no margin
            slice(row.begin - row.start, row.end - row.start),
            slice(column.begin - column.start, column.end - column.start),
        )
        block = _upscale_block(engine, window, own, keep_constant=layer is alpha)
        y, x = slice(row.begin, row.end), slice(column.begin, column.end)
        canvas[_times(y, scale), _times(x, scale)] = block
        if progress:
            progress(done, len(steps))
    return canvases[0], None if alpha is None else canvases[1]


class SelfEnsemble:
    """An engine's mean over the eight flips and rotations of the window, in float32."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.dtype, self.scale = engine.dtype, engine.scale
        self.margin, self.window_pixels = engine.margin, engine.window_pixels

    def __call__(self, window: np.ndarray) -> np.ndarray:
        total = np.zeros(1, np.float32)
        for quarter_turns in range(4):
            turned = np.rot90(window, quarter_turns)
            for step in (1, -1):  # as it is, and mirrored
                upscaled = self.engine(np.ascontiguousarray(turned[:, ::step]))[:, ::step]
                total = total + np.rot90(upscaled, -quarter_turns)
        return total / 8


def _check(image: np.ndarray, tile: int | None) -> None:
    if image.dtype not in (np.uint8, np.uint16, np.float32):
        raise InputError(f"upscale takes uint8, uint16 or float32 pixels, got {image.dtype}.")
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise InputError(
            "upscale takes (height, width), (height, width, 3), (height, width, 4) or a batch of "
            f"the last two, got shape {image.shape}."
        )
    if 0 in image.shape:
        raise InputError(f"upscale needs at least one pixel, got shape {image.shape}.")
    if image.dtype == np.float32:
        least, most = image.min(), image.max()
        if not (least >= 0 and most <= 255) or 0 < most <= 1:  # NaN is not in it either
            raise InputError(
                f"upscale takes float32 pixels of 0..255, got {least:.4g}..{most:.4g}: scale or "
                "clip them."
            )
    if tile is not None and tile < 1:
        raise InputError(f"The tile must be at least 1 pixel, got {tile}.")


def _upscale_block(
    engine: Engine, window: np.ndarray, own: tuple[slice, slice], keep_constant: bool
) -> np.ndarray:
    """The part `own` of a window upscaled; where it is constant around it stays so, if it shall."""
    scale = engine.scale
    same = constant_around(window, engine.margin)[own] if keep_constant else None
    if same is not None and same.all():
        return _enlarged(window[own], scale)
    block = _upscale_window(engine, window)[_times(own[0], scale), _times(own[1], scale)]
    if same is None:
        return block
    return np.where(_enlarged(same, scale), _enlarged(window[own], scale), block)


def _upscale_window(engine: Engine, window: np.ndarray) -> np.ndarray:
    unit = np.float32(257 if window.dtype == np.uint16 else 1)
    colours = window if window.ndim == 3 else np.repeat(window[..., None], 3, axis=2)
    if engine.dtype == np.float32:
        colours = colours.astype(np.float32) / unit
    upscaled = engine(np.ascontiguousarray(colours))
    if window.ndim == 2:
        upscaled = upscaled.mean(axis=2, dtype=np.float32)
    if window.dtype == np.float32:
        return np.clip(upscaled, 0, 255)
    if upscaled.dtype != window.dtype:
        upscaled = np.rint(np.clip(upscaled * unit, 0, 255 * unit)).astype(window.dtype)
    return upscaled


def _times(side: slice, scale: int) -> slice:
    return slice(side.start * scale, side.stop * scale)


def _enlarged(values: np.ndarray, scale: int) -> np.ndarray:
    return values.repeat(scale, axis=0).repeat(scale, axis=1)
