"""The wheel alone, in a fresh environment without the checkout, Keras or TensorFlow."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from awsrn_keras.pictures import read_rgb
from awsrn_keras.upscaling.litert_engine import LiteRTEngine
from awsrn_keras.upscaling.upscale import upscale_with

CHECKOUT = Path(__file__).parents[1]
UV = Path(sys.executable).with_name("uv")


def run(*command, **options):
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = list(map(str, command))
    done = subprocess.run(command, capture_output=True, text=True, env=clean, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(UV, "build", "--wheel", "--quiet", CHECKOUT, "-o", folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_its_weights_alone(wheel):
    run(sys.executable, "-m", "twine", "check", "--strict", wheel)
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"awsrn_keras"}
    assert "awsrn_keras/weights/awsrn_sd_x2.npz" in names
    assert "awsrn_keras/weights/awsrn_sd_x2.tflite" in names
    assert wheel.stat().st_size < 40e6


@pytest.mark.slow
def test_no_artefact_names_a_folder_of_the_machine_that_made_it(wheel, exported, tmp_path):
    _, folder = exported
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    files = [file for made in (tmp_path, folder) for file in made.rglob("*") if file.is_file()]
    assert len(files) > 40
    for file in files:
        content = file.read_bytes()
        for place in (CHECKOUT, Path.home(), folder.parent, sys.prefix):
            assert os.fsencode(f"{place}/") not in content, file


@pytest.mark.slow
def test_the_installed_wheel_upscales_a_picture_without_keras(wheel, tmp_path):
    env = tmp_path / "env"
    run(UV, "venv", "--python", sys.executable, env)
    run(UV, "pip", "install", "--python", env, wheel, "--no-deps")
    locked = ("--constraints", CHECKOUT / "requirements.lock")
    needed = ("ai-edge-litert", "imagecodecs", "numpy", "pillow", "rich", "tifffile")
    run(UV, "pip", "install", "--python", env, *locked, *needed)
    image = np.ascontiguousarray(data.astronaut()[100:140, 180:236])
    Image.fromarray(image).save(tmp_path / "a.png")
    awsrn = shutil.which("awsrn", path=env / ("Scripts" if os.name == "nt" else "bin"))
    command = [awsrn, "upscale", "a.png", "-o", "b.png", "--engine", "litert"]

    printed = run(*command, cwd=tmp_path)

    assert "56x40 -> 112x80" in printed
    expected, _ = upscale_with(LiteRTEngine("awsrn_sd_x2"), image)
    np.testing.assert_array_equal(read_rgb(tmp_path / "b.png"), expected)
    installed = run(UV, "pip", "list", "--python", env)
    assert "\nai-edge-litert " in installed
    assert "tensorflow" not in installed
    assert "\nkeras " not in installed
