"""What docs/serving.md tells people to do, done: paths of the container, requests, TLS.

The servers are stand-ins for TensorFlow's, on ports of their own.
"""

import re
import shlex
import subprocess
from pathlib import Path

import keras
import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from model_server import Certificate, ServedModel, grpc_server, make_certificate, rest_server
from PIL import Image
from served_model import meta_graph, resolved, run_script
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from export.serve_client import main

pytestmark = pytest.mark.slow

GUIDE = (Path(__file__).parents[2] / "docs/serving.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
SCALE = 3


def block(word):
    """The one code block that holds a word."""
    (found,) = [text for text in BLOCKS if word in text]
    return found


def client_commands(options):
    """Arguments of the guide's calls of the client that have these options, and no others."""
    lines = re.findall(r"^python export/serve_client\.py (.*)", GUIDE, re.MULTILINE)
    ours = [shlex.split(line) for line in lines]
    return [words for words in ours if {w for w in words if w.startswith("--")} == options]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with pictures of the names in the guide."""
    random = np.random.default_rng(0)
    pixels = np.kron(random.integers(0, 256, (5, 8, 3), dtype=np.uint8), np.ones((8, 8, 1), "u1"))
    (tmp_path / "photos").mkdir()
    Image.fromarray(pixels).save(tmp_path / "photo.jpg", quality=95)
    Image.fromarray(pixels).save(tmp_path / "photos/one.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def served(exported):
    """The export under the name that the guide uses."""
    return ServedModel("awsrn_sd_x2", exported[1] / "saved_model/1")


def assert_upscaled(path, source, model):
    pixels, result = np.asarray(Image.open(source)), np.asarray(Image.open(path))
    upscaled = keras.ops.convert_to_numpy(model(pixels[None].astype("float32")))[0]
    expected = np.rint(np.clip(upscaled, 0, 255))
    assert expected.std() > 10
    assert result.shape == expected.shape
    assert np.abs(result - expected).mean() < 1  # decoders of JPEG differ a little


def test_the_container_finds_the_model_in_what_it_mounts_and_opens_no_port(
    exported, folder
) -> None:
    place = folder / "exports/awsrn_sd_x3"
    place.parent.mkdir()
    place.symlink_to(exported[1])
    words = shlex.split(block("docker run").replace("awsrn_sd_x2", "awsrn_sd_x3"))
    source, inside, _ = words[words.index("-v") + 1].replace("$PWD", str(folder)).split(":")

    def outside(path):
        return Path(source) / Path(path).relative_to(inside)

    (file,) = [word.partition("=")[2] for word in words if word.startswith("--model_config_file=")]
    parsed = text_format.Parse(outside(file).read_text(), ModelServerConfig())
    (config,) = parsed.model_config_list.config
    assert (config.name, config.model_platform) == ("awsrn_sd_x3", "tensorflow")
    versions = outside(config.base_path)
    assert [version.name for version in versions.iterdir()] == ["1"]
    image = np.full((1, 4, 5, 3), 100, "float32")
    request = resolved(meta_graph(versions.parent), "serving_default", {"image": image})
    ((code, _, upscaled),) = run_script("run_saved_model.py", versions.parent, requests=[request])[
        "answers"
    ]
    assert code == 0
    assert upscaled.shape == (1, 4 * SCALE, 5 * SCALE, 3)

    ports = [words[i + 1] for i, word in enumerate(words) if word == "-p"]
    assert ports == ["127.0.0.1:8500:8500", "127.0.0.1:8501:8501"]


def test_the_clients_commands_and_that_of_curl_upscale(served, exported, folder) -> None:
    with rest_server(served) as rest, grpc_server(served) as grpc:
        (words,) = client_commands(set())
        assert main([*words, "--server", rest]) == 0
        assert_upscaled("photo_x2.png", "photo.jpg", exported[0])
        (words,) = client_commands({"--server"})[:1]
        assert main([word.replace("grpc://localhost:8500", grpc) for word in words]) == 0
        assert_upscaled("upscaled/one.png", "photos/one.png", exported[0])
        Path("photo_x2.png").unlink()
        script = block("curl").replace("http://localhost:8501", rest)
        subprocess.run(["bash", "-ec", script], check=True, timeout=60)
        assert_upscaled("photo_x2.png", "photo.jpg", exported[0])


def test_grpc_with_the_ssl_config_that_the_guide_writes(served, exported, folder) -> None:
    make_certificate(folder)  # certificate.pem and key.pem
    subprocess.run(["bash", "-ec", block("ssl.config")], check=True, timeout=60)
    config = text_format.Parse(Path("tls/ssl.config").read_text(), ssl_config()())
    Path("server.pem").write_text(config.server_cert)
    Path("server_key.pem").write_text(config.server_key)
    Path("ca.pem").symlink_to("certificate.pem")
    tls = Certificate(Path("server.pem"), Path("server_key.pem"))
    (words,) = client_commands({"--server", "--ca"})
    with grpc_server(served, tls) as url:
        assert main([word.replace("grpcs://gpu.lan:8500", url) for word in words]) == 0
    assert_upscaled("photo_x2.png", "photo.jpg", exported[0])


def ssl_config():
    """SSLConfig of tensorflow_serving/config/ssl_config.proto."""
    file = descriptor_pb2.FileDescriptorProto(name="ssl.proto", syntax="proto3")
    message = file.message_type.add(name="SSLConfig")
    for number, name in enumerate(("server_key", "server_cert", "custom_ca"), 1):
        message.field.add(name=name, number=number, label=1, type=9)
    message.field.add(name="client_verify", number=4, label=1, type=8)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("SSLConfig"))
