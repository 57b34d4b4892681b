"""Convert, describe, verify, and only then put a .tflite file in place."""

from pathlib import Path

import numpy as np

from awsrn_keras.data import PairBank
from awsrn_keras.files import replacing
from awsrn_keras.network.fusion import fuse
from awsrn_keras.network.model import AWSRN
from export.network_facts import network_facts
from export.precisions import PRECISIONS, Precision

from .calibration import calibration_pictures, held_out_picture
from .conversion import convert, pixel_graph
from .flatbuffer import with_metadata
from .verification import verify_tflite


def write_tflite(
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
        precision: One of `export.precisions.CONVERTED`.
        size: Height and width of the input; with `dynamic`, of the calibration pictures.
        bank: Photographs for calibration and for the check, which takes none of the same crops.
        origin: What names the weights: a preset or a file.
        dynamic: Leave height and width of the input free.

    Returns:
        Size in bytes and what `verify_tflite` measured.
    """
    row = PRECISIONS[precision]
    pictures = calibration_pictures(bank, *size) if row.calibrated else []
    shape = (None, None) if dynamic else size
    content = convert(pixel_graph(model, shape, row, pictures), shape, row, pictures)
    facts = metadata(model, row, shape, origin)
    return write_verified(content, row, facts, path, model, held_out_picture(bank, *size))


def write_verified(
    content: bytes,
    precision: Precision,
    facts: dict,
    path: Path,
    model: AWSRN,
    picture: np.ndarray,
) -> dict:
    """Give a converted network its metadata, verify it with `picture`, write it to `path`."""
    content = with_metadata(content, facts)
    measured = verify_tflite(content, precision, fuse(model), picture)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return {"bytes": len(content), **measured}


def metadata(
    model: AWSRN, precision: Precision, size: tuple[int | None, int | None], origin: str
) -> dict:
    """What an app has to know about a file, for its metadata entry."""
    return {
        **network_facts(model, origin),
        "precision": precision.name,
        "input": f"RGB (1, height, width, 3), {precision.pixels} 0..255",
        "output": f"the same, scale times larger, {precision.pixels} 0..255, clipped",
        "value_range": [0, 255],
        "size": size,
    }


def summary(path: Path, measured: dict) -> str:
    """What a command prints of a file that was written."""
    return (
        f"{path}  {measured['bytes'] / 1e6:.2f} MB, differs from the network by "
        f"{measured['rms_difference']:#.2g} grey levels (rms)"
    )
