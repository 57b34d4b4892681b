"""Whatever the network or a decoder raises on one picture, `awsrn upscale` does the others."""

import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from awsrn_keras.__main__ import run
from awsrn_keras.upscaling.litert_engine import LiteRTEngine

NO_MEMORY = "not enough memory; a smaller --tile needs less."
ERRORS = {
    "tensorflow": (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"), NO_MEMORY),
    "jax": (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.\nat"), NO_MEMORY),
    "torch": (type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory."), NO_MEMORY),
    "python": (MemoryError(), NO_MEMORY),
    "struct": (struct.error("'I' format requires"), "error: 'I' format requires"),
    "lines": (ValueError("first\nsecond"), "ValueError: first"),
    "disk": (OSError(28, "No space left on device"), "out/b.png: No space left on device"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory with three pictures of different heights in `in`."""
    (tmp_path / "in").mkdir()
    for name, height in (("a", 8), ("b", 9), ("c", 10)):
        values = np.random.default_rng(height).integers(0, 256, (height, 12, 3), dtype=np.uint8)
        Image.fromarray(values).save(tmp_path / "in" / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def failing_on_height_9(monkeypatch, error):
    upscale = LiteRTEngine.__call__

    def call(self, window):
        if window.shape[0] == 9:
            raise error
        return upscale(self, window)

    monkeypatch.setattr(LiteRTEngine, "__call__", call)


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_on_one_picture_is_one_line(folder, monkeypatch, capsys, name):
    error, reason = ERRORS[name]
    failing_on_height_9(monkeypatch, error)

    status = run(["upscale", "in", "-o", "out", "--engine", "litert"])

    shown = capsys.readouterr()
    assert status == 1
    assert shown.err.startswith("error: ")
    assert shown.err.count("\n") == 1
    assert "b.png" in shown.err
    assert reason in shown.err
    assert "2 of 3 pictures upscaled" in shown.out
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["a.png", "c.png"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_a_stop_is_a_stop(folder, monkeypatch, error):
    failing_on_height_9(monkeypatch, error)
    with pytest.raises(type(error)):
        run(["upscale", "in", "-o", "out", "--engine", "litert"])
    assert [path.name for path in (folder / "out").iterdir()] == ["a.png"]
