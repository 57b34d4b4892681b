"""What a .tflite file must fulfil before it is put in place."""

import keras
import numpy as np
from ai_edge_litert.schema_py_generated import ModelT
from ai_edge_litert.tools.flatbuffer_utils import type_to_name
from keras import ops

from awsrn_keras.command_line import messages_kept_back
from awsrn_keras.errors import InputError
from awsrn_keras.upscaling.litert_model import LiteRTModel
from export.precisions import Precision

from .flatbuffer import operator_names, read_model

_PLAIN = {"CONV_2D", "ADD", "CONCATENATION", "DEPTH_TO_SPACE", "SUB", "RELU", "MINIMUM"}
_CONVERSIONS = {"QUANTIZE", "DEQUANTIZE"}
_STAND_IN = {"RESHAPE", "TRANSPOSE"}  # with 16-bit features, in place of DEPTH_TO_SPACE


def verify_tflite(
    content: bytes, precision: Precision, reference: keras.Model, picture: np.ndarray
) -> dict:
    """Check operators, number formats and pixels of a converted network.

    Args:
        content: The file's bytes.
        precision: Which it was converted to.
        reference: The float32 graph whose pictures it must give.
        picture: Float32 photograph `(1, height, width, 3)`, whole numbers 0..255.

    Returns:
        What was measured: `operators`, `largest_difference` and `rms_difference` to the
        reference in grey levels.

    Raises:
        RuntimeError: The converter left an operator or a number format that does not belong there.
        InputError: The file does not take and give what it should, or other pictures.
    """
    model = read_model(content)
    _check_operators(model, precision)
    if precision.pixels == "uint8":
        _check_pixel_format(model)
    with messages_kept_back():  # LiteRT tells that it uses XNNPACK
        given = LiteRTModel(content)(picture).astype("float32")
    difference = given - np.clip(ops.convert_to_numpy(reference(picture)), 0, 255)
    rms = float(np.sqrt(np.mean(np.square(difference))))
    if not rms <= precision.rms_limit:
        raise InputError(
            f"{precision.name}: its picture differs by {rms:.3g} grey levels from the network's "
            f"(at most {precision.rms_limit} is allowed): the weights do not suit this precision."
        )
    return {
        "operators": sorted(set(operator_names(model))),
        "largest_difference": float(np.abs(difference).max()),
        "rms_difference": rms,
    }


def _check_operators(model: ModelT, precision: Precision) -> None:
    """Numbers may be converted at both ends only.

    But 16-bit features that are concatenated are brought to one scale first, inside the graph.
    """
    names = operator_names(model)
    allowed, wrong = _PLAIN | _CONVERSIONS, set()
    if precision.features == "int16":
        allowed = (allowed | _STAND_IN) - {"DEPTH_TO_SPACE"}
    else:
        operators = zip(names, model.subgraphs[0].operators, strict=True)
        wrong = {name for name, node in operators if name in _CONVERSIONS and _inside(node, model)}
    wrong |= set(names) - allowed
    if wrong:
        left = ", ".join(sorted(wrong))
        raise RuntimeError(f"{precision.name}: the converter left {left} in the graph.")


def _inside(node, model: ModelT) -> bool:
    """Whether an operator neither reads the input or constants alone nor gives the output."""
    graph = model.subgraphs[0]

    def known(index: int) -> bool:
        buffer = model.buffers[graph.tensors[index].buffer]
        return index in graph.inputs or buffer.data is not None

    return not (all(map(known, node.inputs)) or any(i in graph.outputs for i in node.outputs))


def _check_pixel_format(model: ModelT) -> None:
    graph = model.subgraphs[0]
    for index in [*graph.inputs, *graph.outputs]:
        tensor = graph.tensors[index]
        dtype = type_to_name(tensor.type).lower()
        if dtype != "uint8":
            raise RuntimeError(f"{tensor.name.decode()} is {dtype}, not uint8 pixels.")
        scale, zero_point = tensor.quantization.scale[0], tensor.quantization.zeroPoint[0]
        if zero_point != 0 or abs(scale - 1) > 1e-6:
            raise InputError(
                f"{tensor.name.decode()} has scale {scale:.6g} and zero point {zero_point}: not "
                "plain pixels; calibrate with photographs of full contrast."
            )
