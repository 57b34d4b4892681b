"""Quality against time of networks around awsrn_nano: short paired trainings, LiteRT's times.

    python benchmarks/nano_front.py --data DIR... --val kodak24 -o front/
    python benchmarks/nano_front.py --time --plot front.png -o front/

The first trains each of SHAPES for the same steps on the same patches, exports it in floating
point and calibrated to 8 bits, and scores both files on the validation pictures, three to six
minutes a shape on two processor cores. The second, for an idle machine, times all files in turn
for a picture of 256x256 and draws PSNR against milliseconds. Figures are kept in
front/front.json after each shape; shapes that it holds are not trained again.
"""

import argparse
import functools
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from awsrn_keras.command_line import (
    above_zero,
    command_parser,
    messages_kept_back,
    run_command,
    start_backend,
)
from awsrn_keras.errors import InputError
from awsrn_keras.files import replacing, write_json
from awsrn_keras.network.variants import VARIANTS
from awsrn_keras.tables import aligned_table
from awsrn_keras.upscaling.litert_model import LiteRTModel
from benchmarks.rivals import seconds_in_turn
from export.measure.this_machine import machine_name

NANO = VARIANTS["awsrn_nano"]
SHAPES = {
    "awsrn_nano": NANO,
    "filters_12": replace(NANO, filters=12),
    "filters_20": replace(NANO, filters=20),
    "filters_24": replace(NANO, filters=24),
    "units_3": replace(NANO, units=3),
    "units_6": replace(NANO, units=6),
    "expanded_24": replace(NANO, expanded_filters=24),
    "expanded_48": replace(NANO, expanded_filters=48),
    "kernels_3": replace(NANO, kernel_sizes=(3,)),
    "kernels_3_5_7": replace(NANO, kernel_sizes=(3, 5, 7)),
}
FILES = {"float": "float32", "int8": "int8"}  # precisions of the exports
SCALE, SIZE, EPOCHS = 2, (256, 256), 5
FIT = "--batch-size 16 --precision mixed_bfloat16 --ema 0.99 --seed 0"


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    option = parse.add_argument
    option("--data", nargs="+", metavar="DIR", help="train on these photographs")
    option("--val", nargs="+", metavar="DIR", help="score on these, needed with --data")
    option("--steps", type=int, default=3000, help="of training (default %(default)s)")
    option("--shape", nargs="+", choices=SHAPES, default=list(SHAPES), help="default all")
    option("--time", action="store_true", help="time the files of all shapes that were trained")
    option("--runs", type=above_zero(int), default=30, help="of each file (default %(default)s)")
    option("--plot", type=Path, metavar="FILE", help="draw the shapes that were timed")
    option("-o", "--output", type=Path, required=True, metavar="DIR", help="for all files")
    return parse


def main() -> None:
    options = parser().parse_args()
    if not (options.data or options.time or options.plot):
        raise InputError("Nothing to do: give --data with --val, --time or --plot.")
    if options.data and not options.val:
        raise InputError("--data needs --val.")
    VARIANTS.update(SHAPES)  # in this process they are trained like others
    record = options.output / "front.json"
    rows = json.loads(record.read_text()) if record.is_file() else {}
    if options.data:
        for name, row in rows.items():
            if row["steps"] != options.steps:
                raise InputError(
                    f"{record}: {name} was trained for {row['steps']} steps: give --steps "
                    f"{row['steps']} or another folder."
                )
        print(start_backend(), flush=True)
        for name in options.shape:
            if name not in rows:
                rows[name] = trained(name, options)
                write_json(record, rows)
    if not rows:
        raise InputError(f"{options.output} holds no shape: train first, with --data and --val.")
    if options.time:
        time_files(rows, options.output, options.runs)
        write_json(record, rows)
    print(table(rows))
    if options.plot:
        timed = {name: row for name, row in rows.items() if "ms" in row}
        if not timed:
            raise InputError(f"{record}: no shape was timed yet, give --time too.")
        plot(timed, options.plot)


def trained(name: str, options: argparse.Namespace) -> dict:
    """Train one shape, write its files and score them."""
    from awsrn_keras.data import load_pairs
    from awsrn_keras.network.fusion import fuse
    from awsrn_keras.network.loading import load_model
    from awsrn_keras.scoring.score import score_bank
    from export.tflite.writing import write_tflite
    from training import fit

    folder = options.output / name
    if (folder / "config.json").exists():
        fit.main(["--resume", "--run-dir", str(folder)])
    else:
        length = ["--epochs", str(EPOCHS), "--steps-per-epoch", str(options.steps // EPOCHS)]
        sources = ["--data", *options.data, "--val", *options.val]
        shape = ["--variant", name, "--scale", str(SCALE), "--run-dir", str(folder)]
        fit.main([*shape, *sources, *length, *FIT.split()])
    model = load_model(folder)
    calibration = load_pairs(options.data, SCALE, "train")
    validation = load_pairs(options.val, SCALE, "validation")
    psnr = {}
    for precision, stored in FILES.items():
        path = folder / f"{precision}.tflite"
        write_tflite(model, path, stored, (48, 48), calibration, name, dynamic=True)
        with messages_kept_back():  # LiteRT tells that it uses XNNPACK
            runner = functools.partial(upscaled, LiteRTModel(path))
        psnr[precision] = score_bank(runner, validation).psnr
    return {
        **asdict(SHAPES[name]),
        "parameters": fuse(model).count_params(),
        "steps": options.steps,
        "psnr": psnr,
    }


def upscaled(network: LiteRTModel, lr: np.ndarray) -> np.ndarray:
    return network(lr[None])[0]


def time_files(rows: dict[str, dict], folder: Path, runs: int) -> None:
    """Add the milliseconds of every shape's files to its row."""
    with messages_kept_back():
        models = {
            f"{name} {precision}": LiteRTModel(folder / name / f"{precision}.tflite")
            for name in rows
            for precision in FILES
        }
    noise = np.random.default_rng(0).integers(0, 128, (1, *SIZE, 3), dtype=np.uint8)
    calls = {name: functools.partial(model, noise) for name, model in models.items()}
    seconds = seconds_in_turn(calls, runs)
    for name, row in rows.items():
        row["ms"] = {p: 1000 * float(np.median(seconds[f"{name} {p}"])) for p in FILES}
        row["machine"] = machine_name()


def table(rows: dict[str, dict]) -> str:
    cells = [["", "parameters", *(f"{p}: dB" for p in FILES), *(f"{p}: ms" for p in FILES)]]
    for name, row in rows.items():
        times = [f"{ms:.1f}" for ms in row.get("ms", {}).values()] or ["-"] * len(FILES)
        scores = [f"{psnr:.3f}" for psnr in row["psnr"].values()]
        cells.append([name, f"{row['parameters']:,}", *scores, *times])
    return aligned_table(cells)


def plot(rows: dict[str, dict], path: Path) -> None:
    """Draw PSNR against milliseconds, a panel for each precision, awsrn_nano as a star."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, len(FILES), figsize=(11, 4.5), layout="constrained")
    for precision, axis in zip(FILES, panels, strict=True):
        for name, row in rows.items():
            point = row["ms"][precision], row["psnr"][precision]
            ours = name == "awsrn_nano"
            axis.plot(*point, "*" if ours else "o", color="C3" if ours else "C0", markersize=9)
            offset = (6, -11 if ours else 4)
            axis.annotate(name, point, xytext=offset, textcoords="offset points", fontsize=8)
        height, width = SIZE
        axis.set(
            title=precision,
            xlabel=f"ms for {height}x{width} pixels, LiteRT, 2 threads",
            ylabel="PSNR on Y (dB)",
        )
        axis.margins(x=0.2)
        axis.grid(alpha=0.3)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=110, format="png")


if __name__ == "__main__":
    run_command(main)
