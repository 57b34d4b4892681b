"""What a .tflite file says about itself: its operators, its input, and our metadata entry."""

import json

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

METADATA_NAME = "awsrn"


def read_model(content: bytes) -> schema.ModelT:
    """The file as objects of TFLite's schema; its only graph is `subgraphs[0]`."""
    return flatbuffer_utils.read_model_from_bytearray(content)


def operator_names(model: schema.ModelT) -> list[str]:
    """Names of the operators in order of execution, e.g. "CONV_2D"."""
    operators = model.subgraphs[0].operators
    return [flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex) for operator in operators]


def input_shape(model: schema.ModelT) -> tuple[int, ...]:
    """Of the only input; -1 where a side is free."""
    graph = model.subgraphs[0]
    tensor = graph.tensors[graph.inputs[0]]
    shape = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
    return tuple(map(int, shape))


def with_metadata(content: bytes, facts: dict) -> bytes:
    """The same file with `facts` as JSON in the metadata entry `awsrn`."""
    model = read_model(content)
    entry = schema.MetadataT(name=METADATA_NAME, buffer=len(model.buffers))
    model.buffers.append(schema.BufferT(data=list(json.dumps(facts).encode())))
    model.metadata = [*(model.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def read_metadata(content: bytes) -> dict:
    """The facts written by `with_metadata`.

    Raises:
        ValueError: The file holds no such entry.
    """
    model = read_model(content)
    for entry in model.metadata or []:
        if entry.name == METADATA_NAME.encode():
            return json.loads(bytes(model.buffers[entry.buffer].data))
    raise ValueError(f"no metadata entry {METADATA_NAME!r}.")
