"""LiteRT for 64-bit Arm on this machine: on its own processor, or under QEMU."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from awsrn_keras.files import cache_folder, remove_unfinished, replacing
from awsrn_keras.progress import ProgressBar

from .running import Device
from .this_machine import machine_name
from .timings import DidNotRun

_SECONDS = 600  # for what one command fetches, a hundred megabytes at most
_PYTHON = ("python3", "libstdc++6")  # Debian's packages; the second is for LiteRT
_QEMU = ("qemu-user-static",)  # needs no libraries
_CURE = "fetching takes a network and the apt sources of Debian or Ubuntu"
_IMPORT = ("-c", "import ai_edge_litert.compiled_model")
# The machine's own sources and keys, but no other packages and nobody's folders but ours. Of what
# is installed apt knows nothing, so that it fetches all that the packages depend on.
_APT = """\
Dir::State::Lists "{place}/lists";
Dir::State::status "/dev/null";
Dir::Cache "{place}";
Debug::NoLocking "true";
APT::Update::Error-Mode "any";
APT::Sandbox::User "root";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""
_ARM_ALONE = """\
#clear APT::Architectures;
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
"""
# From libraries for glibc 2.17 to those for 2.36, Debian 12's.
_WHEELS = ("manylinux2014", *(f"manylinux_2_{minor}" for minor in range(17, 37)))
# Not the newest that QEMU has: Debian 12's gets the 8-bit matrix products of later cores wrong.
_CPU, _NAME = "neoverse-n1", "Neoverse N1"
# XNNPACK chooses kernels by this file, and crashes without it: 16-bit floats, dot products.
_CPUINFO = """\
processor\t: 0
Features\t: fp asimd aes pmull sha1 sha2 crc32 atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x3
CPU part\t: 0xd0c
CPU revision\t: 1
"""


def find_arm() -> Device:
    """This machine if it is an Arm, else one that QEMU emulates.

    What that takes is fetched once and kept in the cache, and fetched anew where it is damaged:
    Debian's Python for arm64, this LiteRT's wheel for it, and QEMU where it is not installed. It
    needs no root, and the system's packages and settings stay as they are.

    Raises:
        DidNotRun: It cannot be had here; the message says why.
    """
    if platform.machine() in ("aarch64", "arm64"):
        return Device("Arm", machine_name())
    root = cache_folder() / f"arm64-litert-{importlib.metadata.version('ai-edge-litert')}"
    own_qemu = root.with_name("qemu-aarch64")
    installed = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
    qemu = installed or str(own_qemu)
    if not _starts(qemu, root):
        try:
            root.parent.mkdir(parents=True, exist_ok=True)
            # A process that is killed gives the lock back.
            with FileLock(root.with_name("arm64.lock")), ProgressBar() as bar:
                if not installed and _failure([qemu, "--version"]):
                    bar.start("fetching QEMU")
                    _fetch_qemu(own_qemu)
                if not _starts(qemu, root):  # no other process has fetched it in the meantime
                    bar.start("fetching Python and LiteRT for Arm")
                    _fetch_python(qemu, root)
        except OSError as error:
            reason = f"{error.filename or root.parent}: {error.strerror}"
            raise DidNotRun(f"{reason}; set AWSRN_CACHE to another folder") from None
    return Device("Arm", _NAME, "emulated by QEMU", python=_python(qemu, root))


def _python(qemu: str, root: Path) -> tuple[str, ...]:
    """Starts Python there, which takes nothing of this one's from the environment."""
    python = str(root / "usr/bin/python3")
    return (qemu, "-cpu", _CPU, "-L", str(root), python, "-E", "-s")


def _starts(qemu: str, root: Path) -> bool:
    return _failure([*_python(qemu, root), *_IMPORT]) is None


def _fetch_qemu(path: Path) -> None:
    remove_unfinished(path)
    with tempfile.TemporaryDirectory() as folder, replacing(path) as temporary:
        _unpack(_QEMU, Path(folder))
        shutil.copy(Path(folder) / "usr/bin/qemu-aarch64-static", temporary)


def _fetch_python(qemu: str, root: Path) -> None:
    remove_unfinished(root)
    with replacing(root) as temporary:
        _fill(temporary)
        _run([*_python(qemu, temporary), *_IMPORT])


def _fill(root: Path) -> None:
    """Put Python, LiteRT and what they need into a new folder."""
    _unpack(_PYTHON, root, _ARM_ALONE)
    shutil.rmtree(root / "usr/share")  # documentation and the like
    if not (root / "lib").exists():
        (root / "lib").symlink_to("usr/lib")  # since Debian 13 no package but base-files has it
    (root / "proc").mkdir()
    (root / "proc/cpuinfo").write_text(_CPUINFO)
    version = (root / "usr/bin/python3").resolve().name.removeprefix("python")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"]
    pip += ["--only-binary=:all:", f"--python-version={version}"]
    pip += [f"--platform={kind}_aarch64" for kind in _WHEELS]
    pip.append(f"--target={root / 'usr/lib/python3/dist-packages'}")
    pip.append(f"ai-edge-litert=={importlib.metadata.version('ai-edge-litert')}")
    _run(pip, f"; {_CURE}")


def _unpack(packages: Sequence[str], folder: Path, settings: str = "") -> None:
    """Fetch Debian packages and all that they depend on, and unpack them into `folder`."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise DidNotRun(f"no {program} here; {_CURE}")
    with tempfile.TemporaryDirectory() as place:
        for part in ("lists", "archives"):
            (Path(place) / part / "partial").mkdir(parents=True)
        configuration = Path(place) / "apt.conf"
        configuration.write_text(_APT.format(place=place) + settings)
        apt = ["apt-get", f"--config-file={configuration}", "-qq"]
        install = ["install", "--yes", "--download-only", "--no-install-recommends", *packages]
        not_read = _failure([*apt, "update"])  # perhaps a source of other packages only
        not_fetched = _failure([*apt, *install])
        if not_fetched:
            raise DidNotRun(f"{not_read or not_fetched}; {_CURE}")
        for package in sorted(Path(place).glob("archives/*.deb")):
            _run(["dpkg-deb", "--extract", package, folder])


def _run(command: Sequence[str | Path], cure: str = "") -> None:
    failure = _failure(command)
    if failure:
        raise DidNotRun(failure + cure)


def _failure(command: Sequence[str | Path]) -> str | None:
    """Run a command to its end; the first of its errors if it fails, in one line."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
        )
    except OSError as error:  # not there, or damaged
        return f"{command[0]}: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"{Path(command[0]).name}: no end in {_SECONDS} s"
    if done.returncode == 0:
        return None
    lines = [line for line in done.stderr.splitlines() if line.strip()] or ["it says nothing"]
    errors = [line for line in lines if line.startswith(("E:", "ERROR:"))]
    return f"{Path(command[0]).name}: {(errors or lines[-1:])[0]}"
