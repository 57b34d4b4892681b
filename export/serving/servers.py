"""Ask a TensorFlow server for the signature `upscale_bytes`, by REST or by gRPC."""

import base64
import http.client
import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlsplit

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
        ca: PEM file of the authorities that may sign an https server's certificate; None for
            the system's.
    """

    def __init__(self, url: str, model: str, timeout: float, ca: Path | None = None) -> None:
        self._url = f"{url.rstrip('/')}/v1/models/{quote(model, safe='')}:predict"
        self._timeout = timeout
        self._tls = _tls(ca) if url.lower().startswith("https:") else None

    def upscale(self, files: list[bytes]) -> list[bytes]:
        """PNG files for JPEG or PNG files.

        Raises:
            InputError: The server refuses the pictures.
            ServerError: It cannot be reached, serves no such model, or answers with other things.
        """
        instances = [{"b64": base64.b64encode(content).decode()} for content in files]
        body = json.dumps({"signature_name": SIGNATURE, "instances": instances}).encode()
        content = self._post(body)
        try:
            predictions = json.loads(content)["predictions"]
            return [base64.b64decode(item["b64"], validate=True) for item in predictions]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise ServerError(f"{self._url}: its answer is not that of {SIGNATURE}.") from None

    def _post(self, body: bytes) -> bytes:
        request = urllib.request.Request(
            self._url, body, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(
                request, timeout=self._timeout, context=self._tls
            ) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            kind = InputError if error.code == 400 else ServerError
            reason = _reason(error)
        except TimeoutError:
            kind, reason = ServerError, f"no answer in {self._timeout:g} s."
        except (OSError, UnicodeError, http.client.InvalidURL) as error:
            kind, reason = ServerError, _unreachable(getattr(error, "reason", error))
        except http.client.IncompleteRead:
            kind, reason = ServerError, "its answer was cut short."
        except http.client.HTTPException:
            kind, reason = ServerError, "no HTTP is spoken there; is it the port of gRPC?"
        raise kind(f"{self._url}: {reason}")


class GrpcServer:
    """TensorFlow Serving's gRPC API; messages may be as large as the server takes, 2 GiB.

    Args:
        address: Host and port, e.g. "localhost:8500".
        model, timeout, ca: As for `RestServer`.
        tls: Whether the server speaks TLS.
    """

    def __init__(
        self, address: str, model: str, timeout: float, tls: bool = False, ca: Path | None = None
    ) -> None:
        try:
            import grpc
            from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
        except ImportError as error:
            raise InputError(
                f"gRPC needs {error.name}: pip install tensorflow-serving-api, or use http://."
            ) from None
        # gRPC takes 4 MiB unless told otherwise, less than most upscaled pictures.
        limits = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        if tls:
            _tls(ca)  # refuses a bad file
            credentials = grpc.ssl_channel_credentials(ca and ca.read_bytes())
            channel = grpc.secure_channel(address, credentials, options=limits)
        else:
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


def connect(
    url: str, model: str, timeout: float, ca: Path | None = None
) -> RestServer | GrpcServer:
    """The server that a URL names: http:// or https:// for REST, grpc:// or grpcs:// for gRPC.

    Raises:
        InputError: It is no such URL, or `ca` is given without TLS or holds no certificates.
    """
    if "@" in url or "?" in url:  # not repeated: these hold passwords
        raise InputError("--server: give the URL without user name, password and query.")
    try:
        parts = urlsplit(url)
        found = bool(parts.hostname) and parts.port != 0
    except ValueError:  # in the port, for example
        found = False
    rest = found and parts.scheme in ("http", "https")
    grpc = found and parts.scheme in ("grpc", "grpcs") and parts.path in ("", "/")
    if not (rest or grpc):
        raise InputError(
            f"--server {url}: give http://HOST:8501 or grpc://HOST:8500; with TLS https:// or "
            "grpcs://."
        )
    tls = parts.scheme in ("https", "grpcs")
    if ca and not tls:
        raise InputError(f"--ca {ca}: is for https:// and grpcs:// only.")
    if rest:
        return RestServer(url, model, timeout, ca)
    return GrpcServer(parts.netloc, model, timeout, tls, ca)


def _tls(ca: Path | None) -> ssl.SSLContext:
    """Trust in the system's authorities, or in those of a PEM file."""
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:  # an SSLError is one
        reason = "holds no PEM certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise InputError(f"--ca {ca}: {reason}.") from None


def _unreachable(error: Exception | str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); see --ca."
    if isinstance(error, ssl.SSLError):
        return "no TLS is spoken there; is it http://?"
    return f"no server answers ({error})."


def _reason(error: urllib.error.HTTPError) -> str:
    """What the server says about a request that it does not answer."""
    try:
        content = error.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        content = ""
    try:
        content = str(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        content = content or error.reason
    return f"{error.code}, {_one_line(content)}"


def _one_line(text: str) -> str:
    """The line that names the picture, or else the first."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no reason given"]
    return next((line for line in lines if INPUT in line), lines[0])[:300]
