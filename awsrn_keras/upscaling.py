"""Upscaling pictures that are already in memory, of any size, on any Keras backend."""

import os
import threading
from collections.abc import Callable

import keras
import numpy as np

from .fusion import fuse
from .model import AWSRN, receptive_field
from .pretrained import load_model
from .tiles import Engine, fitting_pixels, upscale_with
from .variants import VARIANTS

# With some 750 MB for TensorFlow, a 12-megapixel photograph stays below 1.5 GB.
WINDOW_BYTES = 480 * 2**20


class KerasEngine:
    """A network that upscales windows, fused; the `Engine` of tiles.py that Keras runs.

    Several threads may share one; a window uses all processor cores, so they take turns.

    Args:
        model: An `AWSRN`, or whatever `load_model` takes: a preset name or a file. A model
            that is trained further needs a new engine.
    """

    def __init__(self, model: AWSRN | str | os.PathLike):
        if not isinstance(model, AWSRN):
            model = load_model(model)
        self.scale = model.scale
        self.margin = receptive_field(model)
        pixel_bytes = VARIANTS[model.variant].pixel_bytes(model.scale)
        self.window_pixels = fitting_pixels(pixel_bytes, WINDOW_BYTES)
        self._network = fuse(model)
        # XLA compiles anew for every window shape, which TensorFlow itself need not.
        self._network.compile(jit_compile=keras.backend.backend() == "jax")
        # oneDNN's convolution merged with a sum is not safe in several threads (TensorFlow 2.21).
        self._turn = threading.Lock()

    def __call__(self, window: np.ndarray) -> np.ndarray:
        with self._turn:
            return self._network.predict_on_batch(window[None])[0]


def upscale(
    image: np.ndarray,
    model: AWSRN | str | os.PathLike | Engine = "awsrn_sd_x2",
    tile: int | None = None,
    self_ensemble: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """Upscale a picture by the scale of the model, in windows that leave no seams.

    The result does not depend on `tile`: each window reads all pixels that its part of the
    result depends on, and the zero padding at the borders stays where it is without tiles.
    To the last bit it can only be so where the runtime adds up alike in windows of different
    heights: TensorFlow on a processor does. Their width follows from the picture alone.

    Args:
        image: uint8 or uint16, RGB `(height, width, 3)`, grey `(height, width)` or RGB with
            alpha `(height, width, 4)`. Alpha is upscaled too; colours of fully transparent
            pixels are replaced by those around, so that none bleeds into visible edges.
        model: An `AWSRN`, a preset name, a model file, or, for many pictures, an engine
            made once: `KerasEngine(model)`.
        tile: Rows of input pixels that each window adds to the result; windows are larger by
            `receptive_field` on every side and up to 560 pixels wide. None chooses windows
            that need about half a gigabyte, less where the machine has little to spare. With
            `self_ensemble` it is not used.
        self_ensemble: Average over the eight flips and rotations: slightly better, eight
            times as slow.
        progress: Called with the windows done and their number after each.

    Returns:
        The picture, `scale` times as high and wide, in the same dtype and channels. uint16
        values are those of the network times 257.

    Raises:
        InputError: The image has another dtype or shape, or there is no such model.
    """
    if isinstance(model, AWSRN | str | os.PathLike):
        model = KerasEngine(model)
    image, alpha = np.asarray(image), None
    if image.ndim == 3 and image.shape[2] == 4:
        image, alpha = image[..., :3], image[..., 3]
    pixels, alpha = upscale_with(model, image, alpha, tile, self_ensemble, progress)
    return pixels if alpha is None else np.dstack([pixels, alpha])
