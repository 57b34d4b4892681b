"""The engine that upscales with LiteRT, without Keras or TensorFlow."""

import threading
from pathlib import Path

import numpy as np

from ..command_line import cpu_cores
from ..errors import InputError, damaged_file
from ..network.presets import WEIGHTS, preset_path, presets
from ..network.variants import VARIANTS, Variant
from .engine import fitting_pixels
from .litert_model import LiteRTModel, import_litert

# A 12-megapixel photograph stays below 900 MB.
WINDOW_BYTES = 2**29


class LiteRTEngine:
    """A preset that upscales windows; the `Engine` that LiteRT runs.

    Several threads may share one; a window uses all processor cores, so they take turns.

    Args:
        preset: Name of a preset that comes with a `.tflite` file of this precision.
        precision: "float", or "int8" for the 8-bit network, which takes and gives uint8.
        threads: Processor threads; None is as many as there are cores.

    Raises:
        InputError: There is no such preset or no such file of it, the file is damaged or of
            another network, or LiteRT is missing.
    """

    def __init__(self, preset: str, precision: str = "float", threads: int | None = None) -> None:
        path = tflite_path(preset, precision)
        card = presets()[preset]
        variant = VARIANTS[card["variant"]]
        self.dtype = np.dtype("uint8" if precision == "int8" else "float32")
        self.scale = card["scale"]
        self.margin = variant.receptive_field()
        pixel_bytes = variant.pixel_bytes(self.scale) * self.dtype.itemsize // 4
        # XNNPACK also keeps a pointer for every input pixel that a convolution reads.
        pointers = 8 * (9 * variant.convolutions + max(variant.kernel_sizes) ** 2)
        self.window_pixels = fitting_pixels(pixel_bytes + pointers, WINDOW_BYTES)
        try:
            self._model = LiteRTModel(path, threads or cpu_cores())
        except (ValueError, RuntimeError) as error:
            raise damaged_file(path, "a LiteRT model", error) from None
        _check_weights(self._model.interpreter, path, variant, self.scale, precision)
        self._turn = threading.Lock()

    def __call__(self, window: np.ndarray) -> np.ndarray:
        with self._turn:
            return self._model(window[None])[0]


def tflite_path(preset: str, precision: str = "float") -> Path:
    """The `.tflite` file of a preset: fused, any height and width.

    Args:
        precision: "float" (float16 weights, float32 pixels) or "int8" (uint8 pixels).

    Raises:
        InputError: The preset is unknown or has none; the message lists those of its scale that
            have one.
    """
    ending = "_int8.tflite" if precision == "int8" else ".tflite"
    path = preset_path(preset).with_name(preset + ending)
    if not path.is_file():
        cards = presets()
        having = [
            name
            for name, card in cards.items()
            if card["scale"] == cards[preset]["scale"] and (WEIGHTS / (name + ending)).is_file()
        ]
        if precision == "int8":
            kind, cure = "an 8-bit", "leave out precision int8"
        else:
            kind, cure = "a LiteRT", "run it with Keras"
        others = f"choose one of {', '.join(having)}, or " if having else ""
        raise InputError(f"{preset} comes without {kind} file: {others}{cure}.")
    return path


def _check_weights(interpreter, path: Path, variant: Variant, scale: int, precision: str) -> None:
    """Raise an `InputError` unless the kernels are those of this network, and numbers."""
    stored = np.int8 if precision == "int8" else np.float16
    constants = [t for t in interpreter.get_tensor_details() if t["dtype"] == stored]
    kernels = [tuple(t["shape"].tolist()) for t in constants if len(t["shape"]) == 4]
    channels, size = 3 * scale**2, max(variant.kernel_sizes)
    if precision == "int8":  # tail and skip are one convolution, see `fuse`
        ends = {(channels, size, size, variant.filters + 3), (3, 1, 1, 3)}
    else:
        ends = {(channels, size, size, variant.filters), (channels, 3, 3, 3)}
    kernels = [kernel for kernel in kernels if kernel[0] != 1]
    expected = variant.convolutions + 1
    if len(kernels) != expected or not {(variant.filters, 3, 3, 3), *ends} <= set(kernels):
        raise InputError(f"{path}: holds the weights of another network; install the package anew.")
    if precision == "int8":
        return
    for tensor in constants:
        if not np.isfinite(interpreter.get_tensor(tensor["index"])).all():
            raise InputError(f"{path}: {tensor['name']} holds NaN or infinity.")


def device_line() -> str:
    """E.g. "Computing on CPU (2 cores), LiteRT 2.3.0"."""
    return f"Computing on CPU ({cpu_cores()} cores), LiteRT {import_litert().__version__}"
