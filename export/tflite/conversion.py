"""From a network to the bytes of a .tflite file at one of five precisions."""

import tempfile
from pathlib import Path

import keras
import tensorflow as tf
from keras import ops

from awsrn_keras.command_line import messages_kept_back
from awsrn_keras.network.fusion import fuse
from awsrn_keras.network.model import AWSRN
from export import CALIBRATED

from .equalisation import fuse_for_int8


def pixel_graph(
    model: AWSRN, size: tuple[int | None, int | None], precision: str, pictures=()
) -> keras.Model:
    """The fused network, clipped to 0..255, in the form that suits the precision.

    int8 has a form of its own, `fuse_for_int8`. int16x8 has no kernel for DEPTH_TO_SPACE:
    reshape and transpose, which move the same values, stand in for it.

    Args:
        size: Height and width of the input, or None where they are free (not for int16x8).
        pictures: Calibration pictures, for int8.
    """
    fused = fuse_for_int8(model, pictures) if precision == "int8" else fuse(model)
    pixels = ops.minimum(ops.relu(fused.operations[-1].input), 255.0)
    if precision == "int16x8":
        upscaled = shuffle_by_transpose(pixels, *size, model.scale)
    else:
        upscaled = ops.depth_to_space(pixels, model.scale, data_format="channels_last")
    return keras.Model(fused.input, upscaled, name=f"{model.name}_{precision}")


def shuffle_by_transpose(pixels, height, width, scale):
    """`depth_to_space` of one picture, in four dimensions at most."""
    rows = ops.reshape(pixels, (height, width, scale, 3 * scale))
    rows = ops.transpose(rows, (0, 2, 1, 3))
    return ops.reshape(rows, (1, height * scale, width * scale, 3))


def convert(
    graph: keras.Model, size: tuple[int | None, int | None], precision: str, pictures=()
) -> bytes:
    """Convert with TensorFlow's converter.

    Args:
        graph: Of `pixel_graph`, for the same size and precision.
        size: Height and width of the input; None leaves it free.
        precision: One of `export.PRECISIONS`. int8 takes and gives uint8, all others float32.
        pictures: Calibration pictures for `CALIBRATED`, float32 `(1, height, width, 3)`.
    """
    options = {}
    if precision != "float32":
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        options["target_spec"] = {"supported_types": [tf.float16]}
    if precision in CALIBRATED:
        options["representative_dataset"] = lambda: ([picture] for picture in pictures)
        options["target_spec"] = {"supported_ops": [_operators(precision)]}
    if precision == "int8":
        options |= {"inference_input_type": tf.uint8, "inference_output_type": tf.uint8}
    signature = [keras.InputSpec(shape=(1, *size, 3), dtype="float32", name="image")]
    with tempfile.TemporaryDirectory() as folder, messages_kept_back():
        path = Path(folder) / "model.tflite"
        graph.export(path, format="litert", input_signature=signature, verbose=False, **options)
        return path.read_bytes()


def _operators(precision):
    sets = tf.lite.OpsSet
    if precision == "int8":
        return sets.TFLITE_BUILTINS_INT8
    return sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
