"""What a .tflite file must fulfil before it is published."""

import keras
import numpy as np
from keras import ops

from awsrn_keras.errors import InputError

from .flatbuffer import Graph, read_graph
from .runtime import LiteRTModel

_PLAIN = {"CONV_2D", "ADD", "CONCATENATION", "DEPTH_TO_SPACE", "SUB", "RELU", "MINIMUM"}
_CONVERSIONS = {"QUANTIZE", "DEQUANTIZE"}
_STAND_IN = {"RESHAPE", "TRANSPOSE"}  # int16x8: in place of DEPTH_TO_SPACE

# Root mean square difference to the network in floating point, grey levels of 255.
RMS_LIMITS = {"float32": 1e-3, "float16": 0.1, "dynamic_range": 2.0, "int8": 3.0, "int16x8": 1.0}


def verify(model: bytes, precision: str, reference: keras.Model, picture: np.ndarray) -> dict:
    """Check operators, number formats and pixels of a converted network.

    Args:
        model: The file's bytes.
        precision: Which it was converted to.
        reference: The float32 graph whose pictures it must give.
        picture: Float32 photograph `(1, height, width, 3)`, whole numbers 0..255.

    Returns:
        What was measured: `operators`, `largest_difference` and `rms_difference` to the
        reference in grey levels.

    Raises:
        RuntimeError: The converter left an operator that does not belong there.
        InputError: The file does not take and give what it should, or other pictures.
    """
    graph = read_graph(model)
    _check_operators(graph, precision)
    if precision == "int8":
        _check_pixel_format(graph)
    difference = LiteRTModel(model)(picture).astype("float32") - _clipped(reference, picture)
    rms = float(np.sqrt(np.mean(np.square(difference))))
    if not rms <= RMS_LIMITS[precision]:
        raise InputError(
            f"{precision}: its picture differs by {rms:.3g} grey levels from the network's "
            f"(at most {RMS_LIMITS[precision]} is allowed): the weights do not suit this precision."
        )
    return {
        "operators": graph.operator_names(),
        "largest_difference": float(np.abs(difference).max()),
        "rms_difference": rms,
    }


def _clipped(reference, picture):
    return np.clip(ops.convert_to_numpy(reference(picture)), 0, 255)


def _check_operators(graph: Graph, precision: str):
    if precision == "int16x8":
        # Concatenated 16-bit tensors are brought to one scale first, inside the graph.
        allowed = (_PLAIN | _CONVERSIONS | _STAND_IN) - {"DEPTH_TO_SPACE"}
        edges = []
    else:
        allowed = _PLAIN | _CONVERSIONS
        edges = [node for node in graph.operators if node.name in _CONVERSIONS]
    strange = set(graph.operator_names()) - allowed
    inside = [node for node in edges if not _at_the_edge(node, graph)]
    if strange or inside:
        names = sorted(strange | {node.name for node in inside})
        raise RuntimeError(f"{precision}: the converter left {', '.join(names)} in the graph.")


def _at_the_edge(node, graph):
    reads_edge = all(i in graph.inputs or graph.tensors[i].constant for i in node.inputs)
    return reads_edge or any(i in graph.outputs for i in node.outputs)


def _check_pixel_format(graph: Graph):
    for index in [*graph.inputs, *graph.outputs]:
        tensor = graph.tensors[index]
        found = (tensor.dtype, tensor.scale, tensor.zero_point)
        if found[0] != "uint8" or found[2] != 0 or abs(found[1] - 1) > 1e-6:
            raise InputError(
                f"int8: {tensor.name} is {found[0]} of scale {found[1]:.6g} and zero point "
                f"{found[2]}, not plain pixels: calibrate with photographs of full contrast."
            )
