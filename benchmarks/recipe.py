"""Which training options are worth having: short runs of `fit.py`, alike but for one thing.

    python benchmarks/recipe.py --data DIR... --val kodak24 -o recipe/

trains awsrn_sd once for each row of EXPERIMENTS on the same number of LR pixels, the baseline
three times (the first two with the same seed), and prints PSNR on the validation pictures as a
Markdown table. Twice the spread of the baselines is noise: smaller differences are called
ties. Runs that the folder holds to their end are not repeated. About two minutes a run on two
processor cores, three times that for the long ones.
"""

import argparse
import csv
import shutil
import subprocess
import sys
from pathlib import Path

from awsrn_keras.command_line import command_parser, run_command

FIT = Path(__file__).parents[1] / "training/fit.py"
STEPS, EPOCHS = 900, 3  # of 8 patches of 24x24 pixels
PAPER = "--optimizer adam --loss l1 --learning-rate 1e-3"
BASELINES = {
    "baseline": "--seed 0",
    "baseline, same seed": "--seed 0",
    "baseline, other seed": "--seed 1",
}
MUON = "--optimizer muon --learning-rate"
LONG = f"--steps-per-epoch {STEPS}"
LONGER = f"--init {{folder}}/baseline --steps-per-epoch {STEPS // EPOCHS // 3} --learning-rate 1e-4"
# Name: options of `fit.py` after those of every run, and the run to compare with.
EXPERIMENTS = {
    "learning rate 5e-4": ("--learning-rate 5e-4", "baseline"),
    "learning rate 2e-3": ("--learning-rate 2e-3", "baseline"),
    "learning rate 4e-3": ("--learning-rate 4e-3", "baseline"),
    "rate halved five times": ("--schedule halving", "baseline"),
    "EMA 0.995": ("--ema 0.995", "baseline"),
    "batch 2, patch 48": ("--batch-size 2 --patch-size 48", "baseline"),
    "batch 32, patch 12": ("--batch-size 32 --patch-size 12", "baseline"),
    "batch 16, half the steps": ("--batch-size 16 --steps-per-epoch 150", "baseline"),
    "bfloat16 convolutions": ("--precision mixed_bfloat16", "baseline"),
    "Charbonnier for L1": ("--loss charbonnier", "baseline"),
    "squared error for L1": ("--loss mse", "baseline"),
    "log of squared error for L1": ("--loss log_mse", "baseline"),
    "the same, other seed": ("--loss log_mse --seed 1", "baseline"),
    "the same, learning rate 4e-3": (
        "--loss log_mse --learning-rate 4e-3",
        "learning rate 4e-3",
    ),
    "a third more steps, rate 1e-4": (LONGER, "baseline"),
    "the same, batch 2, patch 48": (
        f"{LONGER} --batch-size 2 --patch-size 48",
        "a third more steps, rate 1e-4",
    ),
    "the same, log of squared error": (
        f"{LONGER} --loss log_mse",
        "a third more steps, rate 1e-4",
    ),
    "Muon, 1e-2": (f"{MUON} 1e-2", "learning rate 4e-3"),
    "Muon, 1e-2, log of squared error": (
        f"{MUON} 1e-2 --loss log_mse",
        "the same, learning rate 4e-3",
    ),
    "this, other seed": (
        f"{MUON} 1e-2 --loss log_mse --seed 1",
        "the same, learning rate 4e-3",
    ),
    "this, 4e-3": (f"{MUON} 4e-3 --loss log_mse", "Muon, 1e-2, log of squared error"),
    "this, 2e-2": (f"{MUON} 2e-2 --loss log_mse", "Muon, 1e-2, log of squared error"),
    "this, bfloat16 convolutions": (
        f"{MUON} 1e-2 --loss log_mse --precision mixed_bfloat16",
        "Muon, 1e-2, log of squared error",
    ),
    "three times the steps": (LONG, None),
    "those, 4e-3, log of squared error": (
        f"{LONG} --learning-rate 4e-3 --loss log_mse",
        "three times the steps",
    ),
    "those, Muon, 1e-2, log of squared error": (
        f"{LONG} {MUON} 1e-2 --loss log_mse",
        "those, 4e-3, log of squared error",
    ),
    "x3 from scratch": ("--scale 3", None),
    "x3 from the body of x2": ("--scale 3 --init {folder}/baseline", "x3 from scratch"),
    "x4 from scratch": ("--scale 4", None),
    "x4 from the body of x2": ("--scale 4 --init {folder}/baseline", "x4 from scratch"),
    "x8 from the body of x2": ("--scale 8 --init {folder}/baseline", None),
    "the same, results of awsrn_x8": (
        "--scale 8 --init {folder}/baseline --teacher awsrn_x8",
        "x8 from the body of x2",
    ),
}


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    parse.add_argument("--data", nargs="+", required=True, metavar="DIR", help="photographs")
    parse.add_argument("--val", nargs="+", required=True, metavar="DIR", help="other photographs")
    parse.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="for the run folders"
    )
    return parse


def main() -> None:
    options = parser().parse_args()
    runs = BASELINES | {name: arguments for name, (arguments, _) in EXPERIMENTS.items()}
    scores = {}
    for name, arguments in runs.items():
        folder = options.output / name.replace(" ", "_").replace(",", "")
        given = arguments.format(folder=options.output).split()
        sources = ["--data", *options.data, "--val", *options.val]
        scores[name] = final_psnr(folder, [*given, *sources])
        print(f"{name}: {scores[name]:.3f} dB", flush=True)
    print(table(scores))


def final_psnr(folder: Path, arguments: list[str]) -> float:
    """PSNR (dB) on the validation pictures after the last epoch of a run with these options."""
    metrics = folder / "metrics.csv"
    if len(rows(metrics)) < EPOCHS:
        if (folder / "config.json").exists():  # a run that was cut off
            shutil.rmtree(folder)
        fixed = f"--epochs {EPOCHS} --steps-per-epoch {STEPS // EPOCHS} --batch-size 8"
        command = [sys.executable, str(FIT)]
        command += f"{fixed} --patch-size 24 {PAPER}".split()
        command += [*arguments, "--run-dir", str(folder)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return float(rows(metrics)[-1]["val_psnr"])


def rows(metrics: Path) -> list[dict]:
    return list(csv.DictReader(metrics.open())) if metrics.exists() else []


def table(scores: dict[str, float]) -> str:
    """A Markdown table of the differences; those to the baseline are to the mean of three."""
    base = [scores[name] for name in BASELINES]
    mean, noise = sum(base) / len(base), 2 * (max(base) - min(base))
    lines = ["| run | PSNR | difference | to | |", "|---|---|---|---|---|"]
    lines += [f"| {name} | {scores[name]:.3f} | | | |" for name in BASELINES]
    for name, (_, other) in EXPERIMENTS.items():
        if other is None:
            lines.append(f"| {name} | {scores[name]:.3f} | | | |")
            continue
        difference = scores[name] - (mean if other == "baseline" else scores[other])
        verdict = "tie" if abs(difference) <= noise else "better" if difference > 0 else "worse"
        lines.append(f"| {name} | {scores[name]:.3f} | {difference:+.3f} | {other} | {verdict} |")
    return "\n".join([*lines, "", f"Noise: {noise:.3f} dB."])


if __name__ == "__main__":
    run_command(main)
