"""What a .tflite file says about itself: operators, number formats, and our metadata entry."""

import json
from pathlib import Path
from typing import NamedTuple

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

METADATA_NAME = "awsrn"
_OPERATORS = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}
_TYPES = {code: name.lower() for name, code in vars(schema.TensorType).items() if name.isupper()}


class Tensor(NamedTuple):
    """One tensor of the graph; `scale` and `zero_point` are None where it is not quantised."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None
    zero_point: int | None
    constant: bool


class Operator(NamedTuple):
    name: str
    inputs: list[int]
    outputs: list[int]


class Graph(NamedTuple):
    """A file's only graph; operators, `inputs` and `outputs` refer to tensors by index."""

    tensors: list[Tensor]
    operators: list[Operator]
    inputs: list[int]
    outputs: list[int]

    def operator_names(self) -> list[str]:
        return sorted({operator.name for operator in self.operators})


def with_metadata(model: bytes, facts: dict) -> bytes:
    """The same model with `facts` as JSON in the metadata entry `awsrn`."""
    content = schema.ModelT.InitFromPackedBuf(model)
    entry = schema.MetadataT(name=METADATA_NAME, buffer=len(content.buffers))
    content.buffers.append(schema.BufferT(data=list(json.dumps(facts).encode())))
    content.metadata = [*(content.metadata or []), entry]
    builder = flatbuffers.Builder(len(model))
    builder.Finish(content.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def read_metadata(path: Path) -> dict:
    """The facts written by `with_metadata`.

    Raises:
        ValueError: The file holds no such entry.
    """
    model = schema.Model.GetRootAs(Path(path).read_bytes())
    for index in range(model.MetadataLength()):
        if model.Metadata(index).Name() == METADATA_NAME.encode():
            buffer = model.Buffers(model.Metadata(index).Buffer())
            return json.loads(buffer.DataAsNumpy().tobytes())
    raise ValueError(f"{path}: no metadata entry {METADATA_NAME!r}.")


def read_graph(model: bytes) -> Graph:
    """Tensors and operators in order of execution."""
    root = schema.ModelT.InitFromPackedBuf(model)
    graph = root.subgraphs[0]

    def operator(node):
        code = root.operatorCodes[node.opcodeIndex]
        name = _OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
        return Operator(name, list(node.inputs), list(node.outputs))

    def tensor(entry):
        shape = entry.shape if entry.shapeSignature is None else entry.shapeSignature
        quantisation = entry.quantization
        per_tensor = quantisation is not None and quantisation.scale is not None
        per_tensor = per_tensor and len(quantisation.scale) == 1
        return Tensor(
            name=entry.name.decode(),
            dtype=_TYPES[entry.type],
            shape=() if shape is None else tuple(map(int, shape)),
            scale=float(quantisation.scale[0]) if per_tensor else None,
            zero_point=int(quantisation.zeroPoint[0]) if per_tensor else None,
            constant=root.buffers[entry.buffer].data is not None,
        )

    return Graph(
        tensors=[tensor(entry) for entry in graph.tensors],
        operators=[operator(node) for node in graph.operators],
        inputs=list(graph.inputs),
        outputs=list(graph.outputs),
    )
