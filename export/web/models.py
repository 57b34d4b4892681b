"""The models of the browser page: files of one fixed size, and what the page is told of each."""

from pathlib import Path

import numpy as np
from PIL import Image

from awsrn_keras.command_line import messages_kept_back
from awsrn_keras.data import PairBank
from awsrn_keras.files import write_json
from awsrn_keras.network.model import AWSRN
from awsrn_keras.network.presets import PHOTO
from awsrn_keras.upscaling.litert_model import LiteRTModel
from export.precisions import PRECISIONS
from export.tflite.flatbuffer import read_metadata
from export.tflite.writing import write_tflite

from .litert_js import VERSION

_PROBES = 8


def put_model(
    model: AWSRN, folder: Path, precision: str, tile: int, bank: PairBank, origin: str
) -> dict:
    """Write `models/<name>_<precision>.tflite` below `folder`, verified by `write_tflite`.

    Args:
        model: The network.
        folder: Of the page.
        precision: One of `export.precisions.CONVERTED`.
        tile: Height and width of the input, pixels.
        bank: Photographs for calibration and for the check.
        origin: Name of the preset.

    Returns:
        Its entry in models.json, read from the file's own metadata where it says it.
    """
    file = f"models/{origin}_{precision}.tflite"
    write_tflite(model, folder / file, precision, (tile, tile), bank, origin)
    content = (folder / file).read_bytes()
    facts = read_metadata(content)
    photo = origin.endswith(PHOTO)
    return {
        "file": file,
        "network": facts["variant"] + PHOTO * photo,
        "purpose": "for photographs with JPEG and noise" if photo else "",
        "bytes": len(content),
        "tile": facts["size"][0],
        "probe": probe(folder / file, tile),
        **{key: facts[key] for key in ("variant", "scale", "precision", "receptive_field")},
        "label": PRECISIONS[precision].label,
        "webgpu": PRECISIONS[precision].webgpu,
        "license": facts["license"],
    }


def probe(path: Path, tile: int) -> list:
    """What the page compares its own result for `probe_picture` with.

    Returns:
        RGB values 0..255 of 8x8 pixels of LiteRT's result, spread evenly.
    """
    with messages_kept_back():
        result = LiteRTModel(path)(probe_picture(tile))[0]
    places = ((np.arange(_PROBES) + 0.5) * (len(result) / _PROBES)).astype(int)
    return np.round(result[np.ix_(places, places)].astype(float), 2).tolist()


def probe_picture(tile: int) -> np.ndarray:
    """A picture `(1, tile, tile, 3)`, float32, that the page makes in the same way."""
    y, x, channel = np.indices((tile, tile, 3))
    return ((7 * x + 3 * y + (x * y >> 3) + 40 * channel) % 256)[None].astype("float32")


def put_manifest(folder: Path, models: list[dict], bank: PairBank) -> None:
    """Write models.json and the example that the page offers, a photograph of `bank`."""
    Image.fromarray(bank.lr(0)).save(folder / "example.png")
    manifest = {"litert_js": VERSION, "example": "example.png", "models": models}
    write_json(folder / "models.json", manifest)
