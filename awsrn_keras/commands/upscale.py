"""Upscale picture files: PNG, JPEG, WebP, TIFF and BMP, with their metadata.

    awsrn upscale photo.jpg -o photo_x2.jpg
    awsrn upscale photos/ 'scans/*.tif' -o upscaled/ --scale 4

A file that cannot be upscaled is reported and the rest go on; the exit status is then 1.
"""

import argparse
import sys

from ..command_line import messages_kept_back, start_backend
from ..errors import InputError
from ..network.variants import SCALES
from ..progress import ProgressBar

FORMATS = ("png", "jpeg", "webp", "tiff", "bmp")
_DEFAULT_VARIANT = "awsrn_sd"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option(
        "inputs", nargs="+", metavar="IN", help="picture files, folders (with all in them), globs"
    )
    option(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="folder for the results, under the names of the inputs; for one file also a file",
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
        f"or .npz (default: {_DEFAULT_VARIANT}_x<scale>, or another preset of that scale)",
    )
    option(
        "--engine",
        choices=("keras", "litert"),
        default="keras",
        help="what runs the network; litert needs neither Keras nor TensorFlow and starts "
        "faster, but knows presets only (default %(default)s)",
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
        type=_format_name,
        choices=FORMATS,
        help="of the results (default: by the name of OUT or of the input)",
    )
    option(
        "--quality",
        type=int,
        metavar="1..100",
        help="of JPEG and WebP; 100 makes WebP lossless (default 95)",
    )
    option("--overwrite", action="store_true", help="replace results that are there already")
    option(
        "--max-megapixels",
        type=float,
        default=100,
        metavar="MP",
        help="refuse larger inputs, before they are decoded (default %(default)s)",
    )


def run(options: argparse.Namespace) -> int:
    """Upscale all inputs; 0 if all succeeded, else 1."""
    from ..upscaling.files import UpscaleOptions, upscale_file
    from ..upscaling.jobs import plan

    how = UpscaleOptions(
        options.tile,
        options.self_ensemble,
        options.quality,
        options.overwrite,
        options.max_megapixels,
    )
    jobs = plan(options.inputs, options.output, options.format)
    engine = _engine(options)
    failures = 0
    with ProgressBar() as bar:
        for number, job in enumerate(jobs, 1):
            bar.start(f"[{number}/{len(jobs)}] {job.source.name}")
            try:
                lines = upscale_file(job, engine, how, bar.update)
            except (InputError, OSError, MemoryError) as error:
                failures += 1
                bar.clear()
                print(f"error: {_reason(job, error)}", file=sys.stderr, flush=True)
            else:
                bar.clear()
                print(*lines, sep="\n", flush=True)
    if len(jobs) > 1:
        print(f"{len(jobs) - failures} of {len(jobs)} pictures upscaled", flush=True)
    return 1 if failures else 0


def choose_preset(scale: int | None) -> str:
    """The preset to take where none is named: awsrn_sd, or what there is of this scale."""
    from ..network.presets import presets

    matching = [name for name, card in presets().items() if card["scale"] == (scale or 2)]
    default = f"{_DEFAULT_VARIANT}_x{scale or 2}"
    return default if default in matching else matching[0]


def _engine(options):
    """The engine that the options name; prints where it computes."""
    model = options.preset or choose_preset(options.scale)
    if options.engine == "litert":
        from ..upscaling.litert_engine import LiteRTEngine, device_line

        print(device_line(), flush=True)
        with messages_kept_back():  # LiteRT tells that it uses XNNPACK
            engine = LiteRTEngine(model)
    else:
        print(start_backend(), flush=True)
        from ..upscaling.keras_engine import KerasEngine

        engine = KerasEngine(model)
    if options.scale not in (None, engine.scale):
        raise InputError(f"--scale {options.scale}: {model} is x{engine.scale}.")
    return engine


def _reason(job, error):
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"{job.source}: not enough memory for the result."
    return f"{error.filename or job.target}: {error.strerror or error}"


def _format_name(text):
    return {"jpg": "jpeg", "tif": "tiff"}.get(text.lower(), text.lower())
