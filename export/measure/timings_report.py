"""Timings of all devices as one Markdown table and one plot."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import LogLocator

from awsrn_keras.files import replacing

from .timings import Timing

_HEAD = ("device", "file", "input", "runs on", "ms", "90 % ms", "Mpixel/s", "peak MB")
_NOTES = (
    "ms: median time of one picture; 90 %: nine of ten pictures take no longer (*: 95 of 100, "
    "which is what benchmark_model reports). Mpixel/s: pixels of the result. Peak memory is "
    "the whole process's, on this machine with Python's own."
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
    lines = ["| " + " | ".join(_HEAD) + " |", "|" + "---|" * len(_HEAD)]
    for timing in timings:
        if timing.median_ms:
            lines.append("| " + " | ".join(_cells(timing)) + " |")
    lines += ["", _NOTES]
    failed = {}
    for timing in timings:
        if not timing.median_ms:
            reason = f"{timing.device}, {place(timing)}: {timing.failure}"
            failed.setdefault(reason, []).append(timing.file)
    if failed:
        lines += ["", "Did not run:", ""]
        lines += [f"- {reason} ({', '.join(files)})" for reason, files in failed.items()]
    return "\n".join([*lines, ""])


def place(timing: Timing) -> str:
    """E.g. "GPU" or "CPU, 2 threads"."""
    if timing.accelerator != "cpu":
        return timing.accelerator.upper()
    return f"CPU, {timing.threads} thread{'s' if timing.threads > 1 else ''}"


def _cells(timing):
    slow = f"{timing.p90_ms:.1f}" if timing.p90_ms else f"{timing.p95_ms:.1f}*"
    height, width = timing.size
    peak = f"{timing.peak_mb:.0f}" if timing.peak_mb else "-"
    figures = [f"{timing.median_ms:.1f}", slow, f"{timing.megapixels_per_second:.3g}", peak]
    return [timing.device, timing.file, f"{width}x{height}", place(timing), *figures]


def _plot(timings, path):
    rows = list(dict.fromkeys((timing.device, place(timing)) for timing in timings))
    files = list(dict.fromkeys(timing.file for timing in timings))
    colours = plt.get_cmap("tab10")
    figure, axis = plt.subplots(figsize=(10, 1.8 + 0.55 * len(rows)), layout="constrained")
    for number, file in enumerate(files):
        shift = 0.7 * ((number + 0.5) / len(files) - 0.5)
        shown = [timing for timing in timings if timing.file == file]
        heights = np.array([rows.index((timing.device, place(timing))) for timing in shown]) + shift
        medians = [timing.median_ms for timing in shown]
        slow = [timing.p90_ms or timing.p95_ms for timing in shown]
        axis.hlines(heights, medians, slow, color=colours(number % 10), linewidth=2)
        axis.plot(medians, heights, "o", color=colours(number % 10), markersize=5, label=file)
    for line in range(1, len(rows)):
        same = rows[line][0] == rows[line - 1][0]
        axis.axhline(line - 0.5, color="0.85" if same else "0.4", linewidth=0.8)
    labels = [
        where if line and rows[line - 1][0] == device else f"{device}\n{where}"
        for line, (device, where) in enumerate(rows)
    ]
    axis.set_yticks(range(len(rows)), labels, fontsize=8)
    axis.set(xscale="log", ylim=(len(rows) - 0.5, -0.5), xlabel="ms per picture: median, to 90 %")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("")
    axis.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=min(len(files), 4), fontsize=8, frameon=False)
    figure.savefig(path, dpi=120)
    plt.close(figure)
