"""What has to be installed: versions that are locked, declared ranges, wheels for each Python."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


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
    """Every range that the project states."""
    extras = PROJECT["optional-dependencies"].values()
    named = PROJECT["dependencies"] + [text for extra in extras for text in extra]
    return [Requirement(text) for text in named] + requirements("tests/requirements.txt")


def test_the_lock_is_within_the_declared_ranges():
    locked = locked_here()
    for requirement in declared():
        version = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} but {version} is locked"


def test_ci_runs_the_locked_versions_and_nothing_else():
    if not os.environ.get("CI"):
        pytest.skip("an environment of one's own may have other versions; CI must not")
    locked = locked_here()
    here = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    # Once Ray is loaded, what it carries inside is on `sys.path` as well.
    installed = {canonicalize_name(found.name): found.version for found in distributions(path=here)}
    for name in set(installed) - {"awsrn-keras", "pip", "setuptools"}:
        public = Version(installed[name]).public  # torch 2.13.0+cpu is 2.13.0
        assert locked.get(name) == public, f"{name} {installed[name]} is installed"
    assert len(installed) > 100


def test_every_extra_is_in_one_of_the_files_of_requirements():
    (line,) = re.findall(r"^-e \.\[(.*)\]$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    extras = PROJECT["optional-dependencies"]
    tests_only = {requirement.name for requirement in requirements("tests/requirements.txt")}
    left_out = {
        Requirement(text).name
        for name in set(extras) - set(line.split(","))
        for text in extras[name]
    }
    assert left_out <= tests_only


def uv(*command, **options):
    program = Path(sys.executable).with_name("uv")
    return subprocess.run([program, "pip", *command], check=True, cwd=ROOT, **options)


@pytest.mark.slow
def test_every_locked_version_can_be_had(tmp_path):
    uv("install", "--dry-run", "--no-deps", "--target", tmp_path, "-r", "requirements.lock")


@pytest.mark.slow
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("platform", ["linux", "aarch64-apple-darwin", "windows"])
def test_there_are_wheels_for_every_python_and_system(python, platform):
    """The wheel's own needs with TensorFlow and LiteRT; nothing has to be compiled."""
    extras = PROJECT["optional-dependencies"]
    needs = PROJECT["dependencies"] + extras["tensorflow"] + extras["litert"]
    there = ["--python-version", python, "--python-platform", platform]
    only = ["--no-deps", "--only-binary=:all:", "--python", sys.executable]
    printed = uv(
        "compile", *only, *there, "-", input="\n".join(needs), stdout=subprocess.PIPE, text=True
    )
    assert printed.stdout.count("==") == len(needs)
