"""Any .tflite file that enlarges RGB pictures as an upscaler, and what can be counted on it."""

import itertools
import math
from pathlib import Path

import numpy as np

from awsrn_keras.scoring.score import bicubic
from awsrn_keras.upscaling.litert_model import LiteRTModel, import_litert
from export.measure.windows import Spans, cut_windows, join_windows
from export.tflite.flatbuffer import operator_names, read_model

Range = tuple[int, int]  # values of black and white
RANGES: tuple[Range, ...] = ((0, 255), (0, 1), (-1, 1))
_WORST = 40  # grey levels from bicubic (rms): more is no enlarged picture
_OTHER_SIZE = (24, 40)
_MARGIN = 16
# Kernel and bias, or slopes, among the inputs of the operators that have some.
_WEIGHTS = {
    "CONV_2D": slice(1, 3),
    "DEPTHWISE_CONV_2D": slice(1, 3),
    "TRANSPOSE_CONV": slice(1, 4, 2),
    "PRELU": slice(1, 2),
}


class _End:
    """Input or output of a file: how it holds a picture."""

    def __init__(self, details: list[dict]) -> None:
        if len(details) != 1 or len(details[0]["shape"]) != 4:
            raise ValueError("it does not take and give one picture")
        self.dtype = np.dtype(details[0]["dtype"])
        self.step, self.zero = details[0]["quantization"]
        shape = details[0]["shape"].tolist()
        if 3 not in (shape[1], shape[3]):
            raise ValueError(f"its pictures are not RGB but of shape {shape}")
        self.channels_first = shape[3] != 3
        self.size: tuple[int, int] = tuple(shape[2:] if self.channels_first else shape[1:3])

    def stored(self, picture: np.ndarray, limits: Range) -> np.ndarray:
        """An RGB picture, 0..255, as this input takes it."""
        black, white = limits
        values = black + (white - black) * (picture[None].astype("float32") / 255)
        if self.dtype != np.float32:
            least, most = np.iinfo(self.dtype).min, np.iinfo(self.dtype).max
            values = np.clip(np.rint(values / (self.step or 1) + self.zero), least, most)
        values = values.transpose(0, 3, 1, 2) if self.channels_first else values
        return np.ascontiguousarray(values.astype(self.dtype))

    def picture(self, stored: np.ndarray, limits: Range) -> np.ndarray:
        """What this output gave as an RGB picture, 0..255, clipped."""
        black, white = limits
        values = stored[0].transpose(1, 2, 0) if self.channels_first else stored[0]
        values = (values.astype("float32") - self.zero) * (self.step or 1)
        return np.clip(255 * (values - black) / (white - black), 0, 255)


class TFLiteNetwork:
    """Called with an RGB picture, uint8, it gives the enlarged one, float32, 0..255.

    The input is set to the size of the picture. A file that LiteRT cannot resize works in windows
    of its own size, see `cut_windows`, with a margin of 16 pixels (a quarter of small ones).

    Args:
        path: Of a file with one input and one output, RGB with channels first or last, float32
            or quantised.
        photograph: Uint8 RGB, to try the ranges of pixels on.
        threads: Of the processor.

    Attributes:
        scale: Magnification.
        pixels: Number format of the input: float32, uint8, int8.
        numbers: "8 bit" if a convolution gives features of 8 bits; "8-bit weights" if only
            its kernel has so many, as of dynamic_range; else "floating point".
        size: Height and width of the input, None where they are free.
        ranges: Of the pixels of input and output: those with which the result is nearest to
            bicubic.
        parameters: Numbers in kernels, biases and slopes.
        multiply_adds: Of the convolutions, for one input pixel.

    Raises:
        ValueError, RuntimeError: It does not enlarge RGB pictures, or LiteRT cannot run it.
    """

    def __init__(self, path: Path, photograph: np.ndarray, threads: int = 2) -> None:
        if not path.is_file():
            raise ValueError("it is not a file")
        content = path.read_bytes()
        if not content:
            raise ValueError("it is empty")
        self.run = LiteRTModel(content, threads)
        self._input = _End(self.run.interpreter.get_input_details())
        self._output = _End(self.run.interpreter.get_output_details())
        self.pixels = self._input.dtype.name
        self.size: tuple[int, int] | None = None
        try:
            self.scale = self._scale_of(_OTHER_SIZE)
        except (ValueError, RuntimeError):
            self.run = LiteRTModel(content, threads)  # as it was
            self.size = self._input.size
            self.scale = self._scale_of(self.size)
        self.ranges = self._nearest_to_bicubic(photograph)
        size = self.size or _OTHER_SIZE
        black = self._input.stored(np.zeros((*size, 3)), self.ranges[0])
        self.parameters, total, self.numbers = _counts(content, black.shape)
        self.multiply_adds = total / math.prod(size)

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        spans, inputs = self.inputs(picture)
        results = (self._output.picture(self.run(each), self.ranges[1]) for each in inputs)
        return join_windows(results, spans, self.scale)

    def inputs(self, picture: np.ndarray) -> tuple[Spans, list[np.ndarray]]:
        """The windows of a picture as the file takes them, and where they lie in it."""
        size = self.size or picture.shape[:2]
        spans, windows = cut_windows(picture, size, min(_MARGIN, min(size) // 4))
        return spans, [self._input.stored(window, self.ranges[0]) for window in windows]

    def _scale_of(self, size: tuple[int, int]) -> int:
        black = self._input.stored(np.zeros((*size, 3)), RANGES[0])
        enlarged = self._output.picture(self.run(black), RANGES[0])
        scale = len(enlarged) // size[0]
        if scale < 1 or enlarged.shape != (scale * size[0], scale * size[1], 3):
            raise ValueError(f"it turns {size} into {enlarged.shape[:2]}")
        return scale

    def _nearest_to_bicubic(self, photograph: np.ndarray) -> tuple[Range, Range]:
        expected = bicubic(photograph, self.scale).astype("float32")
        errors = {}
        for ranges in itertools.product(RANGES, RANGES):
            self.ranges = ranges
            errors[ranges] = float(np.sqrt(np.mean((self(photograph) - expected) ** 2)))
        best = min(errors, key=errors.__getitem__)
        if not errors[best] < _WORST:
            raise ValueError(
                f"its result is {errors[best]:.0f} grey levels (rms) from bicubic at best"
            )
        return best


def _counts(content: bytes, shape: tuple[int, ...]) -> tuple[int, int, str]:
    """Parameters, multiply-adds for an input of this shape, and `numbers`."""
    litert = import_litert().interpreter
    # With XNNPACK the shapes of tensors inside the graph would stay those of the file.
    interpreter = litert.Interpreter(
        model_content=content,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.resize_tensor_input(interpreter.get_input_details()[0]["index"], shape)
    interpreter.allocate_tensors()
    details = interpreter.get_tensor_details()
    shapes = {each["index"]: each["shape"].tolist() for each in details}
    short = {each["index"] for each in details if np.dtype(each["dtype"]).itemsize == 1}
    shapes[-1] = [0]  # no bias
    model = read_model(content)
    parameters = multiply_adds = 0
    numbers = "floating point"
    for name, operator in zip(operator_names(model), model.subgraphs[0].operators, strict=True):
        inputs = operator.inputs[_WEIGHTS.get(name, slice(0))]
        weights = [math.prod(shapes[index]) for index in inputs]
        parameters += sum(weights)
        if weights and name != "PRELU":
            slides_over = operator.inputs[2] if name == "TRANSPOSE_CONV" else operator.outputs[0]
            multiply_adds += weights[0] * math.prod(shapes[slides_over][1:3])
            if operator.outputs[0] in short:
                numbers = "8 bit"
            elif inputs[0] in short and numbers != "8 bit":
                numbers = "8-bit weights"
    return parameters, multiply_adds, numbers
