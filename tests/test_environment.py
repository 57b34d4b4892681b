"""What has to be installed: versions that are locked, declared ranges, wheels for each Python."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def requirements(file):
    lines = (ROOT / file).read_text().splitlines()
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


def locked_here():
    """Versions in requirements.lock for this Python and system."""
    pins = [
        pin for pin in requirements("requirements.lock") if not pin.marker or pin.marker.evaluate()
    ]
    assert len({pin.name for pin in pins}) == len(pins) > 60
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in pins}


def declared():
    """Every range that the project states, but for the extras that requirements.txt leaves out."""
    extras = PROJECT["optional-dependencies"]
    named = [text for extra in extras if extra not in ("torch", "jax") for text in extras[extra]]
    return [Requirement(text) for text in PROJECT["dependencies"] + named] + requirements(
        "requirements.txt"
    )


def test_the_lock_is_within_the_declared_ranges():
    locked = locked_here()
    for requirement in declared():
        version = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} but {version} is locked"


@pytest.mark.slow
def test_the_lock_can_be_installed(tmp_path):
    command = ["install", "--dry-run", "--ignore-installed", "--no-deps", "--quiet"]
    subprocess.run([*PIP, *command, "-r", ROOT / "requirements.lock"], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.12", "3.13"])
def test_there_are_wheels_for_other_pythons(tmp_path, python):
    """The wheel's own needs with TensorFlow and LiteRT; nothing has to be compiled."""
    extras = PROJECT["optional-dependencies"]
    needs = PROJECT["dependencies"] + extras["tensorflow"] + extras["litert"]
    command = [
        "download",
        "--quiet",
        "--only-binary=:all:",
        "--python-version",
        python,
        "--no-deps",
    ]
    subprocess.run([*PIP, *command, "-d", tmp_path, *needs], check=True)
    assert len(list(tmp_path.glob("*.whl"))) == len(needs)
