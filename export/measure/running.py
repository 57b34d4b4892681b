"""A file run by LiteRT in a process of its own: on this processor, on a GPU or on an Arm."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

_PARTLY = re.compile(r"(\d+) operations will run on the GPU, and the remaining (\d+)")
_PLACE = re.compile(r"^ERROR: \[(?:.*/)?(.+)\]$")  # all it says is a line of its source
_MISSING = {
    "gpu": ("No adapters found", "LiteRT finds no GPU"),
    "npu": ("NPU accelerator could not be loaded", "LiteRT finds no NPU"),
}
_LITERT_WAITS = 115  # seconds; seen to give up after two minutes
_LONGEST = 600  # seconds for one file, compiling included
_TOO_SLOW = "no result in the two minutes that LiteRT waits for; export a smaller size"
_CHECKOUT = Path(__file__).parents[2]


class Device(NamedTuple):
    """What LiteRT runs files on.

    Args:
        kind: "processor", "GPU" or "Arm".
        name: As its driver or maker says.
        stand_in: What computes in its place on this machine's processor, if anything does.
        environment: Variables of the process besides this one's.
        python: The command that starts Python there.
    """

    kind: str
    name: str
    stand_in: str | None = None
    environment: dict[str, str] | None = None
    python: tuple[str, ...] = (sys.executable,)

    @property
    def accelerator(self) -> str:
        """As LiteRT calls it."""
        return "gpu" if self.kind == "GPU" else "cpu"

    def __str__(self) -> str:
        return f"{self.name} ({self.stand_in})" if self.stand_in else self.name


PROCESSOR = Device("processor", "this machine's processor")


class CompiledRun(NamedTuple):
    """What `run_compiled` gives: `pixels` are None, and `reason` says why, where it failed.

    `whole` is None where it failed before that was known.
    """

    pixels: np.ndarray | None
    whole: bool | None
    reason: str | None


def run_compiled(
    model: Path, picture: np.ndarray, device: Device, float32: bool = False
) -> CompiledRun:
    """One picture through a file by LiteRT's CompiledModel.

    Args:
        picture: `(1, height, width, 3)`, 0..255.
        device: Where.
        float32: Compute in 32 bits on a GPU, too.
    """
    with tempfile.TemporaryDirectory() as folder:
        result, source = Path(folder) / "result.npz", Path(folder) / "picture.npy"
        np.save(source, picture)
        began = time.monotonic()
        done = start(device, model, result, source, *["--float32"] * float32)
        if done.returncode:
            late = device.kind == "GPU" and time.monotonic() - began > _LITERT_WAITS
            whole = False if _PARTLY.search(done.stderr) else None
            reason = _TOO_SLOW if late else reason_of(done, device.accelerator)
            return CompiledRun(None, whole, reason)
        with np.load(result) as facts:
            return CompiledRun(facts["pixels"], bool(facts["whole"]), None)


def start(
    device: Device, model: Path, result: Path, *arguments: str | Path
) -> subprocess.CompletedProcess:
    """Run compiled_run.py there."""
    program = ["export.measure.compiled_run", str(model.resolve()), device.accelerator]
    command = [*program, result, *arguments]
    return run_module(command, device.environment, _LONGEST, device.python)


def run_module(
    command: Sequence[str | Path],
    environment: dict[str, str] | None,
    seconds: float,
    python: Sequence[str] = (sys.executable,),
) -> subprocess.CompletedProcess:
    """Run a module of this checkout; one that takes longer counts as one that failed.

    Args:
        command: The module's name and its arguments.
        environment: Variables besides this process's own.
        seconds: The longest it may take.
        python: The command that starts Python.
    """
    try:
        return subprocess.run(
            [*python, "-m", *command],
            env={**os.environ, **(environment or {})},
            cwd=_CHECKOUT,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        return subprocess.CompletedProcess(error.cmd, 1, "", f"no result in {seconds:.0f} s")


def reason_of(done: subprocess.CompletedProcess, accelerator: str) -> str:
    """Why LiteRT failed in a process of its own, from what that wrote to stderr; one line."""
    if done.returncode < 0:
        return f"the process ended by signal {-done.returncode}"
    partly = _PARTLY.search(done.stderr)
    if partly:
        return f"{partly[1]} operators run on the GPU and {partly[2]} do not"
    words, reason = _MISSING.get(accelerator, ("", None))
    if reason is not None and words in done.stderr:
        return reason
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("\u2514") or "Error" in line]
    said = (errors or lines or ["it says nothing"])[-1].strip("\u2514 ")[:200]
    return _PLACE.sub(r"LiteRT cannot load it (\1)", said)
