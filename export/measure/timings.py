"""What a benchmark found: one timing for each file, accelerator and number of threads."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from awsrn_keras.errors import damaged_file
from awsrn_keras.files import write_json

if TYPE_CHECKING:
    from export.tflite.exported import ExportedFile

ACCELERATORS = ("cpu", "gpu", "npu")


class DidNotRun(Exception):
    """A file did not run where it was asked to; the message is the reason, in one line."""


class Place(NamedTuple):
    """Where on a device a file is timed: one of `ACCELERATORS`; threads only of the processor."""

    accelerator: str
    threads: int | None = None

    def __str__(self) -> str:
        """E.g. "GPU" or "CPU, 2 threads"."""
        if self.threads is None:
            return self.accelerator.upper()
        return f"CPU, {self.threads} thread{'s' if self.threads > 1 else ''}"


@dataclasses.dataclass(frozen=True)
class Timing:
    """One file on one accelerator of one device; `failure` says why where it did not run.

    Args:
        device: What ran it, e.g. "Pixel 9 Pro, Android 16".
        file: The file's name without its ending, e.g. "awsrn_sd_x2 float16".
        accelerator: One of `ACCELERATORS`.
        threads: Processor threads, for the accelerator cpu.
        size: Height and width of the picture that goes in.
        scale: How many times larger it comes out.
        median_ms, p95_ms: Time of one picture, median and 95th percentile.
        peak_mb: Largest memory of the process, MiB.
    """

    device: str
    file: str
    accelerator: str
    threads: int | None
    size: tuple[int, int]
    scale: int
    median_ms: float | None = None
    p95_ms: float | None = None
    peak_mb: float | None = None
    failure: str | None = None

    @classmethod
    def of(cls, file: ExportedFile, device: str, place: Place, **found) -> Timing:
        """What was `found`, or the `failure`, of a file in one place."""
        what = {"file": file.name, "size": file.size, "scale": file.facts["scale"]}
        return cls(device=device, **what, **place._asdict(), **found)

    @property
    def place(self) -> Place:
        return Place(self.accelerator, self.threads)

    @property
    def megapixels_per_second(self) -> float | None:
        """Pixels of the result per second, in millions; None where it did not run."""
        height, width = self.size
        return self.median_ms and height * width * self.scale**2 / self.median_ms / 1e3


def write_timings(timings: list[Timing], path: Path) -> None:
    speed = "megapixels_per_second"
    rows = [{**dataclasses.asdict(timing), speed: getattr(timing, speed)} for timing in timings]
    write_json(path, rows)


def read_timings(path: Path) -> list[Timing]:
    """What `write_timings` wrote.

    Raises:
        InputError: The file holds something else.
    """
    names = [field.name for field in dataclasses.fields(Timing)]
    try:
        rows = json.loads(path.read_text())
        known = [{name: row[name] for name in names} for row in rows]
        return [Timing(**row | {"size": tuple(row["size"])}) for row in known]
    except (ValueError, TypeError, KeyError) as error:
        raise damaged_file(path, "results of export/benchmark.py --json", error) from error
