"""Compare others' super-resolution networks, .tflite files, with ours: quality, time and size.

    python benchmarks/rivals.py
    python benchmarks/rivals.py FOLDER --data Set5 Set14 --plot rivals.png

Every file is scored as in the paper, then timed by LiteRT on the processor, in turn with the
others. Files in FOLDER may be float32 or quantised, with channels first or last; the range of
their pixels is found by trying. The input is set to each picture's size; files that do not
allow it work in overlapping windows. Files of another scale are left out. Without FOLDER, ours
are compared with each other. The plot tells networks that compute in 8 bits from those of which
only the weights are stored so. Three minutes for ten files and 24 pictures on two idle cores.
"""

import argparse
import importlib.util
import re
import sys
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from awsrn_keras.command_line import (
    above_zero,
    command_parser,
    messages_kept_back,
    printable,
    run_command,
)
from awsrn_keras.errors import InputError
from awsrn_keras.files import check_folder, replacing, write_json
from awsrn_keras.tables import aligned_table
from awsrn_keras.upscaling.litert_engine import device_line, tflite_path
from export.measure.this_machine import machine_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

    from benchmarks.tflite_network import TFLiteNetwork

OURS = ("awsrn_nano", "awsrn_sd")
# Where a name may stand: to the right of its point, to the left, above and so on.
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    option = parse.add_argument
    option("folder", nargs="?", type=Path, metavar="FOLDER", help="with others' .tflite files")
    option("--scale", type=int, choices=(2, 3, 4), default=2, help="default %(default)s")
    pictures = "to score on, as for training/evaluate.py (default sample)"
    option("--data", nargs="+", default=["sample"], metavar="DIR", help=pictures)
    size = "of the input that is timed (default %(default)s)"
    option("--size", default="256x256", metavar="HxW", help=size)
    option("--threads", type=above_zero(int), default=2, help="default %(default)s")
    option("--runs", type=above_zero(int), default=15, help="of each file (default %(default)s)")
    plot_help = "draw PSNR on the first set against time: .png, .svg, .pdf"
    option("--json", type=Path, metavar="FILE", help="also write all figures to this file")
    option("--plot", type=Path, metavar="FILE", help=plot_help)
    return parse


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    size = height_and_width(options.size)
    check_results(options.json, options.plot)
    ours = {
        f"{preset} {precision}": tflite_path(preset, precision)
        for preset in (f"{variant}_x{options.scale}" for variant in OURS)
        for precision in ("float", "int8")
    }
    others = others_in(options.folder, ours) if options.folder else {}
    from awsrn_keras.scoring.image_sets import load_image_sets
    from awsrn_keras.scoring.score import mean_score
    from awsrn_keras.scoring.scoreboard import measure

    sets = load_image_sets(options.data, options.scale)
    photograph = sets[0].pairs.lr(0)
    networks = loaded(ours | others, options.scale, photograph[:256, :256], options.threads)
    print(f"{device_line()}, {options.threads} threads, x{options.scale}", flush=True)
    results = [measure(image_set, networks, ()) for image_set in sets]
    seconds = seconds_in_turn(runs_of(networks, photograph, size), options.runs)
    figures = {}
    for name, network in networks.items():
        median, p90 = np.percentile(seconds[name], (50, 90)) * 1000
        figures[name] = {
            "ours": name in ours,
            "scores": {each.name: mean_score(each.methods[name])._asdict() for each in results},
            "median_ms": median,
            "p90_ms": p90,
            "parameters": network.parameters,
            "multiply_adds": network.multiply_adds * size[0] * size[1],
            "bytes": (ours | others)[name].stat().st_size,
            "pixels": network.pixels,
            "numbers": network.numbers,
            "fixed_size": network.size,
            "ranges": network.ranges,
        }
    print("\n" + table(figures, options.size))
    about = {"machine": machine_name(), "threads": options.threads, "size": size}
    if options.json:
        write_json(options.json, {**about, "scale": options.scale, "files": figures})
    if options.plot:
        plot(figures, f"{options.size} pixels, {options.threads} threads, LiteRT", options.plot)


def height_and_width(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if match is None:
        raise InputError(f"--size {text}: give height x width, such as 540x960.")
    return int(match[1]), int(match[2])


def check_results(json: Path | None, plot: Path | None) -> None:
    """Raise an `InputError` if a file of results cannot be written."""
    for path in filter(None, (json, plot)):
        if path.is_dir():
            raise InputError(f"{path}: is a folder; name a file.")
        check_folder(path.parent)
    if plot:
        if importlib.util.find_spec("matplotlib") is None:
            raise InputError("--plot draws with matplotlib: pip install matplotlib.")
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        if plot.suffix.lower()[1:] not in FigureCanvasAgg.get_supported_filetypes():
            raise InputError(f"{plot}: matplotlib cannot draw such a file; name it *.png or *.svg.")


def others_in(folder: Path, ours: Collection[str]) -> dict[str, Path]:
    """The files in a folder and those below it, by their names without the ending.

    Raises:
        InputError: There is none, or two names are equal, ours among them.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".tflite")
    if not paths:
        raise InputError(f"{folder}: no folder with .tflite files.")
    others: dict[str, Path] = {}
    for path in paths:
        name = printable(path.relative_to(folder).with_suffix("").as_posix())
        if name in ours or name in others:
            raise InputError(f"{path}: another file or one of ours is called {name!r}; rename it.")
        others[name] = path
    return others


def loaded(
    files: dict[str, Path], scale: int, photograph: np.ndarray, threads: int
) -> "dict[str, TFLiteNetwork]":
    """The networks of a scale; why others are left out goes to stderr."""
    from benchmarks.tflite_network import TFLiteNetwork

    networks, left_out = {}, {}
    with messages_kept_back():  # LiteRT tells that it uses XNNPACK
        for name, path in files.items():
            try:
                network = TFLiteNetwork(path, photograph, threads)
                if network.scale != scale:
                    raise ValueError(f"it is x{network.scale}")
                networks[name] = network
            except (ValueError, RuntimeError) as error:
                left_out[path] = str(error)
            except OSError as error:
                left_out[path] = error.strerror or str(error)
    for path, reason in left_out.items():
        print(f"{printable(str(path))} is left out: {reason}", file=sys.stderr)
    return networks


def runs_of(
    networks: "dict[str, TFLiteNetwork]", photograph: np.ndarray, size: tuple[int, int]
) -> dict[str, Callable[[], object]]:
    """What is timed: each network on all windows of a picture, in the form that it takes."""
    missing = [(0, max(0, side - had)) for side, had in zip(size, photograph.shape, strict=False)]
    picture = np.pad(photograph, [*missing, (0, 0)], mode="symmetric")[: size[0], : size[1]]

    def run_of(network: "TFLiteNetwork") -> Callable[[], object]:
        _, windows = network.inputs(picture)
        return lambda: [network.run(window) for window in windows]

    return {name: run_of(network) for name, network in networks.items()}


def seconds_in_turn(
    runs: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, list[float]]:
    """Seconds that each takes in each round, after one that warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if round_:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def table(figures: dict[str, dict[str, Any]], size: str) -> str:
    sets = next(iter(figures.values()))["scores"]
    head = [*sets, f"ms, {size}", "90 %", "parameters", "G multiply-adds", "KB"]
    rows = [["", *head]]
    for name, row in figures.items():
        scores = [f"{each['psnr']:.2f} / {each['ssim']:.4f}" for each in row["scores"].values()]
        times = [f"{row['median_ms']:.1f}", f"{row['p90_ms']:.1f}"]
        counts = [f"{row['parameters']:,}", f"{row['multiply_adds'] / 1e9:.2f}"]
        rows.append([name, *scores, *times, *counts, f"{row['bytes'] / 1e3:,.0f}"])
    return aligned_table(rows)


def plot(figures: dict[str, dict[str, Any]], where: str, path: Path) -> None:
    """Draw PSNR on the first set against milliseconds, ours and others' in two colours."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator

    first_set = next(iter(next(iter(figures.values()))["scores"]))
    figure, axis = plt.subplots(figsize=(8, 5), layout="constrained")
    points: dict[str, tuple[float, float]] = {}
    for label, colour, ours in (("awsrn-keras", "C3", True), ("others", "C0", False)):
        for numbers, mark in (("floating point", "o"), ("8-bit weights", "D"), ("8 bit", "s")):
            chosen = {
                name: (row["median_ms"], row["scores"][first_set]["psnr"])
                for name, row in figures.items()
                if (row["ours"], row["numbers"]) == (ours, numbers)
            }
            if chosen:
                values = zip(*chosen.values(), strict=True)
                axis.plot(*values, mark, color=colour, label=f"{label}, {numbers}")
            points |= chosen
    axis.set(xscale="log", xlabel=f"milliseconds for {where}")
    axis.set_ylabel(f"PSNR on {first_set} (dB)", parse_math=False)
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter("")
    axis.margins(0.1)
    axis.grid(alpha=0.3)
    legend = axis.legend()
    figure.draw_without_rendering()  # else nothing has its place yet
    write_names(axis, legend, points)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110)


def write_names(axis: "Axes", legend: "Legend", points: dict[str, tuple[float, float]]) -> None:
    """Write the name of each point beside it, if there is room without other names and points.

    Names of more than 40 characters lose those in their middle.
    """
    from matplotlib.transforms import Bbox

    taken = [legend.get_window_extent()]
    taken += [
        Bbox([place - 6, place + 6]) for place in axis.transData.transform([*points.values()])
    ]
    inside = axis.get_window_extent()
    for name, point in points.items():
        for x, y in SIDES:
            text = axis.annotate(
                name if len(name) <= 40 else f"{name[:19]}\N{HORIZONTAL ELLIPSIS}{name[-20:]}",
                point,
                parse_math=False,  # $ stands for itself
                in_layout=False,
                xytext=(8 * x, 7 * y),
                textcoords="offset points",
                ha=("center", "left", "right")[x],
                va=("center", "bottom", "top")[y],
                fontsize=8,
            )
            box = text.get_window_extent()
            fits = all(inside.contains(*corner) for corner in box.get_points())
            if fits and not box.count_overlaps(taken):
                taken.append(box)
                break
            text.remove()


if __name__ == "__main__":
    run_command(main)
