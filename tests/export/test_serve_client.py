"""`serve_client.py` against servers that speak TensorFlow Serving's APIs on local ports."""

import base64
import io
import json
import socket
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from model_server import ServedModel, grpc_server, make_certificate, rest_server
from PIL import Image

from awsrn_keras.command_line import run_command
from awsrn_keras.pictures import read_picture
from export.serve_client import main
from export.serving.servers import connect

NAME = "awsrn_sd_x3"
USAGE = "give http://HOST:8501 or grpc://HOST:8500; with TLS https:// or grpcs://"
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
) -> None:
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
) -> None:
    model, _ = exported
    alpha = np.full((28, 36), 255, np.uint8)
    alpha[5:20, 7:30] = 90
    Image.fromarray(np.dstack([PHOTO, alpha])).save(tmp_path / "alpha.png")
    grey16 = PHOTO[..., 0].astype(np.uint16) * 257 + 100  # rounds up or down
    Image.fromarray(grey16).save(tmp_path / "grey16.png")
    even = np.full_like(alpha, 90)
    Image.fromarray(np.dstack([PHOTO, even])).save(tmp_path / "even.png")
    out = tmp_path / "out"
    files = (tmp_path / "alpha.png", tmp_path / "grey16.png", tmp_path / "even.png")
    assert run(*files, "-o", out, "--server", server, "--model", NAME) == 0
    assert "not kept: 16 bits (rounded to 8)" in capsys.readouterr().out

    result = read(out / "alpha.png")
    assert_nearly_equal(result[..., :3], expected(model, PHOTO))
    wanted = expected(model, np.dstack([alpha] * 3)).mean(axis=2)
    assert np.abs(result[..., 3] - wanted).max() <= 1.5
    assert (expected(model, np.dstack([even] * 3)) != 90).any()
    assert (read(out / "even.png")[..., 3] == 90).all()
    grey = np.dstack([(grey16.astype(int) + 128) // 257] * 3)
    result = read(out / "grey16.png")
    assert result.dtype == np.uint8
    assert np.abs(result - expected(model, grey).mean(axis=2)).max() <= 1.5


@pytest.mark.slow
def test_the_rest_body_is_what_the_documentation_asks_for(rest, served, tmp_path) -> None:
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
def test_a_refused_picture_is_reported_and_the_rest_go_on(server, tmp_path, capfd) -> None:
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
def test_messages_above_grpcs_4_mib_go_both_ways(served, grpc) -> None:
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
def test_a_server_without_the_model_ends_the_run(server, tmp_path, capfd) -> None:
    for name in ("a.png", "b.png"):
        Image.fromarray(PHOTO).save(tmp_path / name)
    assert run(tmp_path, "-o", tmp_path / "out", "--server", server, "--model", "other") == 2
    error = capfd.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert "Servable not found" in error
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=[rest_server, grpc_server], ids=["rest", "grpc"])
def start(request):
    """A server of each kind, to be started for a model."""
    return request.param


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(PHOTO).save(path)
    return path


@pytest.fixture
def refused(photo, tmp_path, capfd):
    """A function that asks for the photo and gives the line of the error: status 2, no result."""

    def ask(*arguments, path=photo):
        assert run(path, "-o", tmp_path / "out.png", "--model", NAME, *arguments) == 2
        assert not (tmp_path / "out.png").exists()
        printed = capfd.readouterr()
        lines = [line for line in printed.err.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1
        assert "Traceback" not in printed.err
        assert printed.out == ""
        return lines[0]

    return ask


class Answering(ServedModel):
    """Gives for the pictures of a request what a function makes of them."""

    def __init__(self, answer):
        self.name = NAME
        self._answer = answer

    def run(self, signature, arguments):
        pictures = [read(io.BytesIO(file)) for file in arguments["image_bytes"].numpy()]
        files = []
        for pixels in self._answer(pictures):
            content = io.BytesIO()
            Image.fromarray(pixels).save(content, "PNG")
            files.append(content.getvalue())
        return {"upscaled_bytes": tf.constant(files)}

    def predict_json(self, body):
        files = [base64.b64decode(instance["b64"]) for instance in body["instances"]]
        (results,) = self.run(body["signature_name"], {"image_bytes": tf.constant(files)}).values()
        return {"predictions": [{"b64": base64.b64encode(f).decode()} for f in results.numpy()]}


def enlarged(pixels, scale=2):
    pixels = np.dstack([pixels] * 3) if pixels.ndim == 2 else pixels
    return pixels.repeat(scale, axis=0).repeat(scale, axis=1)


def test_tls_with_a_certificate_that_the_client_is_told_to_trust(
    start, certificate, refused, photo, tmp_path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with start(Answering(lambda files: [enlarged(file) for file in files]), certificate) as url:
        assert url.startswith(("https://", "grpcs://"))
        assert "certificate" in refused("--server", url).lower()
        plain = url.replace("s://", "://")
        assert url.rpartition(":")[2] in refused("--server", plain)
        wrong = make_certificate(other).certificate
        assert "certificate" in refused("--server", url, "--ca", wrong).lower()
        result = tmp_path / "result.png"
        scheme, colon, rest = url.partition(":")  # capitals are as good
        arguments = ("--server", scheme.upper() + colon + rest, "--ca", certificate.certificate)
        assert run(photo, "-o", result, "--model", NAME, *arguments) == 0
        np.testing.assert_array_equal(read(result), enlarged(PHOTO))


def test_the_wrong_port_and_plain_servers_asked_with_tls_are_said(refused, certificate) -> None:
    model = Answering(lambda files: files)
    with rest_server(model) as rest, grpc_server(model) as grpc:
        rest_port, grpc_port = rest.rpartition(":")[2], grpc.rpartition(":")[2]
        reason = "no HTTP is spoken there; is it the port of gRPC?"
        assert reason in refused("--server", f"http://localhost:{grpc_port}")
        assert "UNAVAILABLE" in refused("--server", f"grpc://localhost:{rest_port}")
        ca = ("--ca", certificate.certificate)
        reason = "no TLS is spoken there; is it http://?"
        assert reason in refused("--server", f"https://localhost:{rest_port}", *ca)
        assert "UNAVAILABLE" in refused("--server", f"grpcs://localhost:{grpc_port}", *ca)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "its answer was cut short"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{", "its answer is not that of"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * 100_000, "its answer is not that of"),
        (b"HTTP/1.1 400 Bad\r\nContent-Length: 100\r\n\r\n{", "400"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\n\xff\n", "503"),
        (b"HTTP/1.1 302 Gone\r\nLocation: file:///etc\r\n\r\n", "302"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no HTTP is spoken there"),
        (b"", "no server answers"),
    ],
    ids=["cut", "no list", "deep", "refusal cut", "busy", "redirect", "ssh", "nothing"],
)
def test_broken_answers_by_rest_are_one_line(answer, reason, refused, photo, tmp_path) -> None:
    with socket.create_server(("localhost", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                request = b""
                while not request.endswith(b"}]}"):
                    request += connection.recv(1 << 16)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://localhost:{server.getsockname()[1]}"
        if answer.startswith(b"HTTP/1.1 400"):  # a picture that is refused: the rest would go on
            assert run(photo, "-o", tmp_path / "out.png", "--server", url) == 1
        else:
            assert reason in refused("--server", url)
        thread.join()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda files: [np.zeros((3, 5, 3), np.uint8)] * len(files), "gives 5x3 pixels for 36x28"),
        (lambda files: files, "gives 36x28 pixels for 36x28"),
        (lambda files: [enlarged(file)[1:] for file in files], "gives 72x55 pixels for 36x28"),
        (lambda files: [enlarged(file)[..., 0] for file in files], "no PNG file of 8-bit RGB"),
        (lambda files: [], "gives 0 pictures for"),
        (lambda files: [enlarged(file) for file in (*files, *files)], "pictures for"),
    ],
    ids=["small", "same", "row missing", "grey", "none", "twice"],
)
def test_results_that_are_not_the_picture_upscaled_are_refused(
    start, answer, reason, refused
) -> None:
    with start(Answering(answer)) as url:
        assert reason in refused("--server", url)


def test_transparency_of_another_scale_is_refused(start, refused, tmp_path) -> None:
    path = tmp_path / "alpha.png"
    Image.fromarray(np.dstack([PHOTO, PHOTO[..., 0]])).save(path)
    with start(Answering(lambda files: [enlarged(files[0]), enlarged(files[1], 3)])) as url:
        assert "gives 108x84 pixels for 36x28" in refused("--server", url, path=path)


@pytest.mark.parametrize("scheme", ["http", "https", "grpc", "grpcs"])
def test_a_password_is_refused_and_not_repeated(scheme, photo, tmp_path, capfd) -> None:
    for server in (
        f"{scheme}://me:s3cret@localhost:1",
        f"{scheme}://s3cret@localhost:1",
        f"{scheme}://localhost:1/?token=s3cret",
        "me:s3cret@localhost:1",
    ):
        assert run(photo, "-o", tmp_path / "out.png", "--server", server) == 2
        printed = capfd.readouterr()
        assert "--server: give the URL without user name, password" in printed.err
        assert "s3cret" not in printed.out + printed.err


def test_mistakes_are_one_line(tmp_path, capfd) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(PHOTO).save(path)
    with socket.socket() as free:  # bound, but nobody listens
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
        for arguments, reason in (
            ([path, "--server", f"http://localhost:{port}"], "no server answers"),
            ([path, "--server", f"grpc://localhost:{port}"], "UNAVAILABLE"),
            ([path, "--server", "localhost:8501"], USAGE),
            ([path, "--server", "http://localhost:port"], USAGE),
            ([path, "--server", "http://localhost:70000"], USAGE),
            ([path, "--server", "grpc://localhost:0"], USAGE),
            ([path, "--server", "http://[::1"], USAGE),
            ([path, "--server", "http://:8501"], USAGE),
            ([path, "--server", "grpc://localhost:8500/path"], USAGE),
            ([path, "--server", f"http://{'a' * 70}:1"], "no server answers"),
            ([path, "--server", "http://a b:1"], "no server answers"),
            ([path, "--server", f"http://localhost:{port}", "--model", "a b\u00e9"], "a%20b%C3%A9"),
            ([path, "--ca", path], "only"),
            ([path, "--server", "https://localhost:1", "--ca", path], "holds no PEM certificate"),
            ([path, "--server", "grpcs://localhost:1", "--ca", path], "holds no PEM certificate"),
            ([path, "--server", "https://localhost:1", "--ca", tmp_path / "no"], "No such file"),
            ([path, "--timeout", "inf"], "--timeout inf: give more than 0 seconds"),
            ([path, "--timeout", "0"], "--timeout 0: give more than 0 seconds"),
            ([tmp_path / "none.png"], "none.png: no such file or folder"),
        ):
            assert run(*arguments, "-o", tmp_path / "out") == 2
            error = capfd.readouterr().err.strip().splitlines()[-1]
            assert error.startswith("error: ")
            assert reason in error
            assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("answer", [b"not JSON", b'{"outputs": []}', b'{"predictions": [1.5]}'])
def test_an_answer_of_another_kind_is_said_so(answer, tmp_path, capsys) -> None:
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
