"""How good, fast and large .tflite files are."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from awsrn_keras.data import PairBank, load_pairs
from export.measure.gpu import reason_of
from export.measure.timings import DidNotRun
from export.tflite.flatbuffer import read_graph, read_metadata
from export.tflite.runtime import LiteRTModel

_SLOW_MS = 2000
_CHECKOUT = Path(__file__).parents[2]


class Speed(NamedTuple):
    """Time of one picture, and the largest memory of the process that measured it, MiB."""

    median_ms: float
    p90_ms: float
    p95_ms: float
    peak_mb: float


def benchmark(
    path: Path, threads: int, runs: int, accelerator: str = "cpu", variables: dict | None = None
) -> Speed:
    """Measure a file with LiteRT's own benchmark command, in a process of its own.

    A file that takes more than two seconds for a picture is timed once.

    Args:
        accelerator: cpu, or gpu or npu, which then has to take the whole graph.
        variables: What the environment of the process holds besides this one's.

    Raises:
        DidNotRun: LiteRT's reason.
    """
    speed = _benchmark(path, threads, 1, accelerator, variables)
    if speed.median_ms > _SLOW_MS:
        return speed
    return _benchmark(path, threads, runs, accelerator, variables)


def _benchmark(path, threads, runs, accelerator, variables):
    place = [f"--num_threads={threads}"]
    if accelerator != "cpu":
        place = [f"--use_{accelerator}", "--require_full_delegation"]
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [
            sys.executable,
            "-m",
            "export.measure.litert_benchmark",
            f"--model={path.resolve()}",
        ]
        command += [*place, f"--num_runs={runs}", "--warmup_runs=1"]
        command.append(f"--result_json={result}")  # has to be the last
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            cwd=_CHECKOUT,
            env={**os.environ, **(variables or {})},
        )
        if done.returncode:
            raise DidNotRun(reason_of(done, accelerator))
        figures = json.loads(result.read_text())
    latency = figures["latency"]
    return Speed(latency["median_ms"], figures["p90_ms"], latency["p95_ms"], figures["peak_mb"])


class Upscaler:
    """A file as a function from a whole uint8 picture to one `scale` times larger.

    A file whose input cannot be resized (int16x8, or any with `windows`) reads overlapping
    windows of its own size, mirrored beyond the border of the picture.
    """

    def __init__(self, path: Path, windows: bool = False):
        content = path.read_bytes()
        graph = read_graph(content)
        facts = read_metadata(path)
        self._model = LiteRTModel(content)
        self._scale, self._margin = facts["scale"], facts["receptive_field"]
        self._size = graph.tensors[graph.inputs[0]].shape[1:3]
        self._windows = windows or "RESHAPE" in graph.operator_names()

    def __call__(self, lr: np.ndarray) -> np.ndarray:
        if not self._windows:
            return self._model(lr[None])[0]
        (height, width), margin, scale = self._size, self._margin, self._scale
        net_height, net_width = height - 2 * margin, width - 2 * margin
        rows, columns = -(-lr.shape[0] // net_height), -(-lr.shape[1] // net_width)
        below = rows * net_height - lr.shape[0] + margin
        right = columns * net_width - lr.shape[1] + margin
        padded = np.pad(lr, [(margin, below), (margin, right), (0, 0)], mode="symmetric")
        inner = slice(scale * margin, -scale * margin)
        strips = []
        for top in range(0, rows * net_height, net_height):
            windows = [
                padded[top : top + height, left : left + width]
                for left in range(0, columns * net_width, net_width)
            ]
            tiles = [self._model(window[None])[0, inner, inner] for window in windows]
            strips.append(np.concatenate(tiles, axis=1))
        whole = np.concatenate(strips)
        return whole[: scale * lr.shape[0], : scale * lr.shape[1]]

    @property
    def by_windows(self) -> bool:
        return self._windows


def picture_sets(data: list[str], scale: int) -> dict[str, PairBank]:
    """Pictures by the name of their set: `sample`, `div2k` or folders.

    A folder holds high-resolution pictures, or `x<scale>/HR` and `x<scale>/LR` with such.
    """
    sets = {}
    for item in data:
        inside = Path(item) / f"x{scale}"
        if (inside / "HR").is_dir():
            sets[Path(item).name] = load_pairs([inside / "HR"], scale, lr_dir=inside / "LR")
        else:
            sets[Path(item).name] = load_pairs([item], scale, "validation")
    return sets
