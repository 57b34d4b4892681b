"""Convert, describe, verify, and only then put a .tflite file in place."""

from pathlib import Path

import numpy as np

from awsrn_keras import presets
from awsrn_keras.data import PairBank
from awsrn_keras.files import replacing
from awsrn_keras.network.counts import receptive_field
from awsrn_keras.network.fusion import fuse
from awsrn_keras.network.model import AWSRN

from .calibration import calibration_pictures
from .conversion import convert, pixel_graph
from .flatbuffer import with_metadata
from .verification import verify


def publish(
    model: AWSRN,
    path: Path,
    precision: str,
    size: tuple[int, int],
    bank: PairBank,
    origin: str,
    dynamic: bool = False,
) -> dict:
    """Write one verified file; `path` is touched only if all checks pass.

    Args:
        model: The network.
        path: Of the .tflite file.
        precision: One of `export.PRECISIONS`.
        size: Height and width of the input; with `dynamic`, of the calibration pictures.
        bank: Photographs for calibration and for the check.
        origin: What names the weights: a preset or a file.
        dynamic: Leave height and width of the input free.

    Returns:
        Size in bytes and what `verify` measured.
    """
    pictures = calibration_pictures(bank, *size)
    shape = (None, None) if dynamic else size
    graph = pixel_graph(model, shape, precision, pictures)
    content = convert(graph, shape, precision, pictures)
    facts = metadata(model, precision, shape, origin)
    return put_in_place(content, facts, path, model, pictures[0])


def put_in_place(
    content: bytes, facts: dict, path: Path, model: AWSRN, picture: np.ndarray
) -> dict:
    """Give a converted network its metadata, verify it with `picture`, write it to `path`."""
    content = with_metadata(content, facts)
    measured = verify(content, facts["precision"], fuse(model), picture)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return {"bytes": len(content), **measured}


def metadata(model: AWSRN, precision: str, size: tuple, origin: str) -> dict:
    """What an app has to know about a file, for its metadata entry."""
    card = presets().get(origin, {})
    return {
        "project": "awsrn-keras",
        "variant": model.variant,
        "scale": model.scale,
        "kernel_sizes": model.kernel_sizes,
        "precision": precision,
        "input": f"RGB (1, height, width, 3), {_number(precision)} 0..255",
        "output": f"the same, scale times larger, {_number(precision)} 0..255, clipped",
        "value_range": [0, 255],
        "size": size,
        "receptive_field": receptive_field(model),
        "tile_advice": "overlap tiles by the receptive field on every side and drop the margin",
        "license": card.get("license", "that of the weights in 'origin'"),
        "origin": {
            "weights": Path(origin).name,
            "history": card.get("origin"),
            "trained_on": card.get("trained_on"),
        },
    }


def _number(precision):
    return "uint8" if precision == "int8" else "float32"
