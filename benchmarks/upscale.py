"""Time and memory of whole `awsrn upscale` commands, from JPEG files into JPEG files.

    python benchmarks/upscale.py --megapixels 12 48

upscales a photograph of each size with each preset, in floating point with Keras and LiteRT and
in 8 bits, and with Pillow's bicubic: in turn, each in a process of its own, medians of --runs.
"ratio" is to awsrn_sd_x2 in floating point with Keras. Then awsrn_sd_x2 in 8 bits upscales a
folder of small pictures, beside the bare network on the same pictures, decoded beforehand. On
an idle machine with two cores about an hour; with --megapixels 12 it takes a quarter of that.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple, TextIO, cast

from awsrn_keras.command_line import above_zero, command_parser, cpu_cores, run_command
from awsrn_keras.files import write_json
from awsrn_keras.tables import aligned_table

REFERENCE = "awsrn_sd_x2 float, keras"
SMALL = 256  # height and width of the pictures in the folder

# In processes of their own: a child's peak memory is at least its parent's.
PHOTOGRAPHS = """
import sys
import numpy as np
from PIL import Image
from skimage import data
height, width, *files = sys.argv[1:]
size = int(height), int(width)
photographs = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
random = np.random.default_rng(0)
for number, file in enumerate(files):
    photograph = photographs[number % 4]
    missing = [(0, max(0, n - m)) for n, m in zip(size, photograph.shape)]
    photograph = np.pad(photograph, [*missing, (0, 0)], "symmetric")
    top, left = (random.integers(m - n + 1) for n, m in zip(size, photograph.shape))
    window = photograph[top : top + size[0], left : left + size[1]]
    Image.fromarray(window).save(file, quality=90)
"""
BICUBIC = """
import sys
from PIL import Image
picture = Image.open(sys.argv[1])
size = 2 * picture.width, 2 * picture.height
picture.resize(size, Image.Resampling.BICUBIC).save(sys.argv[2], quality=95)
"""
BARE_NETWORK = """
import sys, time
import numpy as np
from PIL import Image
from awsrn_keras.command_line import messages_kept_back
from awsrn_keras.upscaling.engines import make_engine
with messages_kept_back():
    engine = make_engine("awsrn_sd_x2", precision="int8")
windows = [np.asarray(Image.open(file)) for file in sys.argv[1:]]
engine(windows[0])
start = time.perf_counter()
for window in windows:
    engine(window)
print(time.perf_counter() - start)
"""


class Run(NamedTuple):
    """Wall time and peak resident memory of a command, and what it printed."""

    seconds: float
    peak_mb: float
    printed: str


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    option = parse.add_argument
    option(
        "--megapixels", type=above_zero(float), nargs="*", default=[12, 48], help="default 12 48"
    )
    option("--preset", nargs="+", default=["awsrn_sd_x2", "awsrn_nano_x2"], help="of scale 2")
    option("--pictures", type=int, default=500, help="in the folder (default %(default)s)")
    option("--runs", type=above_zero(int), default=3, help="of each command (default %(default)s)")
    option("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    return parse


def main() -> None:
    options = parser().parse_args()
    print(f"x2, JPEG to JPEG, {cpu_cores()} cores, medians of {options.runs}", flush=True)
    figures: dict = {"photographs": []}
    with tempfile.TemporaryDirectory() as folder:
        for megapixels in options.megapixels:
            rows = measure_photograph(Path(folder), megapixels, options.preset, options.runs)
            figures["photographs"] += rows
        if options.pictures:
            figures["folder"] = measure_folder(Path(folder), options.pictures, options.runs)
    if options.json:
        write_json(options.json, figures)


def measure_photograph(
    folder: Path, megapixels: float, presets: list[str], runs: int
) -> list[dict]:
    """Measure all commands on one photograph of 4:3, and print a table."""
    source, result = folder / "photograph.jpg", folder / "result.jpg"
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(megapixels * 1e6 / height)
    run_python("-c", PHOTOGRAPHS, height, width, source)
    commands = {"bicubic, Pillow": ("-c", BICUBIC, source, result)}
    for preset in presets:
        for precision, engine in (("float", "keras"), ("float", "litert"), ("int8", "litert")):
            how = ("--preset", preset, "--precision", precision, "--engine", engine)
            commands[f"{preset} {precision}, {engine}"] = upscale(source, result, *how)
    measured: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            measured[name].append(run_python(*command))
    medians = {name: statistics.median(r.seconds for r in each) for name, each in measured.items()}
    table = [[f"{megapixels:g} MP", "time", "ratio", "peak memory"]]
    rows = []
    for name, each in measured.items():
        seconds, peak_mb = medians[name], max(run.peak_mb for run in each)
        ratio = seconds / medians[REFERENCE] if REFERENCE in medians else None
        shown = f"{ratio:.3f}" if ratio else "-"
        table.append([name, f"{seconds:.1f} s", shown, f"{peak_mb:.0f} MB"])
        row = {"command": name, "megapixels": megapixels, "seconds": seconds}
        rows.append(row | {"ratio": ratio, "peak_mb": peak_mb})
    print(aligned_table(table) + "\n", flush=True)
    return rows


def measure_folder(folder: Path, pictures: int, runs: int) -> dict:
    """The rate of a folder of small pictures, and that of the bare network, pictures a second."""
    sources = folder / "small"
    sources.mkdir()
    files = [sources / f"{number}.jpg" for number in range(pictures)]
    run_python("-c", PHOTOGRAPHS, SMALL, SMALL, *files)
    command = upscale(sources, folder / "large", "--precision", "int8")
    whole, bare = [], []
    for _ in range(runs):
        whole.append(run_python(*command).seconds)
        bare.append(float(run_python("-c", BARE_NETWORK, *files).printed))
    rate, bare_rate = (pictures / statistics.median(seconds) for seconds in (whole, bare))
    print(
        f"{pictures} pictures of {SMALL}x{SMALL}, awsrn_sd_x2 int8: {rate:.1f} a second, the bare "
        f"network {bare_rate:.1f}: {rate / bare_rate:.0%}"
    )
    return {"pictures": pictures, "rate": rate, "bare_rate": bare_rate, "share": rate / bare_rate}


def upscale(source: Path, result: Path, *how: str) -> tuple:
    return ("-m", "awsrn_keras", "upscale", source, "-o", result, "--overwrite", *how)


def run_python(*arguments: object) -> Run:
    """Run Python with these arguments.

    Raises:
        RuntimeError: It failed.
    """
    command = [sys.executable, *map(str, arguments)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    printed = cast(TextIO, process.stdout).read()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} failed")
    return Run(seconds, used.ru_maxrss / 1024, printed)


if __name__ == "__main__":
    run_command(main)
