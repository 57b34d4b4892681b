"""A report as Markdown, JSON and a picture."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import SubFigure

from awsrn_keras.files import replacing, write_json
from awsrn_keras.tables import markdown_table

_SHOWN = 4.0  # grey levels of difference at the ends of the colour scale


def write_report(report: dict, folder: Path) -> str:
    """Write report.md, report.json and report.png; the Markdown is returned.

    Args:
        report: Of `report_figures.measure_files`.
    """
    figures = {key: value for key, value in report.items() if key != "errors"}
    write_json(folder / "report.json", figures)
    text = _markdown(report)
    with replacing(folder / "report.md") as temporary:
        temporary.write_text(text)
    with replacing(folder / "report.png") as temporary:
        _plot(report, temporary)
    return text


def _markdown(report: dict) -> str:
    network, files = report["network"], report["files"]
    height, width = files["float32"]["input"][1:3]
    lines = [
        f"# {network['variant']} x{network['scale']} as .tflite",
        "",
        f"Weights: {network['origin']['weights']}, licence {network['license']}. One picture of "
        f"{width}x{height} pixels in; time and peak memory (with Python's own) by LiteRT's "
        f"benchmark on {report['machine']}.",
        "PSNR and SSIM on luma with the border left out, mean over "
        + ", ".join(f"{count} pictures of {name}" for name, count in report["sets"].items())
        + "; the drop is against float32 on all of them.",
        "",
        _table(report),
        "",
        "Operators:",
        "",
    ]
    lines += [f"- {name}: {', '.join(row['operators'])}" for name, row in files.items()]
    if any(row["by_windows"] for row in files.values()):
        lines += [
            "",
            "16-bit activations have no DEPTH_TO_SPACE: RESHAPE and TRANSPOSE stand in for it, "
            "exactly. Their sizes are fixed, so pictures go through in windows, mirrored beyond "
            "the border, and the drop is against float32 in the same windows.",
        ]
    return "\n".join([*lines, "", "![PSNR, time and differences](report.png)", ""])


def _table(report: dict) -> str:
    sets = [*report["sets"], *(["all"] if len(report["sets"]) > 1 else [])]
    head = ["file", "MB", *(f"{name} dB / SSIM" for name in sets), "drop dB"]
    head += ["ms, 1 thread", "ms, 2 threads", "peak MB"]
    rows = []
    for name, row in report["files"].items():
        scores = [f"{row['psnr'][each]:.2f} / {row['ssim'][each]:.4f}" for each in sets]
        cells = [name, f"{row['bytes'] / 1e6:.2f}", *scores, f"{row['psnr_drop']['all']:.3f}"]
        cells += [f"{row['ms_1_threads']:.1f}", f"{row['ms_2_threads']:.1f}"]
        rows.append([*cells, f"{row['peak_mb']:.0f}"])
    return markdown_table(head, rows)


def _plot(report: dict, path: Path) -> None:
    columns = len(report["files"])
    figure = plt.figure(figsize=(max(9, 2.6 * columns), 7.5), layout="constrained")
    top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.5, 1))[:, 0]
    _plot_quality(top.subplots(), report["files"])
    _plot_differences(bottom, report["errors"])
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _plot_quality(axes: plt.Axes, files: dict) -> None:
    for name, row in files.items():
        point = row["ms_2_threads"], row["psnr"]["all"]
        axes.scatter(*point, s=row["bytes"] / 3e3, alpha=0.6)
        axes.annotate(name, point, xytext=(8, 6), textcoords="offset points", fontsize=9)
    axes.set(
        xscale="log",
        xlabel="ms per picture, 2 threads",
        ylabel="PSNR on Y (dB)",
        title="Quality against time; the area of a dot is the size of the file",
    )
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.margins(0.15)
    axes.grid(alpha=0.3)


def _plot_differences(figure: SubFigure, errors: dict) -> None:
    picture = np.clip(errors["float32"]["reference"], 0, 255).astype("uint8")
    others = {name: error for name, error in errors.items() if name != "float32"}
    grid = figure.subplots(1, len(errors), squeeze=False)[0]
    figure.suptitle("Difference to float32, grey levels (mean of the colours)", fontsize=10)
    grid[0].imshow(picture)
    grid[0].set_title("float32", fontsize=9)
    for axis, (name, error) in zip(grid[1:], others.items(), strict=True):
        difference = error["difference"].mean(axis=-1)
        shown = axis.imshow(difference, cmap="RdBu", vmin=-_SHOWN, vmax=_SHOWN)
        rms = np.sqrt(np.mean(error["difference"] ** 2))
        axis.set_title(f"{name}\nrms {rms:.2g}", fontsize=9)
    for axis in grid:
        axis.axis("off")
    if others:
        figure.colorbar(shown, ax=grid, shrink=0.7)
