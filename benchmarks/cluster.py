"""Rates of `awsrn upscale --cluster local` beside one process with as many threads as cores.

    python benchmarks/cluster.py

upscales a folder of small photographs in turn with and without the cluster, --runs times. The
rate is that between the first result and the last; what comes before is start-up. Then it does
the same with pictures of 8x8 pixels: the difference of the times is what the cluster adds to a
picture, in every worker. On an idle machine with two cores about five minutes.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple, TextIO, cast

from awsrn_keras.command_line import above_zero, command_parser, cpu_cores, run_command
from awsrn_keras.files import write_json
from awsrn_keras.tables import aligned_table
from benchmarks.upscale import PHOTOGRAPHS, SMALL, run_python

TINY = 8  # height and width of pictures that take no time themselves
HOW = {"one process": (), "cluster": ("--cluster", "local")}


class Run(NamedTuple):
    """Seconds from the start to the first result, and from there to the last, and their number."""

    start: float
    between: float
    pictures: int

    def rate(self) -> float:
        return (self.pictures - 1) / self.between


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    option = parse.add_argument
    option("--pictures", type=above_zero(int), default=200, help="default %(default)s")
    option("--tiny", type=above_zero(int), default=2000, help="of 8x8 pixels (default %(default)s)")
    option("--preset", default="awsrn_sd_x2", help="default %(default)s")
    option("--precision", default="int8", help="float or int8 (default %(default)s)")
    option("--runs", type=above_zero(int), default=3, help="default %(default)s")
    option("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    return parse


def main() -> None:
    options = parser().parse_args()
    network = ("--preset", options.preset, "--precision", options.precision)
    print(f"{options.preset} {options.precision}, {cpu_cores()} cores, medians of {options.runs}")
    figures: dict = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, size, pictures in (
            ("small", SMALL, options.pictures),
            ("tiny", TINY, options.tiny),
        ):
            figures[name] = measure(Path(folder), size, pictures, network, options.runs)
    small, tiny = figures["small"], figures["tiny"]
    figures["ratio"] = small["cluster"]["rate"] / small["one process"]["rate"]
    workers = cpu_cores()
    figures["overhead_ms"] = 1000 * (
        workers / tiny["cluster"]["rate"] - 1 / tiny["one process"]["rate"]
    )
    print(f"cluster to one process: {figures['ratio']:.3f}")
    print(f"added to a picture, in its worker: {figures['overhead_ms']:.1f} ms")
    if options.json:
        write_json(options.json, figures)


def measure(
    folder: Path, size: int, pictures: int, network: tuple[str, ...], runs: int
) -> dict[str, dict[str, float]]:
    """Rate and start-up with and without the cluster, medians; prints a table."""
    sources = folder / f"{size}"
    sources.mkdir()
    run_python("-c", PHOTOGRAPHS, size, size, *(sources / f"{i}.jpg" for i in range(pictures)))
    measured: dict[str, list[Run]] = {name: [] for name in HOW}
    for _ in range(runs):
        for name, how in HOW.items():
            measured[name].append(upscale(sources, folder / "large", *network, *how))
    table = [[f"{pictures} pictures of {size}x{size}", "start", "pictures a second"]]
    figures = {}
    for name, each in measured.items():
        rate = statistics.median(run.rate() for run in each)
        start = statistics.median(run.start for run in each)
        table.append([name, f"{start:.1f} s", f"{rate:.1f}"])
        figures[name] = {"rate": rate, "start_seconds": start}
    print(aligned_table(table) + "\n", flush=True)
    return figures


def upscale(sources: Path, results: Path, *how: str) -> Run:
    """Upscale a folder and watch the lines that the command prints.

    Raises:
        RuntimeError: It failed.
    """
    command = [sys.executable, "-m", "awsrn_keras", "upscale", str(sources), "-o", str(results)]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*command, "--engine", "litert", "--overwrite", *how], stdout=subprocess.PIPE, text=True
    )
    times = [
        time.perf_counter() for line in cast(TextIO, process.stdout) if f" -> {results}" in line
    ]
    if process.wait():
        raise RuntimeError(f"{command} failed")
    return Run(times[0] - began, times[-1] - times[0], len(times))


if __name__ == "__main__":
    run_command(main)
