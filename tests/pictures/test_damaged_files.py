"""A folder of 200 damaged files among good ones: all named, all good ones done."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image
from skimage import data

from awsrn_keras.pictures import read_rgb

SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "TIFF": ".tif", "BMP": ".bmp"}


def encoded(format):
    file = io.BytesIO()
    options = {"compression": "tiff_adobe_deflate"} if format == "TIFF" else {}
    Image.fromarray(data.astronaut()[100:140, 180:236]).save(file, format, **options)
    return file.getvalue()


def huge(format):
    """The same file with a declared size of 60000 x 50000 pixels."""
    content = bytearray(encoded(format))
    if format == "PNG":
        content[16:24] = struct.pack(">II", 60000, 50000)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    elif format == "JPEG":
        start = content.index(b"\xff\xc0") + 5
        content[start : start + 4] = struct.pack(">HH", 50000, 60000)
    elif format == "BMP":
        content[18:26] = struct.pack("<ii", 60000, 50000)
    else:
        (folder,) = struct.unpack_from("<I", content, 4)
        (entries,) = struct.unpack_from("<H", content, folder)
        for start in range(folder + 2, folder + 2 + 12 * entries, 12):
            tag, _, _, _ = struct.unpack_from("<HHII", content, start)
            if tag in (256, 257):
                struct.pack_into("<HHII", content, start, tag, 4, 1, 60000 if tag == 256 else 50000)
    return bytes(content)


def damaged_files():
    """Name to content of 200 files; the names that start with "maybe" may decode all the same."""
    random = np.random.default_rng(0)
    files = {}
    for format, suffix in SUFFIXES.items():
        content = encoded(format)
        for i, length in enumerate(random.integers(1, len(content) * 9 // 10, 20)):
            files[f"cut_{i}{suffix}"] = content[:length]
        for i in range(13):
            flipped = bytearray(content)
            flipped[random.integers(len(content))] ^= 1 << random.integers(8)
            certain = format == "PNG"  # the only one with checksums of all it holds
            files[f"{'flipped' if certain else 'maybe'}_{i}{suffix}"] = bytes(flipped)
        files[f"empty{suffix}"] = b""
        files[f"zeros{suffix}"] = bytes(5000)
        files[f"text{suffix}"] = b"This is no picture.\n" * 50
        files[f"noise{suffix}"] = random.bytes(5000)
        if format != "WEBP":  # it cannot declare more than 16383 x 16383
            files[f"huge{suffix}"] = huge(format)
    files["page.jpg"] = b"<!DOCTYPE html><html></html>"
    for i, suffix in zip(range(200 - len(files)), [".png", ".tif"] * 20, strict=False):
        files[f"program_{i}{suffix}"] = b"\x7fELF" + random.bytes(1000)
    return files


# Runs a command and prints its peak memory, kB. What starts from pytest counts pytest's as its own.
WITH_PEAK = (
    "import resource, subprocess, sys; status = subprocess.run(sys.argv[1:]).returncode; "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(status)"
)


@pytest.mark.slow
def test_damaged_files_are_named_and_good_ones_done(tmp_path):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    damaged = damaged_files()
    assert len(damaged) == 200
    for name, content in damaged.items():
        (folder / name).write_bytes(content)
    for format, suffix in SUFFIXES.items():
        for i in range(4):
            (folder / f"good_{i}{suffix}").write_bytes(encoded(format))
    (folder / "really_a_jpeg.png").write_bytes(encoded("JPEG"))

    command = [sys.executable, "-m", "awsrn_keras", "upscale", str(folder), "-o", str(out)]
    command = [sys.executable, "-c", WITH_PEAK, *command, "--engine", "litert"]
    result = subprocess.run(command, capture_output=True, text=True)

    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert all(line.startswith(f"error: {folder}/") for line in lines)
    named = [line.removeprefix(f"error: {folder}/").split(":")[0] for line in lines]
    done = {path.name for path in out.iterdir()}
    assert len(named) == len(set(named))
    assert done | set(named) == {path.name for path in folder.iterdir()}
    assert not done & set(named)
    assert {name for name in done if not name.startswith(("good", "maybe"))} == {
        "really_a_jpeg.png"
    }
    for suffix in SUFFIXES.values():
        for i in range(4):
            assert read_rgb(out / f"good_{i}{suffix}").shape == (80, 112, 3)
    # A file decoded before its size is checked needs 9 GB.
    assert int(result.stdout.split()[-1]) < 1.5e6
