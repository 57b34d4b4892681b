"""How fast a .tflite file is on this machine, by LiteRT's own benchmark command."""

import json
import tempfile
from pathlib import Path
from typing import NamedTuple

from .running import reason_of, run_module
from .timings import DidNotRun

_SLOW_MS = 2000
_LONGEST = 900  # seconds for a single picture, and for what comes before it


class Speed(NamedTuple):
    """Median and 95th percentile of a picture's time; the largest memory of the process, MiB."""

    median_ms: float
    p95_ms: float
    peak_mb: float


def measure_speed(
    path: Path,
    threads: int,
    runs: int,
    accelerator: str = "cpu",
    environment: dict[str, str] | None = None,
) -> Speed:
    """Time a file in a process of its own; once only if a picture takes more than two seconds.

    Args:
        accelerator: cpu, or gpu or npu, which then has to take the whole graph.
        environment: Variables of the process besides this one's.

    Raises:
        DidNotRun: LiteRT's reason.
    """
    place = [f"--num_threads={threads}"]
    if accelerator != "cpu":
        place = [f"--use_{accelerator}", "--require_full_delegation"]

    def run(runs: int) -> Speed:
        return _run(path, place, runs, accelerator, environment or {})

    once = run(1)
    return once if once.median_ms > _SLOW_MS else run(runs)


def _run(
    path: Path, place: list[str], runs: int, accelerator: str, environment: dict[str, str]
) -> Speed:
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = ["export.measure.litert_benchmark", f"--model={path.resolve()}", *place]
        command += [f"--num_runs={runs}", "--warmup_runs=1"]
        command.append(f"--result_json={result}")  # has to be the last
        done = run_module(command, environment, _LONGEST + runs * _SLOW_MS / 1000)
        if done.returncode:
            raise DidNotRun(reason_of(done, accelerator))
        figures = json.loads(result.read_text())
    latency = figures["latency"]
    return Speed(latency["median_ms"], latency["p95_ms"], figures["peak_mb"])
