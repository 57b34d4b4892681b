"""A folder with which phones elsewhere are timed by adb and a shell, and what it brings back."""

import shlex
import shutil
from pathlib import Path

from awsrn_keras.errors import InputError
from awsrn_keras.files import replacing
from export.tflite.exported import ExportedFile, exported_files

from .phones import FOLDER, benchmark_command, timing_of
from .timings import Place, Timing

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
    places: list[Place],
    runs: int,
    folder: Path,
    binary: Path | None,
    libraries: list[Path],
) -> None:
    """Write models, run.sh and what else there is of programs; an earlier bundle is replaced.

    Raises:
        InputError: `folder` holds results, or is no bundle, or two files have one name.
    """
    _check_names(files)
    if (folder / "results").exists():
        raise InputError(f"--bundle {folder}: holds results already; name another folder.")
    if folder.exists() and not (folder / "run.sh").is_file() and any(folder.iterdir()):
        raise InputError(f"--bundle {folder}: is there already and no bundle; name another.")
    with replacing(folder) as temporary:
        lines = []
        for file in files:
            model = temporary / "models" / f"{_in_bundle(file)}.tflite"
            model.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.path, model)
            lines += _lines(_in_bundle(file), places, runs)
        if binary is not None:
            shutil.copyfile(binary, temporary / "benchmark_model")
        for library in libraries:
            shutil.copyfile(library, temporary / library.name)
        script = _SCRIPT.format(url=BINARY_URL, folder=FOLDER, lines="\n".join(lines))
        (temporary / "run.sh").write_text(script)
        (temporary / "run.sh").chmod(0o755)


def _check_names(files: list[ExportedFile]) -> None:
    paths: dict[str, Path] = {}
    for file in files:
        if file.name in paths:
            raise InputError(
                f"--bundle: {paths[file.name]} and {file.path} are both {file.name}; write a "
                "bundle of each."
            )
        paths[file.name] = file.path


def _lines(name: str, places: list[Place], runs: int) -> list[str]:
    """Lines of run.sh that time one model."""
    measures = [
        ["measure", name, _label(place), benchmark_command(place, runs)] for place in places
    ]
    return [shlex.join(words) for words in (["push", name], *measures)]


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
            outputs = (device.parent / _in_bundle(file)).parent
            for output in sorted(outputs.glob(f"{file.path.stem}.*.txt")):
                accelerator, _, threads = output.name.split(".")[-2].partition("-")
                place = Place(accelerator, int(threads) if threads else None)
                text = output.read_text(errors="replace")
                timings.append(timing_of(text, device.read_text().strip(), file, place))
    return timings


def _in_bundle(file: ExportedFile) -> str:
    """E.g. "awsrn_sd_x2/int8"."""
    return file.name.replace(" ", "/")


def _label(place: Place) -> str:
    return "-".join(str(part) for part in place if part is not None)
