"""The engine that upscales with LiteRT, without Keras or TensorFlow."""

import os
import threading

import numpy as np

from ..command_line import cpu_cores, messages_kept_back
from ..errors import InputError, damaged_file
from ..network.presets import WEIGHTS, preset_path, presets
from ..network.variants import VARIANTS, Variant
from .engine import fitting_pixels

# The process holds little else: no TensorFlow.
WINDOW_BYTES = 2**30


class LiteRTEngine:
    """A preset that upscales windows; the `Engine` of tiles.py that LiteRT runs.

    Several threads may share one; a window uses all processor cores, so they take turns.

    Args:
        preset: Name of a preset that comes with a `.tflite` file.

    Raises:
        InputError: There is no such preset or no such file of it, the file is damaged or of
            another network, or LiteRT is missing.
    """

    def __init__(self, preset: str):
        path = tflite_path(preset)
        interpreter = _import_litert().interpreter.Interpreter
        card = presets()[preset]
        variant = VARIANTS[card["variant"]]
        self.scale = card["scale"]
        self.margin = variant.receptive_field()
        # XNNPACK also keeps a pointer for every input pixel that a convolution reads.
        pointers = 8 * (9 * variant.convolutions + 81)
        self.window_pixels = fitting_pixels(
            variant.pixel_bytes(self.scale) + pointers, WINDOW_BYTES
        )
        try:
            with messages_kept_back():  # LiteRT tells that it uses XNNPACK
                self._interpreter = interpreter(str(path), num_threads=cpu_cores())
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise damaged_file(path, "a LiteRT model", error) from None
        _check_weights(self._interpreter, path, variant, self.scale)
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._shape = None
        self._turn = threading.Lock()

    def __call__(self, window: np.ndarray) -> np.ndarray:
        with self._turn:
            if window.shape != self._shape:
                self._interpreter.resize_tensor_input(self._input, (1, *window.shape))
                self._interpreter.allocate_tensors()
                self._shape = window.shape
            self._interpreter.set_tensor(self._input, window[None])
            self._interpreter.invoke()
            return self._interpreter.get_tensor(self._output)[0]


def tflite_path(preset: str) -> os.PathLike:
    """The `.tflite` file of a preset: fused, float16 weights, any height and width.

    Raises:
        InputError: The preset is unknown or has none; the message lists those that have one.
    """
    path = preset_path(preset).with_suffix(".tflite")
    if not path.is_file():
        having = ", ".join(sorted(file.stem for file in WEIGHTS.glob("*.tflite")))
        raise InputError(f"{preset} has no file for LiteRT, only {having}: run it with Keras.")
    return path


def _check_weights(interpreter, path: os.PathLike, variant: Variant, scale: int) -> None:
    """Raise an `InputError` unless the float16 kernels are those of this network, and numbers."""
    constants = [t for t in interpreter.get_tensor_details() if t["dtype"] == np.float16]
    kernels = [tuple(t["shape"].tolist()) for t in constants if len(t["shape"]) == 4]
    channels = 3 * scale**2
    ends = {(variant.filters, 3, 3, 3), (channels, 9, 9, variant.filters), (channels, 3, 3, 3)}
    if len(kernels) != variant.convolutions + 1 or not ends <= set(kernels):
        raise InputError(f"{path}: holds the weights of another network; install the package anew.")
    for tensor in constants:
        if not np.isfinite(interpreter.get_tensor(tensor["index"])).all():
            raise InputError(f"{path}: {tensor['name']} holds NaN or infinity.")


def device_line() -> str:
    """E.g. "Computing on CPU (2 cores), LiteRT 2.3.0"."""
    return f"Computing on CPU ({cpu_cores()} cores), LiteRT {_import_litert().__version__}"


def _import_litert():
    try:
        import ai_edge_litert
        import ai_edge_litert.interpreter
    except ImportError as error:
        raise InputError(
            f"LiteRT cannot be imported ({error}): pip install 'awsrn-keras[litert]'."
        ) from None
    return ai_edge_litert
