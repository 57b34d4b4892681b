"""Time other networks' .tflite files beside ours: LiteRT on the processor, x2, in turn.

    python benchmarks/rivals.py
    python benchmarks/rivals.py --file "ABPN int8=abpn_int8.tflite" --size 256x256

MLPerf Mobile's reference for super-resolution, EDSR f32b5, is built here with random weights,
which take as long as trained ones: in float32 and in 8 bits, pixels in and out. "ratio" is to
the one of these that takes the same type of pixels. Medians of --runs; three minutes on two
idle processor cores.
"""

import argparse
import itertools
import re
import statistics
import time
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
from awsrn_keras.files import write_json
from awsrn_keras.tables import aligned_table
from awsrn_keras.upscaling.litert_engine import device_line, tflite_path
from awsrn_keras.upscaling.litert_model import LiteRTModel

EDSR = "EDSR f32b5"
PRECISIONS = ("float", "int8")


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    option = parse.add_argument
    option("--preset", nargs="+", default=["awsrn_nano_x2", "awsrn_sd_x2"])
    option("--file", nargs="+", default=[], metavar="NAME=PATH", help="other .tflite files")
    option(
        "--size",
        nargs="+",
        default=["256x256", "540x960"],
        metavar="HxW",
        help="of the input (default 256x256 540x960)",
    )
    option("--threads", type=int, default=2, help="default %(default)s")
    option("--runs", type=above_zero(int), default=15, help="of each file (default %(default)s)")
    option("--json", type=Path, metavar="FILE", help="also write the times to this file")
    return parse


def main() -> None:
    options = parser().parse_args()
    sizes = {text: height_and_width(text) for text in options.size}
    files = {
        f"{preset} {precision}": tflite_path(preset, precision)
        for preset in options.preset
        for precision in PRECISIONS
    }
    for name, _, path in (text.partition("=") for text in options.file):
        if not Path(path).is_file():
            raise InputError(f"--file {name}={path}: no such file; give NAME=PATH.")
        files[name] = Path(path)
    start_backend()
    with messages_kept_back():  # LiteRT tells that it uses XNNPACK
        models = {f"{EDSR} {name}": LiteRTModel(edsr(name), options.threads) for name in PRECISIONS}
        models |= {name: LiteRTModel(path, options.threads) for name, path in files.items()}
    print(f"{device_line()}, {options.threads} threads, medians of {options.runs}\n", flush=True)
    times = {text: median_times(models, size, options.runs) for text, size in sizes.items()}
    rows = [["", *(cell for text in sizes for cell in (text, "ratio"))]]
    for name, model in models.items():
        precision = "float" if pixel_type(model) == np.float32 else "int8"
        pairs = [(each[name], each[f"{EDSR} {precision}"]) for each in times.values()]
        cells = [(f"{1000 * own:.1f} ms", f"{own / edsrs:.2f}") for own, edsrs in pairs]
        rows.append([name, *itertools.chain(*cells)])
    print(aligned_table(rows))
    if options.json:
        write_json(options.json, times)


def height_and_width(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if match is None:
        raise InputError(f"--size {text}: give height x width, such as 540x960.")
    return int(match[1]), int(match[2])


def edsr(precision: str) -> bytes:
    """EDSR f32b5 x2 with random weights, height and width free, as a .tflite file."""
    import keras
    from keras import layers, ops

    from export.precisions import PRECISIONS as STORED
    from export.tflite.conversion import convert

    def conv(filters: int, activation: str | None = None) -> layers.Conv2D:
        return layers.Conv2D(filters, 3, padding="same", activation=activation)

    image = keras.Input((None, None, 3), batch_size=1)
    head = features = conv(32)(image)
    for _ in range(5):
        features = features + conv(32)(conv(32, "relu")(features))
    features = head + conv(32)(features)
    pixels = ops.relu(ops.minimum(conv(12)(features), 255.0))  # clipped in this order, as there
    upscaled = ops.depth_to_space(pixels, 2, data_format="channels_last")
    random = np.random.default_rng(0)
    pictures = [random.uniform(0, 255, (1, 64, 64, 3)).astype("float32") for _ in range(4)]
    stored = STORED["float32" if precision == "float" else "int8"]
    return convert(keras.Model(image, upscaled), (None, None), stored, pictures)


def pixel_type(model: LiteRTModel) -> type:
    return model.interpreter.get_input_details()[0]["dtype"]


def median_times(
    models: dict[str, LiteRTModel], size: tuple[int, int], runs: int
) -> dict[str, float]:
    """Seconds that each takes for a picture of this size; every round runs all of them."""
    noise = np.random.default_rng(0).integers(0, 128, (1, *size, 3))
    pictures: dict[str, np.ndarray] = {
        name: noise.astype(pixel_type(model)) for name, model in models.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for round_ in range(runs + 1):  # the first warms up
        for name, model in models.items():
            start = time.perf_counter()
            model(pictures[name])
            if round_:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(each) for name, each in seconds.items()}


if __name__ == "__main__":
    run_command(main)
