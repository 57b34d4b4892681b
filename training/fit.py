"""Train AWSRN on photographs.

    python training/fit.py --scale 2

trains awsrn_sd x2 on the photographs inside the scikit-image and scikit-learn wheels for
about five minutes on two processor cores, prints its PSNR and SSIM on held-out ones beside
bicubic's, and leaves the model in runs/awsrn_sd_x2_<time>/.
"""

import argparse
import contextlib
import errno
import time
from pathlib import Path

from awsrn_keras.command_line import run_command, start_backend
from awsrn_keras.errors import InputError
from awsrn_keras.network.variants import SCALES, VARIANTS
from training.fitting.config import (
    LOSSES,
    OPTIMIZERS,
    PRECISIONS,
    RECIPES,
    SCHEDULES,
    Config,
    with_options,
)
from training.fitting.run_folder import RunFolder

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def parser() -> argparse.ArgumentParser:
    d = Config()
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    # Options that are not given stay out of the namespace: a resumed run has its own.
    option = parse.add_argument
    given = {"default": argparse.SUPPRESS}
    names = {"metavar": "NAME", **given}
    option("--variant", **names, help=f"{', '.join(VARIANTS)} (default {d.variant})")
    option("--scale", type=int, **given, help=f"{', '.join(map(str, SCALES))} (default {d.scale})")
    option(
        "--data",
        nargs="+",
        metavar="DIR",
        **given,
        help="sample (photographs in two wheels), div2k (downloaded by tensorflow-datasets), or "
        "folders of high-resolution images (default sample)",
    )
    option(
        "--lr-dir", metavar="DIR", **given, help="low-resolution images of --data DIR; else made"
    )
    option("--val", nargs="+", metavar="DIR", **given, help="validation images (default: held out)")
    option("--epochs", type=int, **given, help=f"default {d.epochs}; state is saved after each")
    option("--steps-per-epoch", type=int, **given, help=f"default {d.steps_per_epoch}")
    option("--minutes", type=float, **given, help="length by the clock instead of --epochs")
    option("--batch-size", type=int, **given, help=f"patches per step (default {d.batch_size})")
    option("--patch-size", type=int, **given, help=f"side in LR pixels (default {d.patch_size})")
    option("--loss", **names, help=f"{', '.join(LOSSES)} (default {d.loss})")
    option("--optimizer", **names, help=f"{' or '.join(OPTIMIZERS)} (default {d.optimizer})")
    option(
        "--learning-rate",
        type=float,
        **given,
        help=f"highest (default {d.learning_rate}; rather 0.001 for adam and for trained weights)",
    )
    option("--schedule", **names, help=f"{' or '.join(SCHEDULES)} (default {d.schedule})")
    option(
        "--ema", type=float, **given, help="momentum of averaged weights, e.g. 0.999 (default 0)"
    )
    option("--precision", **names, help=f"{', '.join(PRECISIONS)} (default {d.precision})")
    option(
        "--teacher",
        metavar="MODEL",
        **given,
        help="learn from its results, averaged over flips and rotations, not from the photographs",
    )
    option("--init", metavar="MODEL", **given, help="weights to start from (default scratch)")
    option("--seed", type=int, **given, help=f"default {d.seed}")
    option(
        "--deterministic", action="store_true", **given, help="repeatable to the last bit, slower"
    )
    option(
        "--distribute",
        action="store_true",
        help="share every batch among all GPUs of this machine (default: one GPU)",
    )
    option("--recipe", choices=RECIPES, default="quick", help="paper: DIV2K, 1000 x 1000 steps")
    option("--run-dir", "-o", "--output", type=Path, help="default runs/<variant>_x<scale>_<time>")
    option("--resume", action="store_true", help="go on with the run in --run-dir")
    return parse


def main(arguments: list[str] | None = None) -> None:
    options = vars(parser().parse_args(arguments))
    recipe, path, resume = (options.pop(k) for k in ("recipe", "run_dir", "resume"))
    distribute = options.pop("distribute")
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
    if resume and path is None:
        raise InputError("--resume needs --run-dir with the folder of the run.")
    new = None if resume else with_options(RECIPES[recipe], given)
    with contextlib.closing(RunFolder(path or default_folder(new))) as folder:
        if new is None:
            run(folder, folder.resume(given), distribute, resumed=True)
        else:
            folder.check_unused()
            run(folder, new, distribute)


def default_folder(config: Config) -> Path:
    return Path("runs") / f"{config.variant}_x{config.scale}_{time.strftime('%Y%m%d_%H%M%S')}"


def run(folder: RunFolder, config: Config, distribute: bool, resumed: bool = False) -> None:
    print(start_backend(), flush=True)
    from training.fitting.devices import devices_for, keep_tensorflow_off_gpus
    from training.fitting.report import report
    from training.fitting.trainer import load_data, steps_for, train, use_determinism

    keep_tensorflow_off_gpus()
    devices = devices_for(config.batch_size) if distribute else []
    if config.deterministic:
        use_determinism()
    data, validation = load_data(config)
    if config.minutes is not None and not resumed:
        config = steps_for(config, data, devices)
    print(
        f"{config.variant} x{config.scale}: {len(data)} training and {len(validation)} validation "
        f"images, {config.total_steps} steps of {config.batch_size} patches",
        flush=True,
    )
    if devices:
        print(f"every batch shared by {', '.join(devices)}", flush=True)
    try:
        model = train(config, data, validation, folder, resumed, devices)
        report(model, validation, folder)
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        raise InputError(
            f"{error.filename}: {error.strerror}; the last saved state is kept. Make room and go "
            f"on by --resume --run-dir {folder.path}."
        ) from error


if __name__ == "__main__":
    run_command(main)
