"""Write a SavedModel for TensorFlow Serving, verify it, and only then put it in place."""

import io
import math
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from awsrn_keras.command_line import messages_kept_back
from awsrn_keras.files import replacing
from awsrn_keras.network.model import AWSRN
from export.reference import unrounded

from .graph import MAX_PIXELS_AT_ONCE, Upscaler
from .warm_up import read_warm_up, write_warm_up

BATCH_SIZES = (1, 2, 4, 8)
MAX_TILE = math.isqrt(MAX_PIXELS_AT_ONCE // max(BATCH_SIZES))

_MODELS = """\
# For --model_config_file; base_path is where docs/serving.md mounts the export folder.
model_config_list {{
  config {{
    name: "{name}"
    base_path: "/models/{name}/saved_model"
    model_platform: "tensorflow"
  }}
}}
"""
_BATCHING = f"""\
# For --batching_parameters_file, with clients that send upscale_tile; see docs/serving.md.
max_batch_size {{ value: {max(BATCH_SIZES)} }}
batch_timeout_micros {{ value: 1000 }}
num_batch_threads {{ value: 4 }}
max_enqueued_batches {{ value: 4 }}
"""


def publish(model: AWSRN, folder: Path, tile: int = 256, window: int = 512) -> dict[str, float]:
    """Write `saved_model/1/`, `models.config` and `batching.config`, once verified.

    Args:
        model: The network; the server will know it as `<variant>_x<scale>`.
        folder: For the results. What an earlier export left there stays if anything fails.
        tile: Side of the pictures that `upscale_tile` takes, input pixels, 1 to `MAX_TILE`.
        window: As for `Upscaler`.

    Returns:
        Largest difference to the network that was found for each signature, grey levels of 255.

    Raises:
        RuntimeError: The SavedModel gives other pictures than the network.
    """
    name = f"{model.variant}_x{model.scale}"
    with replacing(folder / "saved_model" / "1") as temporary, messages_kept_back():
        _write(Upscaler(model, window), temporary, tile)
        write_warm_up(temporary, name, tile, BATCH_SIZES)
        differences = verify(temporary, model, tile, window)
    allowed = "".join(f"allowed_batch_sizes: {size}\n" for size in BATCH_SIZES)
    texts = {"models.config": _MODELS.format(name=name), "batching.config": _BATCHING + allowed}
    for file, text in texts.items():
        with replacing(folder / file) as temporary:
            temporary.write_text(text)
    return differences


def _write(upscaler: Upscaler, path: Path, tile: int) -> None:
    archive = keras.export.ExportArchive()
    archive.track(upscaler.network)
    for signature, function, shape, dtype, argument in (
        ("serving_default", upscaler.pixels, (None, None, None, 3), tf.float32, "image"),
        ("upscale_tile", upscaler.pixels, (None, tile, tile, 3), tf.float32, "image"),
        ("upscale_bytes", upscaler.files, (None,), tf.string, "image_bytes"),
    ):
        archive.add_endpoint(signature, function, [tf.TensorSpec(shape, dtype, argument)])
    archive.write_out(path, verbose=False)


def verify(path: Path, model: AWSRN, tile: int, window: int = 512) -> dict[str, float]:
    """Load a SavedModel, run every signature and every warm-up request, compare with the model.

    The picture file is larger than a window in both directions, so that it is cut.

    Returns:
        Largest difference to the network for each signature, grey levels of 255.

    Raises:
        RuntimeError: It is more than 0.01, or 0.51 for picture files, which are rounded.
    """
    signatures = tf.saved_model.load(path).signatures
    reference = unrounded(model)
    rng = np.random.default_rng(0)
    differences = {}
    for signature, shape in (("serving_default", (2, 40, 52)), ("upscale_tile", (1, tile, tile))):
        images = rng.integers(0, 256, (*shape, 3)).astype("float32")
        result = signatures[signature](image=tf.constant(images))["upscaled"].numpy()
        differences[signature] = _difference(signature, result, _pixels(reference, images), 0.01)

    picture = rng.integers(0, 256, (window + 8, window + 20, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "PNG")
    files = tf.constant([content.getvalue()])
    (result,) = signatures["upscale_bytes"](image_bytes=files)["upscaled_bytes"].numpy()
    (expected,) = _pixels(reference, picture[None].astype("float32"))
    result = np.asarray(Image.open(io.BytesIO(result)))
    differences["upscale_bytes"] = _difference("upscale_bytes", result, expected, 0.51)

    for signature, arguments in read_warm_up(path):
        signatures[signature](**{name: tf.constant(value) for name, value in arguments.items()})
    return differences


def _pixels(model: AWSRN, images: np.ndarray) -> np.ndarray:
    return np.clip(keras.ops.convert_to_numpy(model(images)), 0, 255)


def _difference(signature: str, result: np.ndarray, expected: np.ndarray, allowed: float) -> float:
    difference = float(np.abs(result - expected).max())
    if not difference <= allowed:
        raise RuntimeError(
            f"{signature} of the SavedModel differs from the network by {difference:.3g} grey "
            "levels; nothing was published."
        )
    return difference
