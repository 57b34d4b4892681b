"""Small .tflite files without a conversion: a shipped one, given a size or other facts."""

from pathlib import Path

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from awsrn_keras.network.presets import WEIGHTS
from export.tflite.flatbuffer import read_metadata, with_metadata

SHIPPED = WEIGHTS / "awsrn_sd_x2.tflite"  # float16, of any height and width


def write_file(
    path: Path, size: tuple[int, int], facts: dict | None = None, content: bytes | None = None
) -> Path:
    """A file for pictures of height and width `size`, with some facts changed.

    Args:
        facts: In place of SHIPPED's; an empty dict leaves the file without any.
        content: Of a file of that size, in place of SHIPPED.
    """
    model = schema.ModelT.InitFromPackedBuf(content or SHIPPED.read_bytes())
    graph = model.subgraphs[0]
    scale = read_metadata(SHIPPED)["scale"]
    for index, tensor in enumerate(graph.tensors):
        if tensor.shapeSignature is not None:
            times = scale if index in graph.outputs else 1
            tensor.shape = [1, size[0] * times, size[1] * times, tensor.shape[3]]
            tensor.shapeSignature = None
    model.metadata = None
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    content = bytes(builder.Output())
    if facts != {}:
        content = with_metadata(content, {**read_metadata(SHIPPED), **(facts or {})})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
