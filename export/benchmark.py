"""Time exported .tflite files: on this machine, on Android phones, and on phones elsewhere.

    python export/benchmark.py exports/awsrn_sd_x2
    python export/benchmark.py exports/awsrn_sd_x2 --android --benchmark-model benchmark_model
    python export/benchmark.py exports/awsrn_sd_x2 --bundle for_a_friend

The first uses LiteRT's own benchmark command, the second also pushes the files and LiteRT's
benchmark_model to every phone that adb finds and runs them there on the processor, the GPU
and the NPU. Both print one table over all devices and write it, with a plot, as benchmark.md
and benchmark.png. The third writes a folder with models and a shell script instead of timing
anything; --add takes what the script brought back. docs/phones.md has the rest.
"""

import argparse
import sys
from pathlib import Path

from awsrn_keras.command_line import cpu_cores, run_command
from awsrn_keras.errors import InputError
from export.measure.timings import ACCELERATORS


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    option = parse.add_argument
    path = {"type": Path, "default": []}
    option("folders", nargs="*", **path, metavar="EXPORT_FOLDER", help="what to_tflite.py wrote")
    option(
        "--accelerators",
        nargs="+",
        choices=ACCELERATORS,
        help="default: all; on this machine the GPU only if it is one, not a driver in software",
    )
    option(
        "--threads",
        nargs="+",
        type=int,
        default=[1, 2, 4],
        metavar="N",
        help="of the processor; on this machine as far as it has cores (default 1 2 4)",
    )
    option("--runs", type=int, default=20, help="pictures timed (default %(default)s)")
    option("--android", action="store_true", help="also on the phones that adb finds")
    option("--serial", help="only on the phone of that serial, as `adb devices` lists it")
    option(
        "--benchmark-model",
        type=Path,
        metavar="FILE",
        help="LiteRT's benchmark_model for the phone's processor, for --android and --bundle",
    )
    option(
        "--libraries",
        type=Path,
        metavar="DIR",
        help="with the .so files of an accelerator, pushed beside benchmark_model",
    )
    option("--not-here", action="store_true", help="time nothing on this machine")
    option("--bundle", type=Path, metavar="DIR", help="write models and a script to DIR, no more")
    option(
        "--add",
        nargs="+",
        **path,
        metavar="RESULTS",
        help="also show these: files of --json, bundles with results",
    )
    option("-o", "--output", type=Path, metavar="DIR", help="default the first EXPORT_FOLDER, or .")
    option("--json", type=Path, metavar="FILE", help="also write the table to this file")
    return parse


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    check(options)
    from export.tflite.exported import exported_files

    files = [file for folder in options.folders for file in exported_files(folder)]
    for file in files:
        if file.size is None:
            print(f"{file.path}: left out, as its size is free", file=sys.stderr)
    files = [file for file in files if file.size is not None]
    if options.bundle is not None:
        return bundle(files, options)
    return time(files, options)


def check(options) -> None:
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


def places(options, most_threads: int | None = None) -> list[tuple[str, int | None]]:
    """Pairs of accelerator and threads."""
    found = []
    for accelerator in options.accelerators or ACCELERATORS:
        if accelerator == "cpu":
            threads = [n for n in options.threads if most_threads is None or n <= most_threads]
            found += [("cpu", n) for n in threads or [most_threads]]
        else:
            found.append((accelerator, None))
    return found


def libraries(options) -> list[Path]:
    return sorted(options.libraries.glob("*.so")) if options.libraries else []


def bundle(files: list, options) -> int:
    from export.measure.bundle import write_bundle

    programs = options.benchmark_model, libraries(options)
    write_bundle(files, places(options), options.runs, options.bundle, *programs)
    print(f"{options.bundle}: {len(files)} models and run.sh, which says what it needs")
    return 0


def time(files: list, options) -> int:
    """Time everything that was asked for; 1 if a phone was lost on the way."""
    from export.measure.phones import connected_phones
    from export.measure.timings import write_timings
    from export.measure.timings_report import write_report

    timings = added(options.add)
    phones = connected_phones(options.serial) if options.android else []
    if files and not options.not_here:
        timings += on_this_machine(files, options)
    lost = [reason for phone in phones if (reason := on_phone(phone, files, options, timings))]
    folder = options.output or next(iter(options.folders), Path())
    print(write_report(timings, folder))
    if options.json:
        write_timings(timings, options.json)
    return 1 if lost else 0


def added(results: list[Path]) -> list:
    """Timings of earlier runs."""
    from export.measure.bundle import read_bundle
    from export.measure.timings import read_timings

    return [
        timing
        for path in results
        for timing in (read_bundle(path) if path.is_dir() else read_timings(path))
    ]


def on_this_machine(files: list, options) -> list:
    from export.measure.machine import time_here

    wanted = places(options, cpu_cores())
    return time_here(files, wanted, options.runs, software="gpu" in (options.accelerators or ()))


def on_phone(phone, files: list, options, timings: list) -> str | None:
    """Append to `timings` what a phone takes; the reason if it was lost before the end."""
    from awsrn_keras.progress import ProgressBar
    from export.measure.phones import PhoneError

    try:
        with ProgressBar() as bar, phone.holding(options.benchmark_model, libraries(options)):
            for file in files:
                bar.start(f"{phone.name}: {file.name}")
                timings.extend(phone.time(file, places(options), options.runs))
    except PhoneError as error:
        print(f"error: {phone.name}: {error}", file=sys.stderr)
        return str(error)
    return None


if __name__ == "__main__":
    run_command(main)
