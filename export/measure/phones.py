"""Timings on Android phones, where adb puts the files and LiteRT's benchmark_model."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from awsrn_keras.errors import InputError
from export.tflite.exported import ExportedFile

from .phone_output import read_output
from .timings import DidNotRun, Place, Timing

FOLDER = "/data/local/tmp/awsrn_benchmark"
_LONGEST = 900  # seconds for one file: on a processor each of its runs may take some
_ADB_STARTS = 60  # seconds
_LOST = ("offline", "not found", "no devices", "error: closed", "unauthorized")


class PhoneError(InputError):
    """The phone cannot be asked any more; what was measured before stands."""


def benchmark_command(place: Place, runs: int) -> str:
    """The shell command that times `model.tflite` in `FOLDER` on a phone.

    The processor is left out of the accelerators gpu and npu, so that none of its times
    are taken for theirs. `FOLDER` is also searched for LiteRT's accelerator libraries.
    """
    flags = ["--graph=model.tflite", f"--num_runs={runs}", "--report_peak_memory_footprint=true"]
    if place.accelerator == "cpu":
        flags.append(f"--num_threads={place.threads}")
    else:
        flags += [f"--use_{place.accelerator}=true", "--use_cpu=false"]
        flags.append("--require_full_delegation=true")
    if place.accelerator == "npu":
        flags += [f"--dispatch_library_path={FOLDER}", f"--compiler_plugin_library_path={FOLDER}"]
    paths = f"LD_LIBRARY_PATH={FOLDER} ADSP_LIBRARY_PATH={FOLDER}"
    return f"cd {FOLDER} && {paths} ./benchmark_model {' '.join(flags)} 2>&1"


class Phone:
    """A phone on which adb may run programs.

    Args:
        serial: As `adb devices` lists it.
    """

    def __init__(self, serial: str) -> None:
        self._serial = serial
        keys = ("product.brand", "product.model", "build.version.release")
        brand, model, version = (self._adb("shell", "getprop", f"ro.{key}").strip() for key in keys)
        self.name = f"{brand} {model}, Android {version}"

    @contextlib.contextmanager
    def holding(self, binary: Path, libraries: list[Path]) -> Iterator[None]:
        """Put the programs into a folder of their own, and take it away whatever happens."""
        try:
            self._adb("shell", "mkdir", "-p", FOLDER)
            self._push(binary, "benchmark_model")
            for library in libraries:
                self._push(library, library.name)
            self._adb("shell", "chmod", "755", f"{FOLDER}/benchmark_model")
            yield
        finally:
            with contextlib.suppress(PhoneError):
                self._adb("shell", "rm", "-rf", FOLDER)

    def time(self, file: ExportedFile, places: list[Place], runs: int) -> Iterator[Timing]:
        """Time a file on each of `places`.

        Raises:
            PhoneError: The phone is gone or has no room for the file.
        """
        self._push(file.path, "model.tflite")
        for place in places:
            output = self._adb("shell", benchmark_command(place, runs), may_fail=True)
            yield timing_of(output, self.name, file, place)

    def _push(self, file: Path, name: str) -> None:
        self._adb("push", str(file), f"{FOLDER}/{name}")

    def _adb(self, *arguments: str, may_fail: bool = False) -> str:
        """What adb prints; a failure of the program on the phone is none of adb's."""
        try:
            done = subprocess.run(
                ["adb", "-s", self._serial, *arguments],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_LONGEST,
            )
        except subprocess.TimeoutExpired:
            raise PhoneError(f"{self._serial}: no answer in {_LONGEST} s.") from None
        said = done.stderr.strip()
        if done.returncode and ("No space left" in said or "No space left" in done.stdout):
            raise PhoneError(f"{self._serial}: no space left on it for {arguments[1]}.")
        if done.returncode and (not may_fail or any(word in said for word in _LOST)):
            reason = (said or done.stdout).strip().splitlines() or ["it says nothing"]
            raise PhoneError(f"{self._serial}: adb {arguments[0]} failed: {reason[0]}")
        return done.stdout


def timing_of(output: str, device: str, file: ExportedFile, place: Place) -> Timing:
    """A `Timing` from what `benchmark_command` printed."""
    try:
        figures = read_output(output, place.accelerator)
    except DidNotRun as error:
        return Timing.of(file, device, place, failure=str(error))
    return Timing.of(file, device, place, **figures._asdict())


def connected_phones(serial: str | None) -> list[Phone]:
    """The phone of that serial, or all that are plugged in.

    Raises:
        InputError: adb is missing, there is no phone, or one refuses this computer.
    """
    if shutil.which("adb") is None:
        raise InputError("--android needs adb (Debian: apt-get install adb).")
    try:
        listing = subprocess.run(
            ["adb", "devices"], capture_output=True, text=True, timeout=_ADB_STARTS
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"adb devices: no answer in {_ADB_STARTS} s.") from None
    rows = [line.split("\t") for line in listing.stdout.splitlines() if "\t" in line]
    states = {found: state.strip() for found, state in rows if serial in (None, found)}
    if not states:
        which = f"no phone {serial}" if serial else "no phone"
        raise InputError(f"adb finds {which}: plug it in and switch on its USB debugging.")
    for found, state in states.items():
        if state == "unauthorized":
            raise InputError(f"{found}: unlock the phone and allow this computer to debug it.")
        if state != "device":
            raise InputError(f"{found}: adb finds it {state}; unplug it and plug it in again.")
    return [Phone(found) for found in states]
