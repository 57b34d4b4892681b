"""`serve_client.py` against servers that speak TensorFlow Serving's APIs on local ports."""

import base64
import io
import json
import socket

import keras
import numpy as np
import pytest
from model_server import ServedModel, grpc_server, rest_server
from PIL import Image

from awsrn_keras.command_line import run_command
from awsrn_keras.pictures import read_picture
from export.serve_client import main
from export.serving.servers import connect

NAME = "awsrn_sd_x3"
random = np.random.default_rng(0)
PHOTO = np.kron(random.integers(0, 256, (7, 9, 3), dtype=np.uint8), np.ones((4, 4, 1), np.uint8))


@pytest.fixture(scope="module")
def served(exported):
    return ServedModel(NAME, exported[1] / "saved_model/1")


@pytest.fixture(scope="module")
def rest(served):
    with rest_server(served) as url:
        yield url


@pytest.fixture(scope="module")
def grpc(served):
    with grpc_server(served) as url:
        yield url


@pytest.fixture(params=["rest", "grpc"])
def server(request):
    return request.getfixturevalue(request.param)


def expected(model, pixels):
    upscaled = keras.ops.convert_to_numpy(model(pixels[None].astype("float32")))[0]
    return np.rint(np.clip(upscaled, 0, 255))


def assert_nearly_equal(pixels, wanted):
    assert pixels.shape == wanted.shape
    assert wanted.std() > 10
    difference = np.abs(pixels - wanted)
    assert difference.max() <= 1
    assert np.mean(difference > 0) < 1e-3


def read(path):
    with Image.open(path) as image:
        return np.asarray(image)


def run(*arguments):
    """Exit status of the command."""
    with pytest.raises(SystemExit) as exit:
        run_command(lambda: main(list(map(str, arguments))))
    return exit.value.code


@pytest.mark.slow
def test_a_turned_photo_comes_back_upright_with_its_exif_and_profile(
    server, exported, tmp_path, capsys
):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A camera"
    profile = b"\0" * 16 + b"RGB " + b"\0" * 200
    path, result = tmp_path / "photo.png", tmp_path / "out.jpg"
    Image.fromarray(PHOTO).save(path, exif=exif, icc_profile=profile)
    assert run(path, "-o", result, "--server", server, "--model", NAME) == 0
    assert capsys.readouterr().out == f"{path} -> {result}  28x36 -> 84x108\n"

    upright = np.rot90(PHOTO, -1)  # orientation 6: turn clockwise
    picture = read_picture(result)
    assert picture.pixels.shape == (108, 84, 3)
    difference = picture.pixels - expected(exported[0], upright)
    assert np.sqrt(np.mean(difference**2)) < 6  # JPEG
    with Image.open(result) as image:
        tags = image.getexif()
    assert (tags[0x010F], tags[0x0112]) == ("A camera", 1)
    assert picture.icc == profile


@pytest.mark.slow
def test_alpha_and_16_bits_go_as_8_bit_pictures_and_what_is_lost_is_said(
    server, exported, tmp_path, capsys
):
    model, _ = exported
    alpha = np.full((28, 36), 255, np.uint8)
    alpha[5:20, 7:30] = 90
    Image.fromarray(np.dstack([PHOTO, alpha])).save(tmp_path / "alpha.png")
    grey16 = PHOTO[..., 0].astype(np.uint16) * 257 + 100  # rounds up or down
    Image.fromarray(grey16).save(tmp_path / "grey16.png")
    out = tmp_path / "out"
    files = (tmp_path / "alpha.png", tmp_path / "grey16.png")
    assert run(*files, "-o", out, "--server", server, "--model", NAME) == 0
    assert "not kept: 16 bits (rounded to 8)" in capsys.readouterr().out

    result = read(out / "alpha.png")
    assert_nearly_equal(result[..., :3], expected(model, PHOTO))
    wanted = expected(model, np.dstack([alpha] * 3)).mean(axis=2)
    assert np.abs(result[..., 3] - wanted).max() <= 1.5
    grey = np.dstack([(grey16.astype(int) + 128) // 257] * 3)
    result = read(out / "grey16.png")
    assert result.dtype == np.uint8
    assert np.abs(result - expected(model, grey).mean(axis=2)).max() <= 1.5


@pytest.mark.slow
def test_the_rest_body_is_what_the_documentation_asks_for(rest, served, tmp_path):
    path = tmp_path / "photo.bmp"
    Image.fromarray(PHOTO).save(path)
    served.bodies.clear()
    assert run(path, "-o", tmp_path / "out", "--server", rest, "--model", NAME) == 0
    (body,) = served.bodies
    assert set(body) == {"signature_name", "instances"}
    assert body["signature_name"] == "upscale_bytes"
    (instance,) = body["instances"]
    assert set(instance) == {"b64"}
    sent = Image.open(io.BytesIO(base64.b64decode(instance["b64"], validate=True)))
    assert sent.format == "PNG"
    np.testing.assert_array_equal(np.asarray(sent), PHOTO)


@pytest.mark.slow
def test_a_refused_picture_is_reported_and_the_rest_go_on(server, tmp_path, capfd):
    Image.new("1", (4001, 4000)).save(tmp_path / "a_large.png")
    (tmp_path / "b_damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    Image.fromarray(PHOTO).save(tmp_path / "c_good.png")
    out = tmp_path / "out"
    arguments = (tmp_path, "-o", out, "--server", server, "--model", NAME)
    assert run(*arguments) == 1
    lines = capfd.readouterr().err.splitlines()  # TensorFlow's own among them
    large, damaged = [line for line in lines if line.startswith("error: ")]
    assert large.startswith(f"error: {tmp_path / 'a_large.png'}: ")
    assert "image_bytes[0]: declares 4001 x 4000 pixels, more than 16000000" in large
    assert "b_damaged.png" in damaged
    assert [file.name for file in out.iterdir()] == ["c_good.png"]

    assert run(out / "c_good.png", "-o", tmp_path, "--server", server, "--model", NAME) == 1
    assert "c_good.png is there already" in capfd.readouterr().err


@pytest.mark.slow
def test_messages_above_grpcs_4_mib_go_both_ways(served, grpc):
    noise = random.integers(0, 256, (1300, 1200, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(noise).save(content, "PNG", compress_level=0)
    assert len(content.getvalue()) > 4 * 2**20

    class Echo(ServedModel):
        def __init__(self):
            self.name = "echo"

        def run(self, signature, arguments):
            return {"upscaled_bytes": arguments["image_bytes"]}

    with grpc_server(Echo()) as url:
        files = [content.getvalue(), b"\0\1\0"]
        assert connect(url, "echo", 60).upscale(files) == files


@pytest.mark.slow
def test_a_server_without_the_model_ends_the_run(server, tmp_path, capfd):
    for name in ("a.png", "b.png"):
        Image.fromarray(PHOTO).save(tmp_path / name)
    assert run(tmp_path, "-o", tmp_path / "out", "--server", server, "--model", "other") == 2
    error = capfd.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert "Servable not found" in error
    assert not (tmp_path / "out").exists()


def test_mistakes_are_one_line(tmp_path, capfd):
    path = tmp_path / "a.png"
    Image.fromarray(PHOTO).save(path)
    with socket.socket() as free:  # bound, but nobody listens
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
        for arguments, reason in (
            ([path, "--server", f"http://localhost:{port}"], "no server answers"),
            ([path, "--server", f"grpc://localhost:{port}"], "UNAVAILABLE"),
            ([path, "--server", "localhost:8501"], "give http://HOST:8501 or grpc://HOST:8500"),
            ([path, "--timeout", "0"], "--timeout 0: give more than 0 seconds"),
            ([tmp_path / "none.png"], "none.png: no such file or folder"),
        ):
            assert run(*arguments, "-o", tmp_path / "out") == 2
            error = capfd.readouterr().err.strip().splitlines()[-1]
            assert error.startswith("error: ")
            assert reason in error


@pytest.mark.parametrize("answer", [b"not JSON", b'{"outputs": []}', b'{"predictions": [1.5]}'])
def test_an_answer_of_another_kind_is_said_so(answer, tmp_path, capsys):
    class Other(ServedModel):
        def __init__(self):
            self.name = NAME

        def predict_json(self, body):
            return json.loads(answer) if answer.startswith(b"{") else [1]

    path = tmp_path / "a.png"
    Image.fromarray(PHOTO).save(path)
    with rest_server(Other()) as url:
        assert run(path, "-o", tmp_path / "out", "--server", url, "--model", NAME) == 2
    assert "its answer is not that of upscale_bytes" in capsys.readouterr().err
