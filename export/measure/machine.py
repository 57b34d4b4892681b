"""Timings on this machine by LiteRT's own benchmark command."""

import platform
import sys
from pathlib import Path

from awsrn_keras.command_line import cpu_cores
from awsrn_keras.progress import ProgressBar
from export.measure.speed import benchmark
from export.tflite.exported import ExportedFile

from .gpu import Gpu, find_gpu
from .timings import DidNotRun, Timing


def time_here(
    files: list[ExportedFile], places: list[tuple], runs: int, software: bool
) -> list[Timing]:
    """Time each file on each of `places`, pairs of accelerator and threads.

    Args:
        software: Take a GPU's driver in software, too, whose times say nothing of GPUs.
    """
    gpu = find_gpu() if ("gpu", None) in places else None
    if gpu is not None and gpu.software and not software:
        print(f"No GPU here: {gpu.name} computes on the processor and is left out", file=sys.stderr)
        places = [place for place in places if place[0] != "gpu"]
    timings = []
    with ProgressBar() as bar:
        for file in files:
            for accelerator, threads in places:
                bar.start(f"{file.name}: {accelerator} {threads or ''}")
                timings.append(_timing(file, accelerator, threads, runs, gpu))
    return timings


def _timing(file, accelerator, threads, runs, gpu: Gpu | None):
    found = {"device": _name()}
    variables = {}
    if accelerator == "gpu" and gpu is not None:
        found["device"], variables = f"{_name()}, {gpu}", gpu.environment
    try:
        speed = benchmark(file.path, threads or 1, runs, accelerator, variables)
        found |= speed._asdict()
    except DidNotRun as error:
        found["failure"] = str(error)
    what = {"file": file.name, "size": file.size, "scale": file.facts["scale"]}
    return Timing(accelerator=accelerator, threads=threads, **what, **found)


def _name() -> str:
    """E.g. "this machine: AMD EPYC 9654, 2 cores"."""
    names = Path("/proc/cpuinfo")
    lines = names.read_text().splitlines() if names.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{(models or [platform.processor() or platform.machine()])[0]}, {cpu_cores()} cores"
