"""How fast a .tflite file is on this machine, by LiteRT's own benchmark command."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from .gpu import reason_of
from .timings import DidNotRun

_SLOW_MS = 2000
_LONGEST = 900  # seconds for a single picture, and for what comes before it
_CHECKOUT = Path(__file__).parents[2]


class Speed(NamedTuple):
    """Median and 95th percentile of a picture's time; the largest memory of the process, MiB."""

    median_ms: float
    p95_ms: float
    peak_mb: float


def measure_speed(
    path: Path, threads: int, runs: int, accelerator: str = "cpu", variables: dict | None = None
) -> Speed:
    """Time a file in a process of its own; once only if a picture takes more than two seconds.

    Args:
        accelerator: cpu, or gpu or npu, which then has to take the whole graph.
        variables: What the environment of the process holds besides this one's.

    Raises:
        DidNotRun: LiteRT's reason.
    """
    speed = _run(path, threads, 1, accelerator, variables)
    if speed.median_ms > _SLOW_MS:
        return speed
    return _run(path, threads, runs, accelerator, variables)


def _run(path: Path, threads: int, runs: int, accelerator: str, variables: dict | None) -> Speed:
    place = [f"--num_threads={threads}"]
    if accelerator != "cpu":
        place = [f"--use_{accelerator}", "--require_full_delegation"]
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, "-m", "export.measure.litert_benchmark"]
        command += [f"--model={path.resolve()}", *place, f"--num_runs={runs}", "--warmup_runs=1"]
        command.append(f"--result_json={result}")  # has to be the last
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                errors="replace",
                cwd=_CHECKOUT,
                env={**os.environ, **(variables or {})},
                timeout=_LONGEST + runs * _SLOW_MS / 1000,
            )
        except subprocess.TimeoutExpired as error:
            raise DidNotRun(f"no result in {error.timeout:.0f} s") from None
        if done.returncode:
            raise DidNotRun(reason_of(done, accelerator))
        figures = json.loads(result.read_text())
    latency = figures["latency"]
    return Speed(latency["median_ms"], latency["p95_ms"], figures["peak_mb"])
