"""The .tflite files of an export folder, checked to be ours."""

from pathlib import Path
from typing import NamedTuple

from awsrn_keras.errors import InputError, damaged_file
from export.precisions import PRECISIONS, Precision

from .flatbuffer import METADATA_NAME, input_shape, operator_names, read_metadata, read_model

_KIND = "a file of export/to_tflite.py"
_KEYS = ("variant", "scale", "precision", "receptive_field", "origin")


class ExportedFile(NamedTuple):
    """One file and what it says about itself.

    Attributes:
        path: Of the file.
        size: Height and width of the input; None where they are free.
        operators: Names in order of execution.
        facts: Its metadata.
    """

    path: Path
    size: tuple[int, int] | None
    operators: list[str]
    facts: dict

    @property
    def name(self) -> str:
        """E.g. "awsrn_sd_x2 int8": the network, and the file without its ending."""
        return f"{self.facts['variant']}_x{self.facts['scale']} {self.path.stem}"

    @property
    def precision(self) -> Precision:
        return PRECISIONS[self.facts["precision"]]


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


def _read(path: Path) -> ExportedFile:
    content = path.read_bytes()
    try:
        if content[4:8] != b"TFL3":
            raise ValueError("not in the format of TFLite")
        model = read_model(content)
        height, width = input_shape(model)[1:3]
        operators = operator_names(model)
    except Exception as error:  # a damaged file fails in many ways
        raise damaged_file(path, _KIND, error) from error
    try:
        facts = read_metadata(content)
    except ValueError as error:
        raise InputError(
            f"{path}: has no metadata entry {METADATA_NAME!r}; only files of "
            "export/to_tflite.py say which network they hold."
        ) from error
    missing = [key for key in _KEYS if key not in facts]
    if missing:
        raise InputError(f"{path}: its metadata lack {', '.join(missing)}; export it again.")
    if facts["precision"] not in PRECISIONS:
        raise InputError(
            f"{path}: says it is of precision {facts['precision']!r}; known are "
            f"{', '.join(PRECISIONS)}."
        )
    return ExportedFile(path, None if -1 in (height, width) else (height, width), operators, facts)
