"""Which training options are worth having: short runs of `fit.py`, alike but for one thing.

    python benchmarks/recipe.py --data DIR... --val kodak24 -o recipe/

trains awsrn_sd x2 once for each row of EXPERIMENTS on the same number of LR pixels, the baseline
three times (the first two with the same seed), and prints PSNR on the validation pictures as a
Markdown table. Twice the spread of the baselines is noise: smaller differences are called
ties. Runs that are in the folder already are not repeated. About two minutes a run on two
processor cores.
"""

import argparse
import csv
import subprocess
import sys
from pathlib import Path

from awsrn_keras.command_line import run_command

STEPS, EPOCHS = 900, 3  # of 8 patches of 24x24 pixels
BASELINES = {
    "baseline": "--seed 0",
    "baseline, same seed": "--seed 0",
    "baseline, other seed": "--seed 1",
}
EXPERIMENTS = {
    "learning rate 5e-4": "--learning-rate 5e-4",
    "learning rate 2e-3": "--learning-rate 2e-3",
    "rate halved five times": "--schedule halving",
    "EMA 0.995": "--ema 0.995",
    "batch 2, patch 48": "--batch-size 2 --patch-size 48",
    "batch 32, patch 12": "--batch-size 32 --patch-size 12",
    "batch 16, half the steps": "--batch-size 16 --steps-per-epoch 150",
    "bfloat16 convolutions": "--precision mixed_bfloat16",
}
SCALE_4 = {
    "x4 from scratch": "--scale 4 --patch-size 24",
    "x4 from the body of x2": "--scale 4 --patch-size 24 --init {folder}/baseline",
}


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parse.add_argument("--data", nargs="+", required=True, metavar="DIR", help="photographs")
    parse.add_argument("--val", nargs="+", required=True, metavar="DIR", help="other photographs")
    parse.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="for the run folders"
    )
    return parse


def main() -> None:
    options = parser().parse_args()
    scores = {}
    for name, arguments in {**BASELINES, **EXPERIMENTS, **SCALE_4}.items():
        folder = options.output / name.replace(" ", "_").replace(",", "")
        scores[name] = final_psnr(folder, arguments, options)
        print(f"{name}: {scores[name]:.3f} dB", flush=True)
    print(table(scores))


def final_psnr(folder: Path, arguments: str, options: argparse.Namespace) -> float:
    """PSNR (dB) on the validation pictures after the last epoch of a run."""
    metrics = folder / "metrics.csv"
    if len(rows(metrics)) < EPOCHS:
        fixed = f"--epochs {EPOCHS} --steps-per-epoch {STEPS // EPOCHS} --batch-size 8"
        command = [sys.executable, Path(__file__).parents[1] / "training/fit.py"]
        command += f"{fixed} --patch-size 24".split()
        command += arguments.format(folder=options.output).split()
        command += ["--data", *options.data, "--val", *options.val, "--run-dir", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return float(rows(metrics)[-1]["val_psnr"])


def rows(metrics: Path) -> list[dict]:
    return list(csv.DictReader(metrics.open())) if metrics.exists() else []


def table(scores: dict[str, float]) -> str:
    """A Markdown table of the differences to the mean baseline."""
    base = [scores[name] for name in BASELINES]
    mean, noise = sum(base) / len(base), 2 * (max(base) - min(base))
    lines = ["| changed | PSNR | against the baseline | |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {scores[name]:.3f} | {scores[name] - mean:+.3f} | |" for name in BASELINES
    ]
    for name in EXPERIMENTS:
        difference = scores[name] - mean
        verdict = "tie" if abs(difference) <= noise else "better" if difference > 0 else "worse"
        lines.append(f"| {name} | {scores[name]:.3f} | {difference:+.3f} | {verdict} |")
    scratch, warm = (scores[name] for name in SCALE_4)
    lines.append(f"| x4 from scratch | {scratch:.3f} | | |")
    lines.append(
        f"| x4 from the body of x2 | {warm:.3f} | {warm - scratch:+.3f} against scratch | |"
    )
    return "\n".join([*lines, "", f"Noise: {noise:.3f} dB."])


if __name__ == "__main__":
    run_command(main)
