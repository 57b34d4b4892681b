"""The engine that upscales with Keras, on any backend."""

import contextlib
import logging
import os
import threading
from collections.abc import Iterator

import keras
import numpy as np

from ..errors import InputError
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

    Raises:
        InputError: `model` is another Keras model, such as a fused one, or no MODEL at all.
    """

    dtype = np.dtype("float32")

    def __init__(self, model: AWSRN | str | os.PathLike) -> None:
        if isinstance(model, keras.Model) and not isinstance(model, AWSRN):
            raise InputError(
                f"{type(model).__name__} {model.name!r} is not an AWSRN: pass the AWSRN itself, "
                "which is fused here, or a copy made by AWSRN.from_config(model.get_config())."
            )
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
        with self._turn, _without_retracing_warnings():
            return self._network.predict_on_batch(window[None])[0]


@contextlib.contextmanager
def _without_retracing_warnings() -> Iterator[None]:
    """TensorFlow takes the functions of several engines for one that is compiled too often."""
    logger = logging.getLogger("tensorflow")
    logger.addFilter(_is_no_retracing_warning)
    try:
        yield
    finally:
        logger.removeFilter(_is_no_retracing_warning)


def _is_no_retracing_warning(record: logging.LogRecord) -> bool:
    return "tf.function retracing" not in str(record.msg)
