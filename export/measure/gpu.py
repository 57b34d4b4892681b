"""The GPU of this machine as LiteRT sees it, and files run on it or on the processor."""

import functools
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

from awsrn_keras.upscaling.litert_engine import tflite_path

PACKAGES = "libvulkan1 chromium"  # Debian: the Vulkan loader; SwiftShader, a driver in software
_SWIFTSHADER = (
    "/usr/lib/chromium/vk_swiftshader_icd.json",
    "/usr/lib64/chromium-browser/vk_swiftshader_icd.json",
)
_DRIVER_VARIABLES = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")  # new and old name for the loader
_ADAPTER = re.compile(r"Selected adapter: (.*?), arch=.*adapterType=(.*)")
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


class Gpu(NamedTuple):
    """What LiteRT's GPU accelerator runs on.

    Args:
        name: As its driver says.
        software: It is a driver that computes on the processor.
        environment: Variables with which LiteRT finds it.
    """

    name: str
    software: bool
    environment: dict[str, str]

    def __str__(self) -> str:
        return f"{self.name} (a driver in software, no GPU)" if self.software else self.name


class CompiledRun(NamedTuple):
    """What `run_compiled` gives: `pixels` are None, and `reason` says why, where it failed.

    `whole` is None where it failed before that was known.
    """

    pixels: np.ndarray | None
    whole: bool | None
    reason: str | None


def find_gpu() -> Gpu | None:
    """The GPU that this system's drivers offer, or else SwiftShader, or else None.

    Where the environment names a driver (VK_DRIVER_FILES), no other is tried. LiteRT is
    asked once for each driver: it chooses a GPU when it compiles a file, so that a preset's
    is compiled.
    """
    return _find_gpu(tuple(filter(None, map(os.environ.get, _DRIVER_VARIABLES))))


@functools.cache
def _find_gpu(named: tuple[str, ...]) -> Gpu | None:
    model = Path(tflite_path("awsrn_sd_x2"))
    software = [file for file in _SWIFTSHADER if Path(file).is_file() and not named]
    for environment in [{}, *(dict.fromkeys(_DRIVER_VARIABLES, file) for file in software)]:
        with tempfile.TemporaryDirectory() as folder:
            done = _run(environment, model, "gpu", Path(folder) / "none.npz")
        adapter = _ADAPTER.search(done.stderr)
        if adapter:
            name, kind = adapter.groups()
            return Gpu(name, "CPU" in kind, environment)
    return None


def run_compiled(
    model: Path, picture: np.ndarray, gpu: Gpu | None, float32: bool = False
) -> CompiledRun:
    """One picture through a file by LiteRT's CompiledModel.

    Args:
        picture: `(1, height, width, 3)`, 0..255.
        gpu: Where; None is the processor.
        float32: Compute in 32 bits on the GPU, too.
    """
    with tempfile.TemporaryDirectory() as folder:
        result, source = Path(folder) / "result.npz", Path(folder) / "picture.npy"
        np.save(source, picture)
        place, environment = ("gpu", gpu.environment) if gpu else ("cpu", {})
        began = time.monotonic()
        done = _run(environment, model, place, result, source, *["--float32"] * float32)
        if done.returncode:
            late = gpu is not None and time.monotonic() - began > _LITERT_WAITS
            whole = False if _PARTLY.search(done.stderr) else None
            return CompiledRun(None, whole, _TOO_SLOW if late else reason_of(done, place))
        with np.load(result) as facts:
            return CompiledRun(facts["pixels"], bool(facts["whole"]), None)


def _run(
    environment: dict[str, str], model: Path, *arguments: str | Path
) -> subprocess.CompletedProcess:
    program = ["export.measure.compiled_run", model.resolve(), *arguments]
    return run_module(program, environment, _LONGEST)


def run_module(
    command: Sequence[str | Path], environment: dict[str, str], seconds: float
) -> subprocess.CompletedProcess:
    """Run a module of this checkout; one that takes longer counts as one that failed.

    Args:
        command: The module's name and its arguments.
        environment: Variables besides this process's own.
        seconds: The longest it may take.
    """
    try:
        return subprocess.run(
            [sys.executable, "-m", *command],
            env={**os.environ, **environment},
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
