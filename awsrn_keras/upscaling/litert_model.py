"""A .tflite file as a function, run by LiteRT on the processor."""

import os
from pathlib import Path
from types import ModuleType

import numpy as np

from ..errors import InputError


class LiteRTModel:
    """Runs one picture at a time; not for several threads at once.

    Args:
        model: The file's path or its bytes.
        threads: Processor threads.

    Attributes:
        interpreter: LiteRT's.

    Raises:
        InputError: LiteRT is missing.
        ValueError, RuntimeError: LiteRT cannot load the file.
    """

    def __init__(self, model: os.PathLike | bytes, threads: int = 2) -> None:
        new_interpreter = import_litert().interpreter.Interpreter
        content = model if isinstance(model, bytes) else Path(model).read_bytes()
        self.interpreter = new_interpreter(model_content=content, num_threads=threads)
        self.interpreter.allocate_tensors()
        self._input = self.interpreter.get_input_details()[0]
        self._output = self.interpreter.get_output_details()[0]
        self._shape = tuple(self._input["shape"])

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Upscale `(1, height, width, 3)`, 0..255; the input is resized to it if need be."""
        if picture.shape != self._shape:
            self.interpreter.resize_tensor_input(self._input["index"], picture.shape)
            self.interpreter.allocate_tensors()
            self._shape = picture.shape
        pixels = picture.astype(self._input["dtype"], copy=False)
        self.interpreter.set_tensor(self._input["index"], pixels)
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self._output["index"])


def import_litert() -> ModuleType:
    """The package `ai_edge_litert` with its interpreter."""
    try:
        import ai_edge_litert
        import ai_edge_litert.interpreter
    except ImportError as error:
        raise InputError(
            f"LiteRT cannot be imported ({error}): pip install ai-edge-litert."
        ) from None
    return ai_edge_litert
