"""Windows and macOS: what Python has on Linux only is taken away, and the program still runs."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

CHECKOUT = Path(__file__).parents[1]

# Taken away as a program starts, before anything else is imported.
WITHOUT_LINUX = """
import builtins, io, mmap, os, signal, sys

for name in ("fcntl", "grp", "posix_spawn", "pty", "pwd", "resource", "syslog", "termios", "tty"):
    sys.modules[name] = None
for name in (
    "EX_OK", "EX_USAGE", "O_DIRECTORY", "chown", "fork", "forkpty", "geteuid", "getloadavg",
    "getpgid", "getuid", "killpg", "mkfifo", "pathconf", "posix_fadvise", "sched_getaffinity",
    "setsid", "statvfs", "sync", "sysconf",
):
    if hasattr(os, name):
        delattr(os, name)
for name in ("SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGUSR1", "SIGUSR2"):
    delattr(signal, name)
class Map(mmap.mmap):
    madvise = property()
mmap.mmap = Map

def without_proc(opened):
    def call(path, *arguments, **options):
        if isinstance(path, (str, os.PathLike)) and os.fspath(path).startswith(("/proc", "/sys")):
            raise FileNotFoundError(2, "No such file or directory", path)
        return opened(path, *arguments, **options)
    return call

builtins.open = io.open = without_proc(io.open)
os.open = without_proc(os.open)
"""


@pytest.fixture
def elsewhere(tmp_path):
    """Runs Python in a folder with three pictures in `in`, without what only Linux has."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(WITHOUT_LINUX)
    (tmp_path / "in").mkdir()
    for seed in range(3):
        values = np.random.default_rng(seed).integers(0, 256, (64, 72, 3), dtype=np.uint8)
        Image.fromarray(values).save(tmp_path / "in" / f"{seed}.png")
    paths = os.pathsep.join([str(tmp_path / "site"), str(CHECKOUT)])
    environment = {**os.environ, "PYTHONPATH": paths, "AWSRN_CACHE": str(tmp_path / "cache")}

    def run(*arguments):
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            timeout=300,
        )

    return run


def test_the_names_are_gone(elsewhere):
    code = "import os, signal; print([hasattr(os, 'fork'), hasattr(signal, 'SIGKILL')])"
    assert elsewhere("-c", code).stdout == "[False, False]\n"
    assert "ModuleNotFoundError" in elsewhere("-c", "import fcntl").stderr


def test_every_module_of_the_package_can_be_imported(elsewhere):
    code = (
        "import importlib, pkgutil, awsrn_keras as a\n"
        "names = [m.name for m in pkgutil.walk_packages(a.__path__, 'awsrn_keras.')]\n"
        "for name in names:\n"
        "    if not name.endswith('__main__'): importlib.import_module(name)\n"
        "print(len(names))\n"
    )
    result = elsewhere("-c", code)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 40


@pytest.mark.parametrize("engine", ["litert", pytest.param("keras", marks=pytest.mark.slow)])
def test_a_folder_is_upscaled(elsewhere, tmp_path, engine):
    command = ["-m", "awsrn_keras", "upscale", "in", "-o", "out", "--scale", 2, "--engine", engine]
    result = elsewhere(*command)
    assert result.returncode == 0, result.stderr
    assert "3 of 3 pictures upscaled" in result.stdout
    with Image.open(tmp_path / "out" / "2.png") as image:
        assert image.size == (144, 128)


@pytest.mark.slow
def test_a_network_is_trained(elsewhere, tmp_path):
    fit = [CHECKOUT / "training" / "fit.py", "--variant", "awsrn_nano", "--data", "in"]
    fit += ["--epochs", 1, "--steps-per-epoch", 2, "--batch-size", 2, "--patch-size", 16]
    result = elsewhere(*fit, "--run-dir", "run")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "run" / "model.keras").is_file()
    assert elsewhere(fit[0], "--resume", "--run-dir", "run").returncode == 0
