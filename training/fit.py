"""Train AWSRN on photographs.

    python training/fit.py --scale 2

trains awsrn_sd x2 on the photographs inside the scikit-image and scikit-learn wheels for
two to five minutes on two CPU cores, prints its PSNR and SSIM on held-out ones beside
bicubic's, and leaves the model in runs/awsrn_sd_x2_<time>/.
"""

import argparse
import errno
import os
import time
from pathlib import Path
from typing import Any

from awsrn_keras.command_line import command_parser, run_command, start_backend
from awsrn_keras.data.degradations import Degradation
from awsrn_keras.errors import InputError
from awsrn_keras.files import check_folder
from awsrn_keras.network.variants import SCALES, VARIANTS
from training.fitting.config import (
    LOSS_NAMES,
    OPTIMIZER_NAMES,
    PRECISIONS,
    RECIPES,
    SCHEDULES,
    Config,
    option,
    with_options,
    with_tuples,
)
from training.fitting.hosts import (
    check_same,
    check_same_data,
    check_same_options,
    on_hosts,
    run_folder,
    share,
)
from training.fitting.hosts import resume as resumed
from training.fitting.run_folder import RunFolder

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DETERMINISTIC_JAX = "--xla_gpu_deterministic_ops=true"
# A field of Config, what it takes ("" for nothing), and help; its default is added.
OPTIONS = (
    ("variant", "NAME", ", ".join(VARIANTS)),
    ("scale", "INT", ", ".join(map(str, SCALES))),
    (
        "data",
        "DIR...",
        "sample (photographs in two wheels), div2k (downloaded by tensorflow-datasets), or folders "
        "of high-resolution images",
    ),
    ("lr_dir", "DIR", "low-resolution images for --data DIR; else made by bicubic"),
    (
        "val",
        "DIR...",
        "validation images; else those held out of sample, div2k or a folder in DIV2K's layout, "
        "and for other folders those of sample",
    ),
    ("epochs", "INT", "the state is saved after each"),
    ("steps_per_epoch", "INT", "batches"),
    ("minutes", "FLOAT", "train for this long instead of --epochs"),
    ("batch_size", "INT", "patches per step"),
    ("patch_size", "INT", "side in LR pixels"),
    ("loss", "NAME", ", ".join(LOSS_NAMES)),
    ("optimizer", "NAME", " or ".join(OPTIMIZER_NAMES)),
    ("learning_rate", "FLOAT", "peak; use 0.001 for adam or to fine-tune"),
    ("schedule", "NAME", " or ".join(SCHEDULES)),
    ("ema", "FLOAT", "momentum of averaged weights, e.g. 0.999"),
    ("precision", "NAME", ", ".join(PRECISIONS)),
    (
        "degrade",
        "NAME",
        "degrade LR patches like photographs: photo (blur, noise, JPEG), or a JSON file with other "
        "values",
    ),
    (
        "teacher",
        "MODEL",
        "distil it: targets are its outputs, averaged over flips and rotations, not photographs",
    ),
    ("init", "MODEL", "weights to start from; a pruned network keeps its branches"),
    ("seed", "INT", "of weights, image order, crops and flips"),
    ("deterministic", "", "repeatable to the bit, slower"),
)


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    add = parse.add_argument
    for name, takes, text in OPTIONS:
        default = getattr(Config(), name)
        default = " ".join(default) if isinstance(default, tuple) else default
        how: dict[str, Any] = {
            # Options that are not given stay out of the namespace: a resumed run has its own.
            "default": argparse.SUPPRESS,
            "help": f"{text} (default {default})" if takes and default is not None else text,
        }
        if takes:
            how["metavar"] = takes.removesuffix("...")
            how["type"] = {"INT": int, "FLOAT": float}.get(takes, str)
            how["nargs"] = "+" if takes.endswith("...") else None
        else:
            how["action"] = "store_true"
        add(option(name), **how)
    add(
        "--strict",
        action="store_true",
        help="an image that is damaged or too small is an error (default: it is left out)",
    )
    add(
        "--distribute",
        action="store_true",
        help="share every batch among all GPUs of this machine (default: one GPU)",
    )
    add(
        "--hosts",
        metavar="HOST:PORT,HOST,...",
        help="share every batch among all GPUs of these machines, each of which runs this command "
        "(KERAS_BACKEND=jax); auto where Slurm, Kubernetes or Ray tell where they are",
    )
    add("--host-index", metavar="INT", type=int, help="this machine's place in --hosts, from 0")
    add(
        "--recipe",
        choices=RECIPES,
        default="quick",
        help="paper: DIV2K, 1000 x 1000 steps; release: DIV2K, 200 x 500 steps of 32 patches by "
        "Muon in bfloat16, for a GPU; quick: the defaults above (default quick)",
    )
    add("--run-dir", "-o", "--output", type=Path, help="default runs/<variant>_x<scale>_<time>")
    add("--resume", action="store_true", help="continue the run in --run-dir")
    return parse


def main(arguments: list[str] | None = None) -> int:
    options = vars(parser().parse_args(arguments))
    hosts, index = options.pop("hosts"), options.pop("host_index")
    if hosts is not None:
        return on_hosts(fit, options, hosts, index)
    if index is not None:
        raise InputError("--host-index needs --hosts.")
    fit(options)
    return 0


def fit(options: dict) -> None:
    """Train as the options say that were given; of many hosts all but the first are silent."""
    recipe, path, resume = (options.pop(k) for k in ("recipe", "run_dir", "resume"))
    distribute, strict = options.pop("distribute"), options.pop("strict")
    given: dict[str, Any] = with_tuples(options)
    if "degrade" in given:
        given["degrade"] = Degradation.named(given["degrade"])
    if resume and path is None:
        raise InputError("--resume needs --run-dir with the folder of the run.")
    new = with_options(RECIPES[recipe], {} if resume else given)
    lengths = [option(name) for name in ("epochs", "steps_per_epoch") if name in given]
    if new.minutes is not None and lengths:
        raise InputError(f"--minutes sets the length of the run: leave out {lengths[0]}.")
    if path is not None and not resume and share()[0] == 0:
        check_folder(path.parent)
    check_same("--resume", resume)
    with run_folder(path or default_folder(new)) as folder:
        if resume:
            run(folder, resumed(folder, given), distribute, strict, resuming=True)
        else:
            folder.check_unused()
            check_same_options(new)
            run(folder, new, distribute, strict)


def default_folder(config: Config) -> Path:
    return Path("runs") / f"{config.variant}_x{config.scale}_{time.strftime('%Y%m%d_%H%M%S')}"


def run(
    folder: RunFolder, config: Config, distribute: bool, strict: bool, resuming: bool = False
) -> None:
    if config.deterministic:  # JAX reads it when it starts
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {DETERMINISTIC_JAX}"
    print(start_backend(), flush=True)
    from training.fitting.advice import on_validation
    from training.fitting.devices import devices_for
    from training.fitting.report import report
    from training.fitting.trainer import load_data, steps_for, train, use_determinism, with_branches

    hosts = share()[1]
    if hosts > 1 and config.deterministic:
        raise InputError("--deterministic is for one host: leave it out, or --hosts.")
    devices = devices_for(config.batch_size) if distribute or hosts > 1 else []
    if config.deterministic:
        use_determinism()
    if not resuming:
        config = with_branches(config)
    data, validation = load_data(config, strict)
    check_same_data(data)
    print(on_validation(config), flush=True)
    if config.minutes is not None and not resuming:
        config = steps_for(config, config.minutes, data, devices)
    print(
        f"{config.variant} x{config.scale}: {len(data)} training and {len(validation)} validation "
        f"images, {config.total_steps} steps of {config.batch_size} patches",
        flush=True,
    )
    if devices:
        where = f" of {hosts} hosts" if hosts > 1 else ""
        print(f"every batch shared by {', '.join(devices)}{where}", flush=True)
    try:
        model = train(config, data, validation, folder, resuming, devices)
        report(model, validation, folder)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise InputError(
            f"{error.filename or folder.place}: {error.strerror}; the last saved state is kept. "
            f"Make room and continue with --resume --run-dir {folder.path}."
        ) from error


if __name__ == "__main__":
    run_command(main)
