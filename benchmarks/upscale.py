"""Memory and time of `awsrn upscale` on large photographs, beside the bare network.

    python benchmarks/upscale.py --megapixels 12 48

upscales an enlarged photograph, from a JPEG file into a JPEG file, in a process of its own,
and prints its peak resident memory and wall time. "bare" is the time of the network alone
for as many pixels, in windows of 512x512 without margins; "ratio" is that of the whole
command, less its start-up (the time for a picture of 64x64), to it. Every ten seconds the
command is stopped, and its clock with it, while the bare network is timed: so both meet the
same disturbances. On an idle machine: about ten minutes on two processor cores.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TextIO, cast

from awsrn_keras.command_line import command_parser, run_command, start_backend
from awsrn_keras.files import write_json
from awsrn_keras.network.presets import presets

WINDOW = 512
PAUSE_EVERY = 10  # seconds


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
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
                setting = (Path(folder), preset, engine, options.format)
                with BareNetwork(preset, engine) as bare:
                    start_up = measure_command(bare, *setting, 0.004096)["seconds"]
                    for megapixels in options.megapixels:
                        row = measure_command(bare, *setting, megapixels) | {"start_up": start_up}
                        row["ratio"] = (row["seconds"] - start_up) / row["bare"]
                        rows.append(row)
                        print(
                            f"{preset:13} {engine:8} {row['megapixels']:4.1f} {row['bare']:7.1f}s "
                            f"{row['seconds']:7.1f}s {start_up:8.1f}s {row['ratio']:6.2f} "
                            f"{row['peak_mb']:8.0f} {row['peak_mb'] - row['pictures_mb']:14.0f}",
                            flush=True,
                        )
    if options.json:
        write_json(options.json, rows)


class BareNetwork:
    """The network alone, in a process without anything else; in between it waits."""

    _CODE = (
        "import sys, time, numpy as np\n"
        "if sys.argv[2] == 'keras':\n"
        "    from awsrn_keras.command_line import start_backend; start_backend()\n"
        "    from awsrn_keras.upscaling.keras_engine import KerasEngine as Engine\n"
        "else: from awsrn_keras.upscaling.litert_engine import LiteRTEngine as Engine\n"
        "engine, size = Engine(sys.argv[1]), int(sys.argv[3])\n"
        "window = np.random.default_rng(0).uniform(0, 255, (size, size, 3)).astype('float32')\n"
        "engine(window)\n"
        "for line in sys.stdin:\n"
        "    start = time.perf_counter(); engine(window)\n"
        "    print(time.perf_counter() - start, flush=True)\n"
    )

    def __init__(self, preset: str, engine: str) -> None:
        command = [sys.executable, "-c", self._CODE, preset, engine, str(WINDOW)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self._ask = cast(TextIO, self._process.stdin)
        self._answer = cast(TextIO, self._process.stdout)
        self.seconds()

    def seconds(self) -> float:
        """Time of one window."""
        self._ask.write("\n")
        self._ask.flush()
        return float(self._answer.readline())

    def __enter__(self) -> "BareNetwork":
        return self

    def __exit__(self, *_: object) -> None:
        self._ask.close()
        self._process.wait()


def measure_command(
    bare: BareNetwork, folder: Path, preset: str, engine: str, format: str, megapixels: float
) -> dict:
    """Wall time and peak memory of the command on a photograph of 4:3 (64x64 for the smallest)."""
    from PIL import Image
    from skimage import data

    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(megapixels * 1e6 / height)
    source = folder / "photograph.jpg"
    Image.fromarray(data.astronaut()).resize((width, height), Image.Resampling.LANCZOS).save(source)
    command = [sys.executable, "-m", "awsrn_keras", "upscale", source, "-o", folder / "out"]
    command += ["--preset", preset, "--engine", engine, "--format", format, "--overwrite"]
    windows = [bare.seconds() for _ in range(3)]
    start = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    stopped = 0.0
    while not ended(process, PAUSE_EVERY):
        process.send_signal(signal.SIGSTOP)
        pause = time.perf_counter()
        windows += [bare.seconds() for _ in range(3)]
        stopped += time.perf_counter() - pause
        process.send_signal(signal.SIGCONT)
    seconds = time.perf_counter() - start - stopped
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} failed")
    scale = presets()[preset]["scale"]
    return {
        "preset": preset,
        "engine": engine,
        "megapixels": width * height / 1e6,
        "bare": statistics.median(windows) * width * height / WINDOW**2,
        "seconds": seconds,
        "peak_mb": used.ru_maxrss / 1024,
        "pictures_mb": 3 * width * height * (1 + scale**2) / 2**20,
    }


def ended(process: subprocess.Popen, seconds: float) -> bool:
    """Whether the process ends within a time; it is still to be waited for."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return True
        time.sleep(0.02)
    return False


if __name__ == "__main__":
    run_command(main)
