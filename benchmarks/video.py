"""Speed and memory of `awsrn upscale clip.mp4`, beside its network and its encoder alone.

    python benchmarks/video.py

makes clips of 640x360 with sound, ten seconds at 24 frames a second and at a variable rate, and a
longer one, and upscales each. "possible" is 1 / (time of the network for a frame +
processor time of the encoder for a frame), each measured alone; "share" is what of that the command
reaches, from its first frame to its last segment. On an idle machine with two cores about four
minutes.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TextIO, cast

import av
import numpy as np
from PIL import Image
from skimage import data

from awsrn_keras.command_line import (
    above_zero,
    command_parser,
    cpu_cores,
    messages_kept_back,
    run_command,
)
from awsrn_keras.files import write_json
from awsrn_keras.tables import aligned_table
from awsrn_keras.upscaling.engines import make_engine
from awsrn_keras.upscaling.upscale import upscale
from awsrn_keras.upscaling.video import VideoOptions
from awsrn_keras.videos import Frame, frames, open_clip

SIZE = 640, 360
TICK = Fraction(1, 90000)


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    option = parse.add_argument
    option(
        "--seconds",
        type=above_zero(int),
        nargs=2,
        default=[10, 60],
        metavar=("SHORT", "LONG"),
        help="length of the clips (default 10 60)",
    )
    option("--preset", default="awsrn_nano_x2", help="of scale 2 (default %(default)s)")
    option("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    return parse


def main() -> None:
    options = parser().parse_args()
    print(f"{options.preset} in 8 bits, 640x360 to 1280x720, {cpu_cores()} cores", flush=True)
    short, long = options.seconds
    random = np.random.default_rng(0)
    uneven = np.sort(random.choice(90 * short, 24 * short, replace=False)) * 1000
    clips = {
        f"{short} s at 24 frames/s": range(0, short * 90000, 3750),
        f"{short} s, variable": uneven.tolist(),
        f"{long} s at 24 frames/s": range(0, long * 90000, 3750),
    }
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for times in clips.values():
            clip = Path(folder, "clip.mp4")
            write_clip(clip, times)
            figures.append(measure(clip, options.preset))
    table = [["clip", "network", "encoder", "possible", "reached", "share", "peak memory"]]
    table += [
        [
            name,
            f"{1000 * row['network']:.1f} ms",
            f"{1000 * row['encoder']:.1f} ms",
            f"{row['possible']:.2f}/s",
            f"{row['reached']:.2f}/s",
            f"{row['share']:.0%}",
            f"{row['peak_mb']:.0f} MB",
        ]
        for name, row in zip(clips, figures, strict=True)
    ]
    print(aligned_table(table))
    if options.json:
        write_json(options.json, dict(zip(clips, figures, strict=True)))


def measure(clip: Path, preset: str) -> dict[str, float]:
    """Seconds for a frame of network and encoder, frames a second of the command, its memory."""
    with messages_kept_back():
        engine = make_engine(preset, precision="int8")
    header = open_clip(clip)
    sample = [frame for frame, _ in zip(frames(header, print), range(48), strict=False)]
    upscale(sample[0].pixels, engine)
    seconds, large = [], []
    for frame in sample:
        start = time.perf_counter()
        large.append(frame._replace(pixels=upscale(frame.pixels, engine)))
        seconds.append(time.perf_counter() - start)
    network, encoder = statistics.median(seconds), encoding_time(clip, large)
    result = clip.with_name("result.mp4")
    command = ["-m", "awsrn_keras", "upscale", clip, "-o", result, "--preset", preset]
    process = subprocess.Popen(
        [sys.executable, *map(str, command), "--overwrite"], stdout=subprocess.PIPE, text=True
    )
    printed = cast(TextIO, process.stdout).read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    found = re.search(r"([\d.]+) frames/s", printed)
    if not found:
        raise RuntimeError(f"awsrn {' '.join(map(str, command))} failed")
    possible, reached = 1 / (network + encoder), float(found[1])
    return {
        "network": network,
        "encoder": encoder,
        "possible": possible,
        "reached": reached,
        "share": reached / possible,
        "peak_mb": used.ru_maxrss / 1024,
    }


def encoding_time(clip: Path, large: list[Frame]) -> float:
    """Seconds of processor time for a frame."""
    encoder = VideoOptions("").encoder(open_clip(clip), 2)
    start = time.process_time()
    encoder.write(clip.with_name("piece.nut"), large)
    return (time.process_time() - start) / len(large)


def write_clip(path: Path, times: Sequence[int]) -> None:
    """A window that wanders over a photograph, with a tone; times are in `TICK`s."""
    width, height = SIZE
    photograph = Image.fromarray(data.astronaut()).resize((2 * width, 2 * height))
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", 24, width=width, height=height, pix_fmt="yuv420p")
        video.codec_context.time_base = TICK
        sound = container.add_stream("aac", 48000, layout="stereo")
        for number, when in enumerate(times):
            x = round(width * (0.5 + 0.45 * np.sin(number / 20)))
            y = round(height * (0.5 + 0.45 * np.cos(number / 33)))
            picture = photograph.crop((x, y, x + width, y + height))
            frame = av.VideoFrame.from_image(picture).reformat(format="yuv420p")
            frame.pts, frame.time_base = int(when), TICK
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        wave = 8000 * np.sin(np.arange(int(times[-1] * TICK * 48000)) * 2 * np.pi * 440 / 48000)
        for start in range(0, len(wave), 1024):
            block = wave[start : start + 1024].astype(np.int16).repeat(2)[None]
            samples = av.AudioFrame.from_ndarray(block, "s16", "stereo")
            samples.sample_rate, samples.pts = 48000, start
            container.mux(sound.encode(samples))
        container.mux(sound.encode(None))


if __name__ == "__main__":
    run_command(main)
