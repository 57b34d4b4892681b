"""Upscale picture files: PNG, JPEG, WebP, TIFF, BMP, AVIF and HEIC, with their metadata.

    awsrn upscale photo.jpg -o photo_x2.jpg
    awsrn upscale photos/ 'scans/*.tif' -o upscaled/ --scale 4

A file that cannot be upscaled is reported and the rest go on; the exit status is then 1.
HEIC needs pip install pillow-heif.
"""

import argparse
import functools
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..command_line import (
    libraries_silenced,
    messages_kept_back,
    printable,
    start_backend,
)
from ..errors import InputError
from ..network.variants import SCALES
from ..progress import ProgressBar

if TYPE_CHECKING:
    from ..upscaling.engine import Engine
    from ..upscaling.jobs import Job


def add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option(
        "inputs",
        nargs="+",
        metavar="IN",
        help="picture files, folders (searched recursively), globs",
    )
    option(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="folder for the results, which keep the names of the inputs; for one picture, a file",
    )
    option(
        "--scale",
        type=int,
        choices=SCALES,
        help="magnification (default: that of --preset, or 2)",
    )
    option(
        "--preset",
        metavar="MODEL",
        help="trained weights, see `awsrn presets`; also a run folder, .keras, .weights.h5, .pt "
        "or .npz (default: awsrn_sd_x<scale>, or another preset of that scale)",
    )
    option(
        "--photo",
        action="store_true",
        help="for photographs with JPEG artifacts or noise: removes them instead of sharpening "
        "them (the preset's version for photographs, e.g. awsrn_sd_x2_photo)",
    )
    option(
        "--engine",
        choices=("auto", "litert", "keras"),
        default="auto",
        help="what runs the network; litert starts faster and needs neither Keras nor "
        "TensorFlow, but knows presets only; auto takes it where it can, unless there is a GPU "
        "(default %(default)s)",
    )
    option(
        "--precision",
        choices=("float", "int8"),
        default="float",
        help="int8 computes in 8 bits: three to four times as fast, about 0.1 dB less; for presets "
        "(default %(default)s)",
    )
    option(
        "--self-ensemble",
        action="store_true",
        help="average over the eight flips and rotations: slightly better, eight times slower",
    )
    option(
        "--tile",
        type=int,
        metavar="PIXELS",
        help="rows of input pixels in a tile; changes memory and time, never the result "
        "(default: as many as fit in half a gigabyte)",
    )
    option(
        "--format",
        metavar="FORMAT",
        help="of results in a folder: png, jpeg, webp, tiff, bmp, avif or heic (default: that of "
        "the input)",
    )
    option(
        "--suffix",
        default="",
        metavar="TEXT",
        help="added to the names of results in a folder, e.g. _x2",
    )
    option(
        "--quality",
        type=int,
        metavar="1..100",
        help="of JPEG, WebP, AVIF and HEIC; 100 makes WebP lossless (default 95)",
    )
    present = parser.add_mutually_exclusive_group().add_argument
    present("--overwrite", action="store_true", help="replace results that are there already")
    present(
        "--skip-existing",
        action="store_true",
        help="leave out pictures whose results are there already, to finish an interrupted folder",
    )
    option(
        "--max-megapixels",
        type=float,
        default=100,
        metavar="MP",
        help="refuse larger inputs, before they are decoded (default %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Upscale all inputs; 0 if all succeeded, else 1."""
    from ..pictures import describe_skipped, visibly_compressed
    from ..upscaling.files import UpscaleOptions, check_job, is_there, upscale_files
    from ..upscaling.jobs import plan

    how = UpscaleOptions(
        options.tile,
        options.self_ensemble,
        options.quality,
        options.overwrite,
        options.max_megapixels,
    )
    jobs, skipped = plan(options.inputs, options.output, options.format, options.suffix)
    model = choose_preset(options.preset, options.scale, options.photo)
    engine, float_engine = _engines(model, options)
    failed, present, possible = [], [], []
    with libraries_silenced(), ProgressBar() as bar:
        bar.start(f"Checking {len(jobs)} files")
        for job in jobs:
            try:
                if options.skip_existing and is_there(job.target):
                    present.append(job)
                else:
                    check_job(job, engine.scale, how)
                    possible.append(job)
            except Exception as error:
                failed.append(job)
                _report(job, error, bar)
        numbers = {job: number for number, job in enumerate(possible, 1)}
        compressed = 0
        if _photo_helps(options, model):
            compressed = sum(visibly_compressed(job.source) for job in possible)

        def show(job: "Job", done: int, windows: int) -> None:
            if done == 1:
                bar.start(f"[{numbers[job]}/{len(possible)}] {job.source.name}")
            bar.update(done, windows)

        for job, outcome in upscale_files(possible, engine, how, float_engine, show):
            if isinstance(outcome, BaseException):
                failed.append(job)
                _report(job, outcome, bar)
            else:
                bar.clear()
                print(*map(printable, outcome), sep="\n", flush=True)
    if compressed:
        print(
            f"JPEG below quality 92 or lossy WebP: {compressed} of {len(possible)} pictures; "
            "--photo removes compression artifacts",
            flush=True,
        )
    if skipped:
        print(describe_skipped(skipped), flush=True)
    if len(jobs) > 1 or present:
        done = f"{len(jobs) - len(present) - len(failed)} of {len(jobs)} pictures upscaled"
        print(done + (f", {len(present)} were there already" if present else ""), flush=True)
    return 1 if failed else 0


def _report(job: "Job", error: BaseException, bar: ProgressBar) -> None:
    """Name a file on which something failed."""
    bar.clear()
    print(f"error: {printable(_reason(job, error))}", file=sys.stderr, flush=True)


def choose_preset(preset: str | None, scale: int | None, photo: bool) -> str:
    """The MODEL that the options ask for."""
    from ..network.presets import PHOTO, default_preset, presets

    if preset is None:
        return default_preset(scale or 2, photo)
    known = preset in presets() or os.path.exists(preset)
    if not photo or preset.endswith(PHOTO) or not known:  # a typing error is reported later
        return preset
    if preset + PHOTO not in presets():
        choices = ", ".join(name for name in presets() if name.endswith(PHOTO))
        raise InputError(f"--photo: {preset} has no version for photographs: choose {choices}.")
    return preset + PHOTO


def _photo_helps(options: argparse.Namespace, model: str) -> bool:
    """Whether --photo would choose another network than `model`."""
    try:
        return choose_preset(options.preset, options.scale, photo=True) != model
    except InputError:
        return False


def _engines(model: str, options: argparse.Namespace) -> tuple["Engine", Callable[[], "Engine"]]:
    """The engine for `model`, and what makes one for 16 bits; says where it computes."""
    from ..upscaling.engines import choose_engine, make_engine
    from ..upscaling.litert_engine import device_line

    engine = choose_engine(model, options.engine, options.precision)
    print(device_line() if engine == "litert" else start_backend(), flush=True)
    with messages_kept_back():  # LiteRT tells that it uses XNNPACK
        made = make_engine(model, engine, options.precision)
    if options.scale not in (None, made.scale):
        raise InputError(f"--scale {options.scale}: {model} is x{made.scale}.")
    return made, functools.cache(lambda: make_engine(model, engine))


def _reason(job: "Job", error: BaseException) -> str:
    """One line that names the file."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or job.target}: {error.strerror}"
    text = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    # In the words of Python, LiteRT, TensorFlow, JAX and PyTorch.
    for word in ("MemoryError", "ResourceExhausted", "RESOURCE_EXHAUSTED", "OutOfMemory"):
        if word in text:
            return f"{job.source}: not enough memory; a smaller --tile needs less."
    return f"{job.source}: {text}"
