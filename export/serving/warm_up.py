"""Requests that TensorFlow Serving runs while it loads a model, so that no client waits."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog, PredictLog

PLACE = "assets.extra/tf_serving_warmup_requests"
_SIDE = 64


def write_warm_up(
    saved_model: Path, model_name: str, tile: int, batch_sizes: tuple[int, ...]
) -> None:
    """Put requests for every signature into a SavedModel folder.

    Args:
        saved_model: The folder that holds `saved_model.pb`.
        model_name: Under which the server will know the model.
        tile: Side of the pictures that `upscale_tile` takes.
        batch_sizes: In which the server will run it.
    """
    requests = [("serving_default", "image", _grey(1, _SIDE))]
    requests += [("upscale_tile", "image", _grey(size, tile)) for size in batch_sizes]
    files = tf.make_tensor_proto([_file("PNG"), _file("JPEG")])
    requests.append(("upscale_bytes", "image_bytes", files))
    path = saved_model / PLACE
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as records:
        for signature, argument, value in requests:
            request = PredictRequest()
            request.model_spec.name = model_name
            request.model_spec.signature_name = signature
            request.inputs[argument].CopyFrom(value)
            log = PredictionLog(predict_log=PredictLog(request=request))
            records.write(log.SerializeToString())


def read_warm_up(saved_model: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Signature and arguments of each request."""
    for record in tf.data.TFRecordDataset(str(saved_model / PLACE)).as_numpy_iterator():
        request = PredictionLog.FromString(record).predict_log.request
        arguments = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        yield request.model_spec.signature_name, arguments


def _grey(batch: int, side: int) -> TensorProto:
    """A batch of grey pictures in a few bytes: one value stands for all."""
    return tf.make_tensor_proto(128.0, tf.float32, shape=(batch, side, side, 3))


def _file(format: str) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (_SIDE, _SIDE), "grey").save(content, format)
    return content.getvalue()
