"""Train a network with the recipe of the released weights, on one GPU, without TensorFlow.

    python training/train_release.py --scale 2 --images DIR... --minutes 10 -o out/awsrn_sd_x2

needs keras, jax, numpy and pillow, and makes out/awsrn_sd_x2.npz, a MODEL for every other
command, and out/awsrn_sd_x2.json with the data, steps, hours, machine and speed. A training
that was killed goes on with --resume. docs/release_training.md has the commands of the
package's weights, their times and scores, and several trainings on one GPU at a time. On a
CPU use fit.py: there XLA runs the convolutions of this command on one core.
"""

import argparse
import contextlib
import os
from pathlib import Path

from awsrn_keras.command_line import run_command, start_backend
from awsrn_keras.errors import InputError
from awsrn_keras.network.variants import SCALES, VARIANTS
from training.fitting.config import LOSSES, OPTIMIZERS
from training.release.recipe import PRECISIONS, RECIPE_OPTIONS, Recipe


def parser() -> argparse.ArgumentParser:
    d = Recipe()
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    option = parse.add_argument
    folders = {"nargs": "+", "metavar": "DIR"}
    option("-o", "--output", metavar="OUT", help="writes OUT.npz, OUT.json and OUT.state/")
    option("--images", **folders, required=True, help="folders of HR images, or packs (.zip)")
    option("--val", **folders, help="folders of HR images, or packs, to score on")
    option("--resume", action="store_true", help="go on with the training of --output")
    option("--after", metavar="FILE", help="load and compile, then wait for FILE before training")
    option("--pack", metavar="OUT", help="only write the images to OUT-01.zip, ... of 30 MB")
    option("--save-seconds", type=float, default=60, help="between two states (default 60)")
    option("--score-seconds", type=float, default=120, help="between two scorings (default 120)")
    option("--peak", type=float, metavar="TFLOPS", help="of the device in bfloat16, if not known")
    # Options that are not given stay out of the namespace: a resumed training has its own.
    given = {"default": argparse.SUPPRESS}
    names = {"metavar": "NAME", **given}
    option("--variant", **names, help=f"{', '.join(VARIANTS)} (default {d.variant})")
    option("--scale", type=int, **given, help=f"{', '.join(map(str, SCALES))} (default {d.scale})")
    option("--minutes", type=float, **given, help=f"of training alone (default {d.minutes})")
    option("--steps", type=int, **given, help="length instead of --minutes, in whole chunks")
    option("--batch-size", type=int, **given, help=f"patches per step (default {d.batch_size})")
    option("--patch-size", type=int, **given, help=f"side in LR pixels (default {d.patch_size})")
    option("--loss", **names, help=f"{', '.join(LOSSES)} (default {d.loss})")
    option("--optimizer", **names, help=f"{' or '.join(OPTIMIZERS)} (default {d.optimizer})")
    option(
        "--learning-rate",
        type=float,
        **given,
        help=f"at first (default {d.learning_rate}; rather 0.001 for adam and for trained weights)",
    )
    option("--final-rate", type=float, **given, help=f"at the end (default {d.final_rate})")
    option("--warm-up", type=int, **given, help=f"steps of rising rate (default {d.warm_up})")
    option("--ema", type=float, **given, help=f"momentum of averaged weights (default {d.ema})")
    option("--precision", **names, help=f"{', '.join(PRECISIONS)} (default {d.precision})")
    option("--chunk", type=int, **given, help=f"steps per call of the GPU (default {d.chunk})")
    option("--init", metavar="MODEL", **given, help="weights to start from (default: random)")
    option("--seed", type=int, **given, help=f"default {d.seed}")
    return parse


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    given = {name: getattr(options, name) for name in RECIPE_OPTIONS if hasattr(options, name)}
    if options.pack:
        pack(options.images, options.pack)
        return
    if options.output is None:
        raise InputError("Name the result: --output OUT.")
    if "steps" in given and "minutes" in given:
        raise InputError("Give --steps or --minutes, not both.")
    recipe = Recipe(**given)
    start_jax()
    from training.release.files import ReleaseFiles

    with contextlib.closing(ReleaseFiles(options.output)) as files:
        if options.resume:
            recipe, data, progress = files.resume()
            recipe.check_same(given)
            train(options, recipe, files, data, progress)
        else:
            files.start()
            train(options, recipe, files)


def pack(images: list[str], output: str) -> None:
    from training.release.picture_packs import write_packs

    for path in write_packs(images, Path(output)):
        print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


def start_jax() -> None:
    """Load Keras on JAX and print where it computes.

    Raises:
        InputError: JAX is not installed, or another backend was asked for.
    """
    os.environ.setdefault("KERAS_BACKEND", "jax")
    # Else JAX takes three quarters of the GPU at once, and a second training finds no room.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if os.environ["KERAS_BACKEND"] != "jax":
        raise InputError("This command runs on JAX: set KERAS_BACKEND to jax, or use fit.py.")
    try:
        print(start_backend(), flush=True)
    except ImportError as error:
        raise InputError(f'{error}: pip install "awsrn-keras[jax]".') from None


def train(options: argparse.Namespace, recipe: Recipe, files, data=None, progress=None) -> None:
    """A new training, or with `data` and `progress` the rest of one."""
    from awsrn_keras.network.loading import load_model
    from training.release.data import load_images, load_sources
    from training.release.record import device_name, known_peak, publish_command, speed_line
    from training.release.run import Training, wait_for

    if recipe.init and not options.after:
        load_model(recipe.init)  # a mistake shows before the images are decoded
    bank, found = load_images(options.images, recipe.scale, recipe.patch_size)
    if data is not None and found["crc32"] != data["crc32"]:
        raise InputError(f"{options.images[0]}: not the images that {files.weights} was begun on.")
    print(
        f"{recipe.variant} x{recipe.scale}: {found['images']} images of "
        f"{found['hr_megapixels']:.0f} megapixels; {found['too_small']} too small",
        flush=True,
    )
    validation = load_sources(options.val, recipe.scale) if options.val else None
    training = Training(recipe, files, data or found, validation, progress)
    training.compile(bank)
    if options.after:
        wait_for(options.after)
    if recipe.init and progress is None:
        training.start_from(load_model(recipe.init))
    training.run(options.save_seconds, options.score_seconds)
    record = training.finish(options.peak or known_peak(device_name()))
    print(speed_line(record["speed"]))
    print(f"{files.weights} and {files.record}; as a preset:")
    print(publish_command(files.weights, record))


if __name__ == "__main__":
    run_command(main)
