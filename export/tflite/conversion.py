"""From a network to the bytes of a .tflite file at one of the precisions."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from awsrn_keras.command_line import messages_kept_back
from awsrn_keras.network.fusion import fuse
from awsrn_keras.network.model import AWSRN
from export.precisions import Precision

from .equalisation import fuse_for_int8

_SETS = tf.lite.OpsSet
_OPERATORS = {
    "int8": _SETS.TFLITE_BUILTINS_INT8,
    "int16": _SETS.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8,
}


def pixel_graph(
    model: AWSRN,
    size: tuple[int | None, int | None],
    precision: Precision,
    pictures: Sequence[np.ndarray] = (),
) -> keras.Model:
    """The fused network, clipped to 0..255, in the form that suits the precision.

    8-bit features have a form of their own, `fuse_for_int8`. For 16-bit ones there is no kernel
    of DEPTH_TO_SPACE: reshape and transpose, which move the same values, stand in for it.

    Args:
        size: Height and width of the input, or None where they are free.
        pictures: Calibration pictures, for 8-bit features.
    """
    fused = fuse_for_int8(model, pictures) if precision.features == "int8" else fuse(model)
    pixels = ops.minimum(ops.relu(fused.operations[-1].input), 255.0)
    height, width = size
    if precision.fixed_size and height and width:
        upscaled = shuffle_by_transpose(pixels, height, width, model.scale)
    else:
        upscaled = ops.depth_to_space(pixels, model.scale, data_format="channels_last")
    return keras.Model(fused.input, upscaled, name=f"{model.name}_{precision.name}")


def shuffle_by_transpose(
    pixels: keras.KerasTensor, height: int, width: int, scale: int
) -> keras.KerasTensor:
    """`depth_to_space` of one picture, in four dimensions at most."""
    rows = ops.reshape(pixels, (height, width, scale, 3 * scale))
    rows = ops.transpose(rows, (0, 2, 1, 3))
    return ops.reshape(rows, (1, height * scale, width * scale, 3))


def convert(
    graph: keras.Model,
    size: tuple[int | None, int | None],
    precision: Precision,
    pictures: Sequence[np.ndarray] = (),
) -> bytes:
    """Convert with TensorFlow's converter.

    Args:
        graph: Of `pixel_graph`, for the same size and precision.
        size: Height and width of the input; None leaves it free.
        precision: One of `export.precisions.CONVERTED`.
        pictures: Calibration pictures where it needs them, float32 `(1, height, width, 3)`.
    """
    pixels = tf.as_dtype(precision.pixels)
    options = {"inference_input_type": pixels, "inference_output_type": pixels}
    if not precision.exact:
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if precision.weights == "float16":
        options["target_spec"] = {"supported_types": [tf.float16]}
    if precision.calibrated:
        options["representative_dataset"] = lambda: ([picture] for picture in pictures)
        options["target_spec"] = {"supported_ops": [_OPERATORS[precision.features]]}
    signature = [keras.InputSpec(shape=(1, *size, 3), dtype="float32", name="image")]
    with tempfile.TemporaryDirectory() as folder, messages_kept_back():
        path = Path(folder) / "model.tflite"
        graph.export(path, format="litert", input_signature=signature, verbose=False, **options)
        return path.read_bytes()
