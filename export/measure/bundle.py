"""A folder with which phones elsewhere are timed by adb and a shell, and what it brings back."""

import shlex
import shutil
from pathlib import Path

from awsrn_keras.errors import InputError
from awsrn_keras.files import replacing
from export.tflite.exported import ExportedFile, exported_files

from .phones import FOLDER, benchmark_command, timing_of
from .timings import Timing

BINARY_URL = "https://storage.googleapis.com/litert/binaries/latest/android_arm64/benchmark_model"
_SCRIPT = """\
#!/bin/sh
# Times the models of this folder on an Android phone:   sh run.sh [SERIAL]
# Needs adb, a phone with USB debugging switched on, and beside this script LiteRT's
# benchmark_model for its processor ({url});
# libraries of an accelerator (*.so), too, if the phone's NPU needs some.
# Send the folder results/ back: export/benchmark.py --add BUNDLE reads it.
set -eu
cd "$(dirname "$0")"
if [ $# -gt 0 ]; then export ANDROID_SERIAL="$1"; fi
if ! command -v adb >/dev/null; then echo "run.sh needs adb" >&2; exit 2; fi
if [ ! -f benchmark_model ]; then echo "put benchmark_model beside run.sh: {url}" >&2; exit 2; fi
adb get-state >/dev/null  # says what is wrong if there is no phone, or more than one

results="results/$(adb get-serialno | tr -c 'A-Za-z0-9._\\n-' '_')"
mkdir -p "$results"
brand=$(adb shell getprop ro.product.brand | tr -d '\\r')
model=$(adb shell getprop ro.product.model | tr -d '\\r')
version=$(adb shell getprop ro.build.version.release | tr -d '\\r')
echo "$brand $model, Android $version" | tee "$results/device.txt"

trap 'adb shell rm -rf {folder}' EXIT
trap 'exit 130' INT TERM
adb shell mkdir -p {folder}
for program in benchmark_model *.so; do
    if [ -f "$program" ]; then adb push "$program" {folder}/ >/dev/null; fi
done
adb shell chmod 755 {folder}/benchmark_model

push() {{ # MODEL
    echo "$1"
    adb push "models/$1.tflite" {folder}/model.tflite >/dev/null
    mkdir -p "$(dirname "$results/$1")"
}}
measure() {{ # MODEL PLACE COMMAND
    echo "  $2"
    adb shell "$3" >"$results/$1.$2.txt" </dev/null || true  # the file says what went wrong
    adb get-state >/dev/null
}}

{lines}
echo "done: $results"
"""


def write_bundle(
    files: list[ExportedFile],
    places: list[tuple],
    runs: int,
    folder: Path,
    binary: Path | None,
    libraries: list[Path],
) -> None:
    """Write models, run.sh and what else there is of programs; an earlier bundle is replaced.

    Args:
        places: Pairs of accelerator and threads.

    Raises:
        InputError: `folder` holds results, or is no bundle.
    """
    if (folder / "results").exists():
        raise InputError(f"--bundle {folder}: holds results already; name another folder.")
    if folder.exists() and not (folder / "run.sh").is_file() and any(folder.iterdir()):
        raise InputError(f"--bundle {folder}: is there already and no bundle; name another.")
    with replacing(folder) as temporary:
        lines = []
        for file in files:
            name = file.name.replace(" ", "/")
            (temporary / "models" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.path, temporary / "models" / f"{name}.tflite")
            lines.append(shlex.join(["push", name]))
            for accelerator, threads in places:
                command = benchmark_command("model.tflite", accelerator, threads, runs, FOLDER)
                lines.append(shlex.join(["measure", name, _label(accelerator, threads), command]))
        for program, name in [
            (binary, "benchmark_model"),
            *((file, file.name) for file in libraries),
        ]:
            if program is not None:
                shutil.copyfile(program, temporary / name)
        script = _SCRIPT.format(url=BINARY_URL, folder=FOLDER, lines="\n".join(lines))
        (temporary / "run.sh").write_text(script)
        (temporary / "run.sh").chmod(0o755)


def read_bundle(folder: Path) -> list[Timing]:
    """What run.sh of a bundle measured, for every phone.

    Raises:
        InputError: It is no bundle, or has not been run.
    """
    devices = sorted(folder.glob("results/*/device.txt"))
    if not (folder / "models").is_dir() or not devices:
        raise InputError(f"{folder}: no bundle with results/ in it; run its run.sh first.")
    files = [
        file
        for network in sorted((folder / "models").iterdir())
        for file in exported_files(network)
    ]
    timings = []
    for device in devices:
        for file in files:
            name = file.name.replace(" ", "/")
            for output in sorted((device.parent / name).parent.glob(f"{file.path.stem}.*.txt")):
                accelerator, _, threads = output.name.split(".")[-2].partition("-")
                where = accelerator, int(threads) if threads else None
                text = output.read_text(errors="replace")
                timings.append(timing_of(text, device.read_text().strip(), file, *where))
    return timings


def _label(accelerator, threads):
    return accelerator if threads is None else f"{accelerator}-{threads}"
