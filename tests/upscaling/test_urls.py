"""Pictures from URLs and to URLs: in memory, and on an S3 server of this machine."""

import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from optional import optional
from PIL import Image

from awsrn_keras.__main__ import run
from awsrn_keras.errors import InputError
from awsrn_keras.upscaling.jobs import plan

UPath = optional("upath").UPath
HOW = ["--preset", "awsrn_nano_x2", "--engine", "litert"]


@pytest.fixture
def folder(tmp_path):
    """`in/a.png`, `in/deep/b.jpg` and their results on this machine in `expected`."""
    random = np.random.default_rng(0)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name, height in (("a.png", 12), ("deep/b.jpg", 21)):
        pixels = random.integers(0, 256, (height, 16, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "in" / name)
    assert run(["upscale", str(tmp_path / "in"), "-o", str(tmp_path / "expected"), *HOW]) == 0
    return tmp_path


@pytest.fixture
def memory():
    yield UPath("memory://")
    UPath("memory://").fs.store.clear()


@pytest.fixture(scope="module")
def s3():
    """The address of an S3 server."""
    optional("moto")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", port],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", int(port))).close()
                break
            except ConnectionRefusedError:
                assert server.poll() is None
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def copy(folder, url):
    for file in folder.rglob("*.*"):
        (url / file.relative_to(folder).as_posix()).write_bytes(file.read_bytes())


def assert_same(folder, url):
    url.fs.invalidate_cache()
    root = url.path.rstrip("/")
    found = {name.removeprefix(root + "/"): url.fs.cat_file(name) for name in url.fs.find(root)}
    files = (file for file in folder.rglob("*.*"))
    assert found == {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_a_folder_from_and_to_memory(folder, memory, capsys):
    copy(folder / "in", memory / "in")
    for name in ("film.mov", ".hidden.png", "@eaDir/a.png"):
        (memory / "in" / name).write_bytes(b"no picture")
    command = ["upscale", "memory://in", "-o", "memory://out", *HOW]

    assert run(command) == 0

    assert_same(folder / "expected", memory / "out")
    out = capsys.readouterr().out
    assert "memory://in/deep/b.jpg -> memory://out/deep/b.jpg  16x21 -> 32x42" in out
    assert "1 file skipped: .mov\n2 of 2 pictures upscaled" in out
    (memory / "out" / "a.png").unlink()
    assert run([*command, "--skip-existing"]) == 0
    assert_same(folder / "expected", memory / "out")
    assert "1 of 2 pictures upscaled, 1 were there already" in capsys.readouterr().out
    assert run(command) == 1
    assert capsys.readouterr().err.count("is there already; --overwrite replaces it") == 2


def test_one_file_and_a_pattern(folder, memory):
    copy(folder / "in", memory / "in")
    assert run(["upscale", "memory://in/*/*.jpg", "-o", str(folder / "out"), *HOW]) == 0
    assert (folder / "out/b.jpg").read_bytes() == (folder / "expected/deep/b.jpg").read_bytes()
    assert run(["upscale", "memory://in/a.png", "-o", "memory://x.png", *HOW]) == 0
    assert UPath("memory://x.png").read_bytes() == (folder / "expected/a.png").read_bytes()
    inside = (folder / "in").as_uri(), "-o", (folder / "of_uri").as_uri()
    assert run(["upscale", *inside, *HOW]) == 0
    assert (folder / "of_uri/a.png").read_bytes() == (folder / "expected/a.png").read_bytes()


def test_mistakes_are_one_line(folder, memory, capsys):
    copy(folder / "in", memory / "in")
    for inputs, output, message in (
        ("memory://none", "out", "memory://none: no such file or folder"),
        ("memory://none/*.png", "out", "memory://none/.*: no such file or folder"),
        ("memory://in", "memory://in", "memory://in/a.png: is an input"),
        ("unknown://in", "out", "unknown://in: Unsupported filesystem"),
        ("memory://in", "unknown://out", "unknown://out: Unsupported filesystem"),
        ("hdfs://in", "out", "hdfs://in: "),
    ):
        with pytest.raises(InputError, match=message) as caught:
            plan([inputs], output)
        assert "\n" not in str(caught.value)
    (memory / "in" / "bad.png").write_bytes(b"no picture")
    assert run(["upscale", "memory://in", "-o", "memory://out", *HOW]) == 1
    assert capsys.readouterr().err.startswith("error: memory://in/bad.png: not a PNG, ")


def test_videos_are_files(folder, memory):
    (memory / "in" / "a.mp4").write_bytes(b"no film")
    with pytest.raises(InputError, match=r"memory://in/a\.mp4: videos"):
        run(["upscale", "memory://in/a.mp4", "-o", str(folder / "out"), *HOW])
    with pytest.raises(InputError, match="--cluster is for pictures"):
        run(["upscale", "memory://in/a.mp4", "-o", "out", "--cluster", "local", *HOW])


@pytest.mark.slow
def test_s3(folder, s3, monkeypatch, capsys):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = UPath("s3://photos")
    bucket.mkdir()
    copy(folder / "in", bucket / "in")
    command = ["upscale", "s3://photos/in", "-o", "s3://photos/out", *HOW]

    assert run(command) == 0

    assert_same(folder / "expected", bucket / "out")
    assert run([*command, "--skip-existing"]) == 0
    assert "2 were there already" in capsys.readouterr().out
    cluster = ["--cluster", "local", "--overwrite"]
    subprocess.run([sys.executable, "-m", "awsrn_keras", *command, *cluster], check=True)
    assert_same(folder / "expected", bucket / "out")
    with pytest.raises(InputError, match=r"s3://nowhere/out: .*[Bb]ucket"):
        run(["upscale", "s3://photos/in", "-o", "s3://nowhere/out", *HOW])
