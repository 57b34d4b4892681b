"""The command `awsrn`, run as a user runs it."""

import json
import os
import pty
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage import data

from awsrn_keras import presets
from awsrn_keras.pictures import read_picture, read_rgb
from awsrn_keras.upscaling.litert_engine import LiteRTEngine
from awsrn_keras.upscaling.upscale import upscale_with

NO_KERAS = (
    "import sys\n"
    "for name in ('keras', 'tensorflow', 'jax', 'torch'): sys.modules[name] = None\n"
    "from awsrn_keras.__main__ import main\n"
    "main()\n"
)


def awsrn(*arguments, **options):
    command = [sys.executable, "-m", "awsrn_keras", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, **options)


def upscale(*arguments, **options):
    """By LiteRT in a process where importing Keras or a backend of it fails."""
    command = [sys.executable, "-c", NO_KERAS, "upscale", *map(str, arguments)]
    command += ["--engine", "litert"]
    return subprocess.run(command, capture_output=True, text=True, **options)


def photograph(height=40, width=56, top=100, left=180):
    return np.ascontiguousarray(data.astronaut()[top : top + height, left : left + width])


@pytest.fixture
def picture(tmp_path):
    """A photograph on its side, with the tags of a phone."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Phone"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = tmp_path / "photo.png"
    Image.fromarray(photograph()).save(path, exif=exif, icc_profile=profile, dpi=(240, 240))
    return path


@pytest.mark.parametrize(
    "arguments", [["--help"], ["upscale", "--help"], ["presets", "--help"], ["--version"]]
)
def test_help_needs_no_keras_and_no_numpy(arguments):
    blocked = NO_KERAS.replace("'keras'", "'numpy', 'PIL', 'keras'")
    command = [sys.executable, "-c", blocked, *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0
    assert result.stderr == ""
    assert "awsrn" in result.stdout


def test_litert_upscales_without_keras_and_keeps_the_metadata(picture, tmp_path):
    result = upscale(picture, "-o", tmp_path / "big.jpg", "--quality", 100)

    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Computing on CPU (")
    assert "LiteRT" in result.stdout.splitlines()[0]
    assert "40x56 -> 80x112" in result.stdout
    assert result.stderr == ""  # no terminal, no progress bar
    upright = np.rot90(photograph(), -1)
    expected, _ = upscale_with(LiteRTEngine("awsrn_sd_x2"), upright)
    with Image.open(tmp_path / "big.jpg") as image:
        assert np.abs(np.asarray(image).astype(int) - expected).mean() < 1  # JPEG's own loss
        assert image.getexif()[0x0112] == 1
        assert image.getexif()[0x010F] == "Phone"
        assert image.info["dpi"] == pytest.approx((240, 240), abs=1)
        assert image.info["icc_profile"]


def test_the_keras_engine_gives_the_same_picture(picture, tmp_path):
    result = awsrn(
        "upscale", picture, "-o", tmp_path / "keras.png", "--tile", 16, "--engine", "keras"
    )

    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Computing on ")
    assert "Keras" in result.stdout.splitlines()[0]
    upscale(picture, "-o", tmp_path / "litert.png")
    keras, litert = (read_rgb(tmp_path / f"{name}.png").astype(int) for name in ("keras", "litert"))
    assert keras.shape == (112, 80, 3)
    assert np.abs(keras - litert).max() <= 1  # LiteRT's weights have 16 bits


def test_a_bad_file_is_named_and_the_others_are_done(picture, tmp_path):
    (tmp_path / "bad.png").write_bytes(picture.read_bytes()[:-200])
    (tmp_path / "deep").mkdir()
    Image.fromarray(photograph()[..., 0]).save(tmp_path / "deep" / "grey.tif")
    out = tmp_path / "out"

    result = upscale(tmp_path, "-o", out)

    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert f"error: {tmp_path}/bad.png: damaged" in result.stderr
    assert "2 of 3 pictures upscaled" in result.stdout
    written = sorted(str(path.relative_to(out)) for path in out.rglob("*.*"))
    assert written == ["deep/grey.tif", "photo.png"]
    assert read_picture(out / "deep" / "grey.tif").pixels.shape == (80, 112)


def test_results_are_replaced_only_when_asked(picture, tmp_path):
    target = tmp_path / "out.png"
    target.write_bytes(b"precious")

    refused = upscale(picture, "-o", target)
    assert refused.returncode == 1
    assert "out.png: is there already; --overwrite replaces it" in refused.stderr
    assert target.read_bytes() == b"precious"

    assert upscale(picture, "-o", target, "--overwrite").returncode == 0
    assert read_rgb(target).shape == (112, 80, 3)


def test_formats_and_what_they_lose(tmp_path):
    image = np.dstack([photograph(), np.full((40, 56), 128, "uint8")])
    Image.fromarray(image).save(tmp_path / "a.png")

    result = upscale(tmp_path / "a.png", "-o", tmp_path / "out", "--format", "JPG")

    assert result.returncode == 0
    assert "note: not kept: transparency (laid on white)" in result.stdout
    assert read_picture(tmp_path / "out" / "a.jpg").format == "jpeg"


def test_self_ensemble_and_sixteen_bits(tmp_path):
    import tifffile

    image = photograph(14, 19).astype("uint16") * 257
    tifffile.imwrite(tmp_path / "a.tif", image)

    result = upscale(tmp_path / "a.tif", "-o", tmp_path / "b.tif", "--self-ensemble")

    assert result.returncode == 0, result.stderr
    expected, _ = upscale_with(LiteRTEngine("awsrn_sd_x2"), image, self_ensemble=True)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "b.tif"), expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["photo.png", "-o", "photo.png"], "photo.png: is an input"),
        (["missing.png", "-o", "out"], "missing.png: no such file or folder"),
        (
            ["photo.png", "-o", "out", "--scale", "8"],
            "awsrn_x8 comes without a LiteRT file: run it with Keras",
        ),
        (["photo.png", "-o", "out", "--scale", "3", "--preset", "awsrn_sd_x2"], "is x2"),
        (["photo.png", "-o", "out", "--preset", "nonsense"], "nonsense"),
        (["photo.png", "-o", "out", "--quality", "0"], "quality must be 1 to 100, got 0"),
        (["photo.png", "-o", "out", "--tile", "9", "--self-ensemble"], "--tile has no effect"),
        (["photo.png", "-o", "out", "--photo", "--scale", "8"], "no preset of x8 for photographs"),
        (
            ["photo.png", "-o", "out", "--photo", "--preset", "awsrn_s_x2"],
            "awsrn_s_x2 has no version for photographs: choose ",
        ),
        (
            ["photo.png", "-o", "out", "--photo", "--preset", "awsrn_typo"],
            "awsrn_typo: LiteRT runs",
        ),
        (["photo.png", "-o", "out", "--tile", "0"], "tile must be at least 1 pixel, got 0"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(picture, tmp_path, arguments, message):
    before = picture.read_bytes()

    result = upscale(*arguments, cwd=tmp_path)

    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]
    assert picture.read_bytes() == before


def test_a_missing_backend_is_a_mistake_too(picture, tmp_path):
    command = [sys.executable, "-c", NO_KERAS, "upscale", picture, "-o", tmp_path / "out"]
    command += ["--engine", "keras"]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr == (
        "error: Keras cannot start, keras is not installed: pip install keras.\n"
    )


def test_too_large_is_refused_before_decoding(picture, tmp_path):
    result = upscale(picture, "-o", tmp_path / "out", "--max-megapixels", 0.001)
    assert result.returncode == 1
    assert "more than the limit of 0.001 megapixels. Allow more with --max-" in result.stderr


def run_on_terminal(command):
    """What the command writes to stderr when that is a terminal."""
    own, terminal = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=terminal) as process:
        os.close(terminal)
        shown = b""
        try:
            while block := os.read(own, 1024):
                shown += block
        except OSError:  # the other end is closed
            pass
    os.close(own)
    assert process.returncode == 0
    return shown.decode()


def test_the_progress_bar_counts_to_the_end_on_a_terminal(picture, tmp_path):
    command = [sys.executable, "-m", "awsrn_keras", "upscale", picture, "-o", tmp_path / "out"]
    shown = run_on_terminal([*map(str, command), "--engine", "litert", "--tile", "8"])
    assert "[1/1] photo.png" in shown
    assert "100%" in shown
    assert "0:00:00" in shown
    assert shown.endswith("\033[?25h\r\033[1A\033[2K")  # the cursor is back, the line cleared


def test_ctrl_c_leaves_no_half_written_file(tmp_path):
    Image.fromarray(data.astronaut()).resize((1500, 1500)).save(tmp_path / "a.jpg")
    out = tmp_path / "out"
    command = [sys.executable, "-c", NO_KERAS, "upscale", tmp_path / "a.jpg", "-o", out]
    with subprocess.Popen(
        [*map(str, command), "--engine", "litert"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.readline()  # the device: work begins
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert process.returncode == 130
    assert errors.decode() == "interrupted\n"
    assert not out.exists()


def test_presets_are_listed_with_their_scores(tmp_path):
    result = awsrn("presets", "--json", tmp_path / "presets.json")
    assert result.returncode == 0
    for name, card in presets().items():
        assert f"{name}  x{card['scale']}, {card['params']:,} parameters" in result.stdout
    assert json.loads((tmp_path / "presets.json").read_text()) == presets()


@pytest.mark.slow
def test_an_official_checkpoint_becomes_a_model_file(picture, tmp_path):
    from awsrn_keras import AWSRN
    from awsrn_keras.network.loading import official_weights

    model = AWSRN("awsrn_s", 3)
    np.savez(tmp_path / "official.npz", **official_weights(model))

    imported = awsrn("import-pytorch", tmp_path / "official.npz", "-o", tmp_path / "model.keras")
    used = awsrn("upscale", picture, "-o", tmp_path / "out", "--preset", tmp_path / "model.keras")

    assert imported.returncode == used.returncode == 0, imported.stderr + used.stderr
    assert "awsrn_s x3, 476,757 parameters, verified" in imported.stdout
    assert read_rgb(tmp_path / "out" / "photo.png").shape == (168, 120, 3)


@pytest.mark.parametrize("backend", ["torch", "nonsense"])
def test_a_backend_that_the_project_does_not_run_on_is_one_line(picture, tmp_path, backend):
    command = [sys.executable, "-m", "awsrn_keras", "upscale", picture, "-o", tmp_path / "out"]
    command += ["--engine", "keras"]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr == f"error: KERAS_BACKEND={backend}: choose tensorflow or jax.\n"


def test_control_characters_in_names_are_escaped(picture, tmp_path):
    name = tmp_path / "a\x1b[31m\nb.png"
    name.write_bytes(picture.read_bytes())
    result = awsrn("upscale", name, "-o", tmp_path / "out", "--engine", "litert")
    assert result.returncode == 0, result.stderr
    assert "a\\x1b[31m\\nb.png -> " in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize(
    ("quality", "options", "hinted"),
    [
        (50, [], True),
        (50, ["--preset", "awsrn_nano_x2"], True),
        (50, ["--preset", "awsrn_nano_x2", "--photo"], False),
        (50, ["--scale", "3"], False),
        (97, [], False),
    ],
)
def test_compressed_pictures_are_pointed_to_the_network_for_them(
    quality, options, hinted, tmp_path
):
    Image.fromarray(photograph()).save(tmp_path / "a.jpg", quality=quality)
    done = upscale(tmp_path / "a.jpg", "-o", tmp_path / "out", *options)
    assert done.returncode == 0, done.stderr
    line = "JPEG below quality 92 or lossy WebP: 1 of 1 pictures; --photo removes"
    assert (line in done.stdout) is hinted
