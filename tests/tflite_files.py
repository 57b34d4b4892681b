"""Small .tflite files without a conversion: a shipped one, given a size or other facts."""

from collections.abc import Callable
from pathlib import Path

from ai_edge_litert.schema_py_generated import ModelT
from ai_edge_litert.tools import flatbuffer_utils

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
    known = read_metadata(SHIPPED.read_bytes())

    def change(model: ModelT) -> None:
        graph = model.subgraphs[0]
        for index, tensor in enumerate(graph.tensors):
            if tensor.shapeSignature is not None:
                times = known["scale"] if index in graph.outputs else 1
                tensor.shape = [1, size[0] * times, size[1] * times, tensor.shape[3]]
                tensor.shapeSignature = None
        model.metadata = None

    content = changed(content or SHIPPED.read_bytes(), change)
    if facts != {}:
        content = with_metadata(content, {**known, **(facts or {})})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def changed(content: bytes, change: Callable[[ModelT], None]) -> bytes:
    """A .tflite file after `change` was called with its objects."""
    model = flatbuffer_utils.read_model_from_bytearray(content)
    change(model)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))
