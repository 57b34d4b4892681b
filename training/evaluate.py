"""Score models on sets of pictures: PSNR and SSIM on luma, beside bicubic and the paper.

    python training/evaluate.py awsrn_sd_x2 --data Set5 Set14
    python training/evaluate.py awsrn_sd_x2 awsrn_nano_x2 --precision float int8 --data Set5

Measured as published: 8-bit results, luma, as many border pixels left out as the scale;
the score of a set is the mean over its pictures.
"""

import argparse
import functools
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from awsrn_keras.command_line import (
    command_parser,
    messages_kept_back,
    run_command,
    start_backend,
)
from awsrn_keras.data.degradations import condition_value
from awsrn_keras.errors import InputError
from awsrn_keras.files import write_json

if TYPE_CHECKING:
    from awsrn_keras.network.model import AWSRN
    from awsrn_keras.upscaling.engine import Engine


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    option = parse.add_argument
    option(
        "models",
        nargs="+",
        metavar="MODEL",
        help="preset, run folder, .keras, .weights.h5, .pt or .npz; several are compared",
    )
    option(
        "--data",
        nargs="+",
        metavar="DIR",
        default=["sample"],
        help="folders of ground-truth pictures (low-resolution ones are made by MATLAB's bicubic), "
        "benchmark sets with x2/HR and perhaps x2/LR inside, folders of such sets; or the "
        "validation pictures of sample, div2k or a folder in DIV2K's layout (default sample)",
    )
    option(
        "--degrade",
        nargs="+",
        metavar="CONDITION",
        default=["clean"],
        help="degrade the low-resolution pictures, e.g. clean jpeg75 noise10 blur1: JPEG quality, "
        "standard deviation of noise (levels of 255) and of blur (HR pixels) (default clean)",
    )
    option(
        "--precision",
        nargs="+",
        choices=("float", "int8"),
        default=["float"],
        help="int8 scores the 8-bit networks of presets; both score each model twice "
        "(default float)",
    )
    option(
        "--engine",
        choices=("auto", "litert", "keras"),
        help="what runs the networks (default keras, and litert for int8)",
    )
    option("--scale", type=int, metavar="S", help="magnification (default: the models' own)")
    option("--per-image", action="store_true", help="print the score of every picture too")
    option(
        "--self-ensemble",
        action="store_true",
        help="average each model over the eight flips and rotations: better, eight times slower",
    )
    option("--plot", type=Path, metavar="FILE", help="draw PSNR against JPEG quality, a .png")
    option("-o", "--output", "--json", type=Path, metavar="FILE", help="write all scores as JSON")
    return parse


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    if options.output and options.output.is_dir():
        raise InputError(f"{options.output} is a folder: name the JSON file to write.")
    conditions = list(dict.fromkeys(options.degrade))
    for condition in conditions:
        condition_value(condition)
    if options.plot and sum(map(is_on_plot, conditions)) < 2:
        raise InputError("--plot needs two or more of --degrade clean jpeg90 jpeg75 ...")
    if options.plot and options.plot.suffix.lower() != ".png":
        raise InputError(f"--plot {options.plot}: name a .png file.")
    print(start_backend(), flush=True)
    from awsrn_keras.network.loading import load_model
    from awsrn_keras.scoring.image_sets import load_image_sets
    from awsrn_keras.scoring.score import bicubic
    from awsrn_keras.scoring.scoreboard import Upscaler, image_table, mean_table, measure
    from awsrn_keras.upscaling.upscale import upscale

    models = {name: load_model(name) for name in options.models}
    scale = common_scale(models, options.scale)
    rows = networks(models, options.engine, options.precision)
    upscalers: dict[str, Upscaler] = {"bicubic": functools.partial(bicubic, scale=scale)}
    for row, (engine, _) in rows.items():
        upscalers[row] = functools.partial(
            upscale, model=engine, self_ensemble=options.self_ensemble
        )
    image_sets = [
        image_set.degraded(condition)
        for image_set in load_image_sets(options.data, scale)
        for condition in conditions
    ]
    variants = dict.fromkeys(model.variant for model in models.values())
    results = [measure(image_set, upscalers, variants) for image_set in image_sets]

    ensemble = ", models averaged over eight flips and rotations" if options.self_ensemble else ""
    print(f"x{scale}, PSNR in dB / SSIM on luma, {scale} border pixels left out{ensemble}\n")
    if options.per_image:
        print(*map(image_table, results), sep="\n\n", end="\n\n")
    print(mean_table(results))
    if options.output:
        write_scores(options.output, scale, options.self_ensemble, rows, results)
    if options.plot:
        from training.fitting.plots import plot_jpeg

        plot_jpeg(results, conditions, options.plot)


def is_on_plot(condition: str) -> bool:
    """Whether `plot_jpeg` shows it."""
    return condition == "clean" or condition.startswith("jpeg")


def networks(
    models: dict[str, "AWSRN"], engine: str | None, precisions: list[str]
) -> dict[str, tuple["Engine", dict]]:
    """What runs each model in each precision, and facts about it, by its row in the table."""
    from awsrn_keras.upscaling.engines import choose_engine, make_engine
    from awsrn_keras.upscaling.litert_engine import device_line

    rows = {}
    for (name, model), precision in itertools.product(models.items(), precisions):
        wanted = engine or ("litert" if precision == "int8" else "keras")
        chosen = choose_engine(name, wanted, precision)
        with messages_kept_back():  # LiteRT tells that it uses XNNPACK
            made = make_engine(model if chosen == "keras" else name, chosen, precision)
        facts = {"variant": model.variant, "parameters": model.count_params()}
        row = name if precision == "float" else f"{name} {precision}"
        rows[row] = made, facts | {"engine": chosen, "precision": precision}
    if "litert" in [facts["engine"] for _, facts in rows.values()]:
        print(device_line(), flush=True)
    return rows


def common_scale(models: dict, wanted: int | None) -> int:
    """The scale of all models, which `wanted` must be if given."""
    scales = {model.scale for model in models.values()}
    if len(scales) > 1:
        listed = ", ".join(f"{name} x{model.scale}" for name, model in models.items())
        raise InputError(f"{listed}: one table has one scale, score them one scale at a time.")
    (scale,) = scales
    if wanted not in (None, scale):
        raise InputError(
            f"--scale {wanted}: {', '.join(models)} is x{scale}; give a model of x{wanted}."
        )
    return scale


def write_scores(path: Path, scale: int, self_ensemble: bool, rows: dict, results: list) -> None:
    """Record the models, how it was measured, and every score."""
    record = {
        "scale": scale,
        "border": scale,
        "self_ensemble": self_ensemble,
        "models": {row: facts for row, (_, facts) in rows.items()},
        "sets": [result.to_json() for result in results],
    }
    write_json(path, record)


if __name__ == "__main__":
    run_command(main)
