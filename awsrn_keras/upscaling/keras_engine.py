"""The engine that upscales with Keras, on any backend."""

import os
import threading

import keras
import numpy as np

from ..network.counts import receptive_field
from ..network.fusion import fuse
from ..network.loading import load_model
from ..network.model import AWSRN
from ..network.variants import VARIANTS
from .engine import fitting_pixels

# With some 750 MB for TensorFlow, a 12-megapixel photograph stays below 1.5 GB.
WINDOW_BYTES = 480 * 2**20


class KerasEngine:
    """A network that upscales windows, fused; the `Engine` that Keras runs.

    Several threads may share one; a window uses all processor cores, so they take turns.

    Args:
        model: An `AWSRN`, or whatever `load_model` takes: a preset name or a file. A model
            that is trained further needs a new engine.
    """

    dtype = np.dtype("float32")

    def __init__(self, model: AWSRN | str | os.PathLike) -> None:
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
