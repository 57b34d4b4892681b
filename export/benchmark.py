"""Time exported .tflite files: on this machine, on Android phones, and on phones elsewhere.

    python export/benchmark.py exports/awsrn_sd_x2
    python export/benchmark.py exports/awsrn_sd_x2 --android --benchmark-model benchmark_model
    python export/benchmark.py exports/awsrn_sd_x2 --bundle for_a_friend

The first uses LiteRT's own benchmark command. The second also pushes the files and LiteRT's
benchmark_model to every phone that adb finds and runs them there on CPU, GPU and NPU. Both print
one table of all devices and write it, with a plot, to benchmark.md and benchmark.png, updated
after each file. The third only writes a folder with models and a shell script; --add reads what
the script brought back. See docs/phones.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from awsrn_keras.command_line import command_parser, cpu_cores, run_command
from awsrn_keras.errors import InputError
from awsrn_keras.progress import ProgressBar
from export.measure.timings import ACCELERATORS, Place, Timing, read_timings, write_timings

if TYPE_CHECKING:
    from export.measure.phones import Phone
    from export.measure.this_machine import ThisMachine
    from export.tflite.exported import ExportedFile


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    option = parse.add_argument
    wrote = "what to_tflite.py wrote"
    option("folders", nargs="*", type=Path, metavar="EXPORT_FOLDER", help=wrote)
    where = "default: all; on this machine a GPU only if it is real, not a driver in software"
    option("--accelerators", nargs="+", choices=ACCELERATORS, help=where)
    counts = "CPU threads; on this machine at most one per core (default 1 2 4)"
    option("--threads", nargs="+", type=int, default=[1, 2, 4], metavar="N", help=counts)
    option("--runs", type=int, default=20, help="pictures timed (default %(default)s)")
    option("--not-here", action="store_true", help="skip this machine")
    shown = "results to show as well: files of --json, bundles"
    option("--add", nargs="+", type=Path, default=[], metavar="RESULTS", help=shown)
    option("-o", "--output", type=Path, metavar="DIR", help="default the first EXPORT_FOLDER, or .")
    option("--json", type=Path, metavar="FILE", help="also write the table to this file")

    option = parse.add_argument_group("phones").add_argument
    option("--android", action="store_true", help="also on the phones that adb finds")
    option("--serial", help="only on the phone with this serial number, see `adb devices`")
    program = "LiteRT's benchmark_model for the phone's CPU, for --android and --bundle"
    option("--benchmark-model", type=Path, metavar="FILE", help=program)
    beside = "with the .so files of an accelerator, pushed beside benchmark_model"
    option("--libraries", type=Path, metavar="DIR", help=beside)
    option("--bundle", type=Path, metavar="DIR", help="only write models and a script to DIR")
    return parse


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    check(options)
    files = files_to_time(options.folders)
    libraries = sorted(options.libraries.glob("*.so")) if options.libraries else []
    accelerators = options.accelerators or ACCELERATORS
    places = all_places(accelerators, options.threads)
    if options.bundle is not None:
        from export.measure.bundle import write_bundle

        binary = options.benchmark_model
        write_bundle(files, places, options.runs, options.bundle, binary, libraries)
        print(f"{options.bundle}: {len(files)} models and run.sh, which says what it needs")
        return 0

    from export.measure.bundle import read_bundle
    from export.measure.phones import PhoneError, connected_phones
    from export.measure.this_machine import ThisMachine

    folder = options.output or next(iter(options.folders), Path())
    earlier = [read_bundle(path) if path.is_dir() else read_timings(path) for path in options.add]
    table = Table([timing for found in earlier for timing in found], folder, options.json)
    phones = connected_phones(options.serial) if options.android else []
    if files and not options.not_here:
        machine = ThisMachine("gpu" in accelerators, "gpu" in (options.accelerators or ()))
        threads = [n for n in options.threads if n <= cpu_cores()] or [cpu_cores()]
        table.time(machine, files, all_places(accelerators, threads), options.runs)
    lost = False
    for phone in phones:
        try:
            with phone.holding(options.benchmark_model, libraries):
                table.time(phone, files, places, options.runs)
        except PhoneError as error:
            print(f"error: {phone.name}: {error}", file=sys.stderr)
            lost = True
    print(table.write())
    return 1 if lost else 0


@dataclass(frozen=True)
class Table:
    """Timings so far, and where they are written after each file.

    Attributes:
        timings: All timings.
        folder: For benchmark.md and benchmark.png.
        json: A file, or None.
    """

    timings: list[Timing]
    folder: Path
    json: Path | None

    def write(self) -> str:
        """Write the files; the Markdown is returned."""
        from export.measure.benchmark_files import write_report

        if self.json:
            write_timings(self.timings, self.json)
        return write_report(self.timings, self.folder)

    def time(
        self,
        device: ThisMachine | Phone,
        files: list[ExportedFile],
        places: list[Place],
        runs: int,
    ) -> None:
        """Add what a device takes; what was measured before an error or Ctrl-C is written, too."""
        with ProgressBar() as bar:
            for file in files:
                bar.start(f"{device.name}: {file.name}")
                try:
                    for timing in device.time(file, places, runs):
                        self.timings.append(timing)
                finally:
                    if self.timings:
                        self.write()


def check(options: argparse.Namespace) -> None:
    """Raise an `InputError` for options that cannot be meant."""
    if options.runs < 1:
        raise InputError(f"--runs {options.runs}: give at least 1.")
    if min(options.threads) < 1:
        raise InputError(f"--threads {min(options.threads)}: give at least 1.")
    if not options.folders and (options.bundle or options.android or not options.add):
        raise InputError("Name an EXPORT_FOLDER of export/to_tflite.py, or results with --add.")
    if options.android and options.benchmark_model is None:
        from export.measure.bundle import BINARY_URL

        raise InputError(f"--android needs --benchmark-model FILE, for most phones {BINARY_URL}")
    for name in ("benchmark_model", "libraries"):
        file = getattr(options, name)
        if file is not None and not file.exists():
            raise InputError(f"--{name.replace('_', '-')} {file}: no such file or folder.")


def files_to_time(folders: list[Path]) -> list[ExportedFile]:
    """The files of all folders, without those of free size."""
    from export.tflite.exported import exported_files

    files = [file for folder in folders for file in exported_files(folder)]
    for file in files:
        if file.size is None:
            print(f"{file.path}: left out, as its size is free", file=sys.stderr)
    return [file for file in files if file.size is not None]


def all_places(accelerators: Sequence[str], threads: list[int]) -> list[Place]:
    """The processor once for each number of threads, the other accelerators once."""
    return [
        place
        for name in accelerators
        for place in ([Place(name, n) for n in threads] if name == "cpu" else [Place(name)])
    ]


if __name__ == "__main__":
    run_command(main)
