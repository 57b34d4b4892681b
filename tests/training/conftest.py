"""Runs that several test files look at, trained once."""

import contextlib
import io
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from training_runs import arguments, make_photographs

from training.fit import main


class Finished(NamedTuple):
    """A run of two epochs of three steps, and what it printed."""

    folder: Path
    printed: str


@pytest.fixture(scope="session")
def photographs(tmp_path_factory) -> Path:
    """Two small pictures; not to be changed."""
    return make_photographs(tmp_path_factory.mktemp("pictures") / "photographs")


@pytest.fixture(scope="session")
def finished(photographs, tmp_path_factory) -> Finished:
    """A finished run; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        main(arguments(photographs, folder, "--ema", "0.5"))
    return Finished(folder, printed.getvalue())


@pytest.fixture
def run(finished, tmp_path) -> Path:
    """A copy of the finished run."""
    return shutil.copytree(finished.folder, tmp_path / "run")
