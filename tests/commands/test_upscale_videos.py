"""`awsrn upscale` with videos and animations, as its users run it."""

import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from clips import luma, make_clip, packets, scene, shown
from folders import contents
from PIL import Image

COMMAND = [sys.executable, "-m", "awsrn_keras", "upscale"]


def upscale(*arguments, **options):
    command = [*COMMAND, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)


def test_a_folder_of_pictures_and_videos(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    Image.fromarray(scene(0, 32, 20)).save(folder / "photo.png")
    make_clip(folder / "a.mp4", [0, 3750], (32, 20))
    make_clip(folder / "b.avi", range(0, 8 * 3750, 3750), (32, 20), "mjpeg", "yuvj420p")

    result = upscale(folder, "-o", out, "--suffix", "_x2")

    assert (result.returncode, result.stderr) == (0, "")
    assert sorted(path.name for path in out.iterdir()) == ["a_x2.mp4", "b_x2.mkv", "photo_x2.png"]
    lines = result.stdout.splitlines()
    assert lines[0] == lines[1], "one network for pictures, another for videos"
    assert [line.split()[0].split("/")[-1] for line in lines[2:]] == [
        "photo.png",
        "a.mp4",
        "b.avi",
        "3",
    ]
    assert lines[-1] == "3 of 3 files upscaled"
    assert re.search(r"32x20 -> 64x40  2 frames  \d+\.\d s \(\d+\.\d frames/s\)$", lines[3])

    again = upscale(folder, "-o", out, "--suffix", "_x2", "--resume")
    assert again.stdout.splitlines()[-1] == "0 of 3 files upscaled, 3 were there already"


def test_presets_and_precision_of_videos(tmp_path):
    """The default is awsrn_nano in 8 bits; --preset and --precision choose others."""
    source = make_clip(tmp_path / "clip.mkv", [0], (40, 24), "ffv1", "bgr0")
    found = {}
    for name, options in {
        "default": [],
        "nano": ["--preset", "awsrn_nano_x2", "--precision", "int8"],
        "float": ["--precision", "float"],
        "sd": ["--preset", "awsrn_sd_x2"],
        "photo": ["--photo"],
    }.items():
        result = upscale(source, "-o", tmp_path / f"{name}.mkv", "--crf", "1", *options)
        assert result.returncode == 0, result.stderr
        found[name] = luma(shown(tmp_path / f"{name}.mkv")[0][1]).astype(int)
    assert np.array_equal(found["default"], found["nano"])
    assert 0 < np.abs(found["float"] - found["nano"]).mean() < 1
    assert np.abs(found["sd"] - found["nano"]).mean() > 0.2
    assert np.abs(found["photo"] - found["nano"]).mean() > 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "out.webm"], "out.webm: videos are written as one of .mp4, .m4v, .mov, .mkv"),
        (["-o", "out.png"], "out.png: videos are written as one of .mp4"),
        (["-o", "out", "--quality", "90"], "--quality is for pictures, and there are none"),
        (["-o", "out", "--format", "png"], "--format is for pictures, and there are none"),
        (["-o", "out.mp4", "--crf", "60"], "The constant rate factor must be 0 to 51, got 60."),
        (["-o", "clip.mp4"], "clip.mp4: is an input; choose another --output."),
        (["-o", "out.mp4", "--preset", "awsrn_sd_x3", "--scale", "2"], "awsrn_sd_x3 is x3"),
    ],
)
def test_mistakes_cost_one_line(tmp_path, arguments, message):
    make_clip(tmp_path / "clip.mp4", [0], (32, 20))
    before = contents(tmp_path)
    result = upscale("clip.mp4", *arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert message in result.stderr
    assert contents(tmp_path) == before


def test_options_for_videos_are_refused_where_there_are_none(tmp_path):
    Image.fromarray(scene(0, 32, 20)).save(tmp_path / "photo.png")
    result = upscale(tmp_path / "photo.png", "-o", tmp_path / "out", "--crf", "20")
    assert result.returncode == 2
    assert result.stderr == "error: --crf is for videos, and there are none: leave it out.\n"


def test_a_bad_video_does_not_end_the_others(tmp_path):
    make_clip(tmp_path / "good.mp4", [0], (32, 20))
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    result = upscale(tmp_path / "bad.mp4", tmp_path / "good.mp4", "-o", tmp_path / "out")
    assert result.returncode == 1
    assert result.stderr == f"error: {tmp_path}/bad.mp4: damaged or not a video.\n"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.mp4"]
    assert result.stdout.endswith("1 of 2 videos upscaled\n")


def wait_for(parts, segments, process):
    end = time.monotonic() + 100
    state = parts / "state.json"
    while not state.exists() or len(json.loads(state.read_text())["segments"]) < segments:
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.slow
def test_a_killed_run_goes_on_and_gives_the_same_bytes(tmp_path):
    times = range(0, 45 * 90000, 9000)  # five segments of a hundred frames
    source = make_clip(tmp_path / "clip.mp4", times, (128, 72), sounds=("eng", "deu"))
    assert upscale(source, "-o", tmp_path / "whole.mp4").returncode == 0
    whole = (tmp_path / "whole.mp4").read_bytes()
    for kill, segments in ((signal.SIGKILL, 1), (signal.SIGKILL, 3), (signal.SIGINT, 2)):
        target = tmp_path / f"{kill}_{segments}.mp4"
        parts = target.with_name(target.name + ".parts")
        process = subprocess.Popen(
            [*COMMAND, str(source), "-o", str(target)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(parts, segments, process)
        process.send_signal(kill)
        _, errors = process.communicate(timeout=60)
        assert not target.exists()
        if kill == signal.SIGINT:
            assert process.returncode == 130
            assert errors == f"{target}: begun, --resume goes on\ninterrupted\n"

        refused = upscale(source, "-o", target)
        assert refused.returncode == 1
        assert f"{parts}: left by an interrupted run: --resume goes on with it" in refused.stderr
        result = upscale(source, "-o", target, "--resume")

        assert (result.returncode, result.stderr) == (0, "")
        frames = int(re.search(r"(\d+) frames", result.stdout)[1])
        assert frames <= 450 - 100 * segments
        assert target.read_bytes() == whole
        assert not parts.exists()
    assert len(packets(tmp_path / "whole.mp4")[0]) == 450
