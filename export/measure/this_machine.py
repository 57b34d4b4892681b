"""Timings on this machine by LiteRT's own benchmark command."""

import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from awsrn_keras.command_line import cpu_cores
from export.tflite.exported import ExportedFile

from .gpu import find_gpu
from .speed import measure_speed
from .timings import DidNotRun, Place, Timing


class ThisMachine:
    """The machine that this program runs on.

    Args:
        gpu: Look for a GPU.
        software: Take a driver in software, too, whose times say nothing of GPUs.
    """

    def __init__(self, gpu: bool, software: bool) -> None:
        self.name = machine_name()
        self._gpu = find_gpu() if gpu else None
        self._without_gpu = False
        if self._gpu is not None and self._gpu.stand_in and not software:
            self._without_gpu = True
            left_out = f"{self._gpu.name} computes on the processor and is left out"
            print(f"No GPU here: {left_out}", file=sys.stderr)

    def time(self, file: ExportedFile, places: list[Place], runs: int) -> Iterator[Timing]:
        """Time a file on each of `places`."""
        for place in places:
            if place.accelerator != "gpu" or not self._without_gpu:
                yield self._timing(file, place, runs)

    def _timing(self, file: ExportedFile, place: Place, runs: int) -> Timing:
        device, environment, threads = self.name, None, place.threads or 1
        if place.accelerator == "gpu" and self._gpu is not None:
            device, environment = f"{self.name}, {self._gpu}", self._gpu.environment
        try:
            speed = measure_speed(file.path, threads, runs, place.accelerator, environment)
        except DidNotRun as error:
            return Timing.of(file, device, place, failure=str(error))
        return Timing.of(file, device, place, **speed._asdict())


def machine_name() -> str:
    """E.g. "AMD EPYC 9654, 2 cores"."""
    names = Path("/proc/cpuinfo")
    lines = names.read_text().splitlines() if names.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{(models or [platform.processor() or platform.machine()])[0]}, {cpu_cores()} cores"
