"""TensorFlow Serving's two APIs as documented, in front of a SavedModel that TensorFlow runs.

The REST side refuses whatever tensorflow.org/tfx/serving/api_rest does not describe.
"""

import base64
import contextlib
import datetime
import json
import ssl
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import grpc
import tensorflow as tf
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat
from tensorflow_serving.apis.predict_pb2 import PredictResponse
from tensorflow_serving.apis.prediction_service_pb2_grpc import (
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)


class Certificate(NamedTuple):
    """PEM files of a certificate for localhost, signed by its own key, and of that key."""

    certificate: Path
    key: Path


def make_certificate(folder: Path) -> Certificate:
    """A new one, valid for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - datetime.timedelta(hours=1),
        not_valid_after=now + datetime.timedelta(days=1),
    ).add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    made.certificate.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return made


class Refused(Exception):
    """A request that is answered with 400, or INVALID_ARGUMENT."""


class ServedModel:
    """A SavedModel under a name.

    Attributes:
        bodies: What REST clients sent, parsed.
    """

    def __init__(self, name, folder):
        self.name = name
        self.bodies = []
        self._signatures = tf.saved_model.load(folder).signatures

    def run(self, signature, arguments):
        try:
            return self._find(signature)(**arguments)
        except tf.errors.InvalidArgumentError as error:
            raise Refused(error.message) from None

    def predict_json(self, body):
        """The answer to a body in row format with one named input."""
        self.bodies.append(body)
        unknown = set(body) - {"signature_name", "instances"}
        if unknown or not isinstance(body.get("instances"), list) or not body["instances"]:
            raise Refused("JSON request must have a list of 'instances' and a signature_name alone")
        signature = body.get("signature_name", "serving_default")
        (name,) = self._find(signature).structured_input_signature[1]
        value = tf.constant([_decoded(instance) for instance in body["instances"]])
        ((output, result),) = self.run(signature, {name: value}).items()
        if output.endswith("_bytes"):
            encoded = [base64.b64encode(item).decode() for item in result.numpy()]
            return {"predictions": [{"b64": item} for item in encoded]}
        return {"predictions": result.numpy().tolist()}

    def _find(self, signature):
        if signature not in self._signatures:
            raise Refused(f"Serving signature name: {signature!r} not found")
        return self._signatures[signature]


def _decoded(instance):
    if not isinstance(instance, dict):
        return instance
    if set(instance) != {"b64"} or not isinstance(instance["b64"], str):
        raise Refused("binary values are objects with the one key 'b64'")
    return base64.b64decode(instance["b64"], validate=True)


@contextlib.contextmanager
def rest_server(model, tls=None):
    """URL of a server of the REST API.

    Args:
        model: What is served.
        tls: A `Certificate`, for https.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            status = 200
            if self.path != f"/v1/models/{model.name}:predict":
                status, answer = 404, {"error": f"Servable not found for request: {self.path}"}
            else:
                try:
                    answer = model.predict_json(json.loads(content))
                except Refused as error:
                    status, answer = 400, {"error": str(error)}
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("localhost", 0), Handler) as server:
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.certificate, tls.key)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def grpc_server(model, tls=None):
    """URL of a server of the gRPC API, which takes messages of any size as TensorFlow's does.

    Args:
        model, tls: As for `rest_server`.
    """

    class Service(PredictionServiceServicer):
        def Predict(self, request, context):
            if request.model_spec.name != model.name:
                context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found for request")
            arguments = {k: tf.constant(tf.make_ndarray(v)) for k, v in request.inputs.items()}
            try:
                outputs = model.run(request.model_spec.signature_name, arguments)
            except Refused as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            answer = PredictResponse()
            for name, value in outputs.items():
                answer.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
            return answer

    limits = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(1), options=limits)
    add_PredictionServiceServicer_to_server(Service(), server)
    if tls:
        pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
        port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([pair]))
    else:
        port = server.add_insecure_port("localhost:0")
    server.start()
    try:
        yield f"{'grpcs' if tls else 'grpc'}://localhost:{port}"
    finally:
        server.stop(None).wait()
