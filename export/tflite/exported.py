"""The .tflite files of an export folder, checked to be ours."""

from pathlib import Path
from typing import NamedTuple

from awsrn_keras.errors import InputError, damaged_file

from .flatbuffer import METADATA_NAME, Graph, read_graph, read_metadata

_KIND = "a file of export/to_tflite.py"
_KEYS = ("variant", "scale", "precision", "receptive_field", "origin")


class ExportedFile(NamedTuple):
    """One file, its graph, and the facts of its metadata."""

    path: Path
    graph: Graph
    facts: dict

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of the input; None where they are free."""
        height, width = self.graph.tensors[self.graph.inputs[0]].shape[1:3]
        return None if -1 in (height, width) else (height, width)

    @property
    def name(self) -> str:
        """E.g. "awsrn_sd_x2 int8": the network, and the file without its ending."""
        return f"{self.facts['variant']}_x{self.facts['scale']} {self.path.stem}"


def exported_files(folder: Path) -> list[ExportedFile]:
    """The files in `folder/tflite`, or else in the folder itself, by name.

    Raises:
        InputError: There are none, or one is damaged or not ours.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; run export/to_tflite.py first.")
    inside = folder / "tflite" if (folder / "tflite").is_dir() else folder
    paths = sorted(inside.glob("*.tflite"))
    if not paths:
        raise InputError(f"{inside}: holds no .tflite files; run export/to_tflite.py first.")
    return [_read(path) for path in paths]


def _read(path):
    try:
        content = path.read_bytes()
        if content[4:8] != b"TFL3":
            raise ValueError("not in the format of TFLite")
        graph = read_graph(content)
    except OSError:
        raise
    except Exception as error:  # a damaged file fails in many ways
        raise damaged_file(path, _KIND, error) from error
    try:
        facts = read_metadata(path)
    except ValueError as error:
        raise InputError(
            f"{path}: has no metadata entry {METADATA_NAME!r}; only files of "
            "export/to_tflite.py say which network they hold."
        ) from error
    missing = [key for key in _KEYS if key not in facts]
    if missing:
        raise InputError(f"{path}: its metadata lack {', '.join(missing)}; export it again.")
    return ExportedFile(path, graph, facts)
