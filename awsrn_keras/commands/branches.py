"""Show the learned scalars of a network, and what each AWMS branch is worth.

    awsrn branches awsrn_sd_x2 -o branches.png

prints every lambda and alpha, leaves out each branch in turn, measures what that costs in dB
and saves in multiply-adds (a minute or two on two CPU cores), and plots both.
"""

import argparse
import functools
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..command_line import add_model, start_backend
from ..errors import InputError
from ..files import replacing, write_json

if TYPE_CHECKING:
    from ..data import PairBank
    from ..network.model import AWSRN
    from ..network.pruning import BranchWorth


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser, default=None)
    option = parser.add_argument
    option(
        "--data",
        nargs="+",
        default=["sample"],
        metavar="DIR",
        help="pictures to measure on: sample (default: photographs in two wheels, those held "
        "out from training), div2k, or folders of high-resolution pictures",
    )
    option(
        "-o", "--output", type=Path, default=Path("branches.png"), help="plot (default %(default)s)"
    )
    option("--json", type=Path, metavar="FILE", help="also write all figures to this file")


def run(options: argparse.Namespace) -> None:
    if find_spec("matplotlib") is None:
        raise InputError("awsrn branches draws with matplotlib: pip install matplotlib.")
    if options.output.suffix.lower() != ".png":
        raise InputError(f"{options.output}: name a .png file.")
    print(start_backend(), flush=True)
    from ..data import load_pairs
    from ..network.counts import branch_weights
    from ..network.loading import load_model
    from ..network.pruning import branch_worth
    from ..scoring.image_sets import least_side

    model = load_model(options.model)
    if len(model.kernel_sizes) < 2:
        raise InputError(f"{options.model}: has one AWMS branch only, none can be left out.")
    bank = load_pairs(options.data, model.scale, "validation", least_side=least_side(model.scale))
    scalars = branch_weights(model)
    for name, value in scalars.items():
        print(f"{name:32} {value:9.4f}")

    rows = branch_worth(model, functools.partial(_psnr, bank=bank))
    print(f"\nWithout one branch, on {len(bank)} pictures:\n{_table(rows)}")

    with replacing(options.output) as temporary:
        plot(scalars, rows, model.name, temporary)
    print(f"\nDrawn in {options.output}")
    if options.json:
        facts = {"scalars": scalars, "branches": [asdict(row) for row in rows]}
        write_json(options.json, facts)


def _psnr(model: "AWSRN", bank: "PairBank") -> float:
    from ..scoring.score import score_bank
    from ..upscaling.keras_engine import KerasEngine
    from ..upscaling.upscale import upscale

    return score_bank(functools.partial(upscale, model=KerasEngine(model)), bank).psnr


def _table(rows: list["BranchWorth"]) -> str:
    header = f"{'branch':>6} {'alpha':>9} {'strength':>9} {'dB lost':>8}"
    lines = [f"{header} {'Mult-Adds saved':>16} {'when fused':>11}"]
    for row in rows:
        size = f"{row.kernel_size}x{row.kernel_size}"
        line = f"{size:>6} {row.alpha:9.4f} {row.strength:9.1%} {row.psnr_loss:8.3f}"
        lines.append(f"{line} {row.saved:16.1%} {row.saved_fused:11.1%}")
    return "\n".join(lines)


def plot(scalars: dict[str, float], rows: list["BranchWorth"], title: str, path: Path) -> None:
    """Draw the lambdas in the order of the network, the alphas, and what the branches cost."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (units, alphas, losses) = plt.subplots(
        1, 3, figsize=(13, 4.2), layout="constrained", width_ratios=(2.2, 1, 1)
    )
    names = [k.removesuffix("/lambda_x") for k in scalars if k.endswith("/lambda_x")]
    for kind, label in (("lambda_res", "residual (lambda_res)"), ("lambda_x", "skip (lambda_x)")):
        units.plot([scalars[f"{name}/{kind}"] for name in names], marker="o", label=label)
    units.set_xticks(range(len(names)), names, rotation=60, ha="right", fontsize=8)
    units.axhline(1, color="gray", linestyle="--", linewidth=1, label="start of training")
    units.set(title=f"{title}: weights of units and blocks", ylabel="learned value")
    units.legend()
    names = [f"{row.kernel_size}x{row.kernel_size}" for row in rows]
    alphas.bar(names, [row.alpha for row in rows])
    start = 1 / len(rows)
    alphas.axhline(start, color="gray", linestyle="--", linewidth=1, label="start of training")
    alphas.set(title="AWMS branches", ylabel="learned alpha", xlabel="kernel")
    alphas.legend()
    bars = losses.bar(names, [row.psnr_loss for row in rows])
    losses.bar_label(bars, [f"{row.psnr_loss:.3g}" for row in rows], fontsize=8)
    losses.set(title="Without the branch", ylabel="PSNR lost (dB)", xlabel="kernel")
    for axes in (units, alphas, losses):
        axes.grid(alpha=0.3, axis="y")
        axes.set_axisbelow(True)
    figure.savefig(path, dpi=120)
    plt.close(figure)
