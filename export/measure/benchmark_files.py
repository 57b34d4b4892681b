"""Timings of all devices as one Markdown table and one plot."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator

from awsrn_keras.files import replacing
from awsrn_keras.tables import markdown_table

from .timings import Place, Timing

_HEAD = ("device", "file", "input", "runs on", "ms", "p95 ms", "Mpixel/s", "peak MB")
_NOTES = (
    "ms: median time of one picture; p95: 95th percentile. Mpixel/s: pixels of the result. Peak "
    "memory is the whole process's, on this machine with Python's own."
)


def write_report(timings: list[Timing], folder: Path) -> str:
    """Write benchmark.md and benchmark.png into the folder; the Markdown is returned."""
    text = markdown(timings)
    with replacing(folder / "benchmark.md") as temporary:
        temporary.write_text(text + "\n![Time of each file on each device](benchmark.png)\n")
    if any(timing.median_ms for timing in timings):
        with replacing(folder / "benchmark.png") as temporary:
            _plot([timing for timing in timings if timing.median_ms], temporary)
    return text


def markdown(timings: list[Timing]) -> str:
    """A table of what ran, and a list of what did not."""
    cells = [_cells(timing) for timing in timings if timing.median_ms]
    lines = [markdown_table(_HEAD, cells), "", _NOTES]
    failed: dict[str, list[str]] = {}
    for timing in timings:
        if not timing.median_ms:
            reason = f"{timing.device}, {timing.place}: {timing.failure}"
            failed.setdefault(reason, []).append(timing.file)
    if failed:
        lines += ["", "Did not run:", ""]
        lines += [f"- {reason} ({', '.join(files)})" for reason, files in failed.items()]
    return "\n".join([*lines, ""])


def _cells(timing: Timing) -> list[str]:
    peak = f"{timing.peak_mb:.0f}" if timing.peak_mb else "-"
    figures = [f"{timing.median_ms:.1f}", f"{timing.p95_ms:.1f}"]
    figures += [f"{timing.megapixels_per_second:.3g}", peak]
    return [timing.device, timing.file, _input(timing), str(timing.place), *figures]


def _input(timing: Timing) -> str:
    height, width = timing.size
    return f"{width}x{height}"


def _plot(timings: list[Timing], path: Path) -> None:
    rows = list(dict.fromkeys((timing.device, timing.place) for timing in timings))
    files: dict[str, list[Timing]] = {}  # of one network there may be several sizes
    for timing in timings:
        files.setdefault(f"{timing.file}, {_input(timing)}", []).append(timing)
    colours = plt.get_cmap("tab10")
    figure, axis = plt.subplots(figsize=(10, 1.8 + 0.55 * len(rows)), layout="constrained")
    for number, (file, shown) in enumerate(files.items()):
        shift = 0.7 * ((number + 0.5) / len(files) - 0.5)
        heights = np.array([rows.index((timing.device, timing.place)) for timing in shown]) + shift
        medians, slow = np.array([(timing.median_ms, timing.p95_ms) for timing in shown], float).T
        axis.hlines(heights, medians, slow, color=colours(number % 10), linewidth=2)
        axis.plot(medians, heights, "o", color=colours(number % 10), markersize=5, label=file)
    _label_rows(axis, rows)
    axis.set(xscale="log", xlabel="ms per picture: median, to the 95th percentile")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("")
    axis.grid(axis="x", alpha=0.3)
    columns = min(len(files), 4)
    figure.legend(loc="outside upper center", ncols=columns, fontsize=8, frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _label_rows(axis: plt.Axes, rows: list[tuple[str, Place]]) -> None:
    """The device is named in the first of its rows, and a darker line parts it from others."""
    for line in range(1, len(rows)):
        same = rows[line][0] == rows[line - 1][0]
        axis.axhline(line - 0.5, color="0.85" if same else "0.4", linewidth=0.8)
    labels = [
        str(place) if line and rows[line - 1][0] == device else f"{device}\n{place}"
        for line, (device, place) in enumerate(rows)
    ]
    axis.set_yticks(range(len(rows)), labels, fontsize=8)
    axis.set(ylim=(len(rows) - 0.5, -0.5))
