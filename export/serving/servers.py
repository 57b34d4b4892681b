"""Ask a TensorFlow server for the signature `upscale_bytes`, by REST or by gRPC."""

import base64
import binascii
import json
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from awsrn_keras.errors import InputError

SIGNATURE, INPUT, OUTPUT = "upscale_bytes", "image_bytes", "upscaled_bytes"


class ServerError(InputError):
    """The server cannot be asked at all; the next picture would fare no better."""


class RestServer:
    """TensorFlow Serving's REST API.

    Args:
        url: E.g. "http://localhost:8501".
        model: Name under which the server knows the model.
        timeout: Seconds to wait for an answer.
    """

    def __init__(self, url: str, model: str, timeout: float):
        self._url = f"{url.rstrip('/')}/v1/models/{model}:predict"
        self._timeout = timeout

    def upscale(self, files: list[bytes]) -> list[bytes]:
        """PNG files for JPEG or PNG files.

        Raises:
            InputError: The server refuses the pictures.
            ServerError: It cannot be reached, or serves no such model.
        """
        instances = [{"b64": base64.b64encode(content).decode()} for content in files]
        body = json.dumps({"signature_name": SIGNATURE, "instances": instances}).encode()
        request = urllib.request.Request(
            self._url, body, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:
                predictions = json.load(answer)["predictions"]
            return [base64.b64decode(item["b64"], validate=True) for item in predictions]
        except urllib.error.HTTPError as error:
            kind = InputError if error.code == 400 else ServerError
            raise kind(f"{self._url}: {_reason(error)}") from None
        except TimeoutError:
            raise ServerError(f"{self._url}: no answer in {self._timeout:g} s.") from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise ServerError(f"{self._url}: no server answers ({reason}).") from None
        except (ValueError, KeyError, TypeError, binascii.Error):
            raise ServerError(f"{self._url}: its answer is not that of {SIGNATURE}.") from None


class GrpcServer:
    """TensorFlow Serving's gRPC API; messages may be as large as the server takes, 2 GiB.

    Args:
        address: Host and port, e.g. "localhost:8500".
        model, timeout: As for `RestServer`.
    """

    def __init__(self, address: str, model: str, timeout: float):
        try:
            import grpc
            from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
        except ImportError as error:
            raise InputError(
                f"gRPC needs {error.name}: pip install tensorflow-serving-api, or use http://."
            ) from None
        # gRPC takes 4 MiB unless told otherwise, less than most upscaled pictures.
        limits = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        channel = grpc.insecure_channel(address, options=limits)
        self._predict = PredictionServiceStub(channel).Predict
        self._address, self._model, self._timeout = address, model, timeout

    def upscale(self, files: list[bytes]) -> list[bytes]:
        """As `RestServer.upscale`."""
        import grpc
        import tensorflow as tf
        from tensorflow_serving.apis.predict_pb2 import PredictRequest

        request = PredictRequest()
        request.model_spec.name = self._model
        request.model_spec.signature_name = SIGNATURE
        request.inputs[INPUT].CopyFrom(tf.make_tensor_proto(files, tf.string))
        try:
            answer = self._predict(request, timeout=self._timeout)
        except grpc.RpcError as error:
            refused = error.code() == grpc.StatusCode.INVALID_ARGUMENT
            kind = InputError if refused else ServerError
            reason = f"{error.code().name}: {_one_line(error.details())}"
            raise kind(f"{self._address}: {reason}") from None
        if OUTPUT not in answer.outputs:
            raise ServerError(f"{self._address}: its answer is not that of {SIGNATURE}.")
        return list(answer.outputs[OUTPUT].string_val)


def connect(url: str, model: str, timeout: float) -> RestServer | GrpcServer:
    """The server that a URL names: http:// and https:// by REST, grpc:// by gRPC.

    Raises:
        InputError: It is no such URL.
    """
    parts = urlsplit(url)
    if parts.scheme in ("http", "https") and parts.netloc:
        return RestServer(url, model, timeout)
    if parts.scheme == "grpc" and parts.netloc:
        return GrpcServer(parts.netloc, model, timeout)
    raise InputError(f"--server {url}: give http://HOST:8501 or grpc://HOST:8500.")


def _reason(error):
    """What the server says about a request that it does not answer."""
    content = error.read().decode(errors="replace")
    try:
        content = str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        content = content or error.reason
    return f"{error.code}, {_one_line(content)}"


def _one_line(text):
    """The line that names the picture, or else the first."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no reason given"]
    return next((line for line in lines if INPUT in line), lines[0])[:300]
