"""Memory and time of `awsrn upscale` on large photographs, beside the bare network.

    python benchmarks/upscale.py --megapixels 12 48

upscales an enlarged photograph, from a JPEG file into a JPEG file, in a process of its own,
and prints its peak resident memory and wall time. "bare" is the time of the network alone
for as many pixels, in windows of 512x512 without margins; "ratio" is that of the whole
command, less its start-up (the time for a picture of 64x64), to it. On an idle machine:
about ten minutes on two processor cores.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from awsrn_keras.command_line import run_command, start_backend
from awsrn_keras.files import replacing
from awsrn_keras.pretrained import presets

WINDOW = 512


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    option = parse.add_argument
    option("--megapixels", type=float, nargs="+", default=[12, 48], help="default 12 48")
    option("--preset", nargs="+", default=["awsrn_sd_x2"], help="default awsrn_sd_x2")
    option("--engine", nargs="+", default=["keras"], help="keras, litert (default keras)")
    option("--format", default="jpeg", help="of the results (default jpeg)")
    option("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    return parse


def main() -> None:
    options = parser().parse_args()
    print(start_backend(), flush=True)
    rows = []
    print("preset        engine    MP     bare    whole  start-up  ratio  peak MB  less pictures")
    with tempfile.TemporaryDirectory() as folder:
        for preset in options.preset:
            for engine in options.engine:
                measure = measure_command(Path(folder), preset, engine, options.format, 0.004096)
                start_up = measure["seconds"]
                bare = bare_seconds_per_megapixel(preset, engine)
                for megapixels in options.megapixels:
                    row = measure_command(Path(folder), preset, engine, options.format, megapixels)
                    row |= {"start_up": start_up, "bare": bare * row["megapixels"]}
                    row["ratio"] = (row["seconds"] - start_up) / row["bare"]
                    rows.append(row)
                    print(
                        f"{preset:13} {engine:8} {row['megapixels']:4.1f} {row['bare']:7.1f}s "
                        f"{row['seconds']:7.1f}s {start_up:8.1f}s {row['ratio']:6.2f} "
                        f"{row['peak_mb']:8.0f} {row['peak_mb'] - row['pictures_mb']:14.0f}",
                        flush=True,
                    )
    if options.json:
        with replacing(options.json) as temporary:
            temporary.write_text(json.dumps(rows, indent=2) + "\n")


def measure_command(folder: Path, preset: str, engine: str, format: str, megapixels: float) -> dict:
    """Wall time and peak memory of the command on a photograph of 4:3 (64x64 for the smallest)."""
    from PIL import Image
    from skimage import data

    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(megapixels * 1e6 / height)
    source = folder / "photograph.jpg"
    Image.fromarray(data.astronaut()).resize((width, height), Image.Resampling.LANCZOS).save(source)
    command = [sys.executable, "-m", "awsrn_keras", "upscale", source, "-o", folder / "out"]
    command += ["--preset", preset, "--engine", engine, "--format", format, "--overwrite"]
    start = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} failed")
    scale = presets()[preset]["scale"]
    return {
        "preset": preset,
        "engine": engine,
        "megapixels": width * height / 1e6,
        "seconds": seconds,
        "peak_mb": used.ru_maxrss / 1024,
        "pictures_mb": 3 * width * height * (1 + scale**2) / 2**20,
    }


def bare_seconds_per_megapixel(preset: str, engine: str) -> float:
    """Median time of the network on one window, in a process without anything else."""
    code = (
        "import sys, time, numpy as np\n"
        "if sys.argv[2] == 'keras': from awsrn_keras.upscaling import KerasEngine as Engine\n"
        "else: from awsrn_keras.litert import LiteRTEngine as Engine\n"
        "engine, size = Engine(sys.argv[1]), int(sys.argv[3])\n"
        "window = np.random.default_rng(0).uniform(0, 255, (size, size, 3)).astype('float32')\n"
        "engine(window)\n"
        "def seconds():\n"
        "    start = time.perf_counter(); engine(window); return time.perf_counter() - start\n"
        "print(np.median([seconds() for _ in range(9)]))\n"
    )
    command = [sys.executable, "-c", code, preset, engine, str(WINDOW)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(printed.split()[-1]) / (WINDOW**2 / 1e6)


if __name__ == "__main__":
    run_command(main)
