"""A .tflite file as a function, run by LiteRT."""

from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from awsrn_keras.command_line import messages_kept_back


class LiteRTModel:
    """Runs one picture at a time on the processor.

    Args:
        model: The file's path or its bytes.
        threads: Processor threads.
    """

    def __init__(self, model: Path | bytes, threads: int = 2):
        content = model if isinstance(model, bytes) else Path(model).read_bytes()
        with messages_kept_back():
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]
        self._shape = tuple(self._input["shape"])

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """Upscale `(1, height, width, 3)`, 0..255; the input is resized to it if need be."""
        if picture.shape != self._shape:
            with messages_kept_back():
                self._interpreter.resize_tensor_input(self._input["index"], picture.shape)
                self._interpreter.allocate_tensors()
            self._shape = picture.shape
        self._interpreter.set_tensor(self._input["index"], picture.astype(self._input["dtype"]))
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output["index"])
