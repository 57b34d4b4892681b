"""Check that exported .tflite files run whole on GPUs and give the same pixels there.

    python export/gpu_parity.py exports/awsrn_sd_x2

compares every file on the CPU and the GPU (LiteRT) and the network in Keras on one photograph.
Without a folder it first exports the default preset at 32x32 (about a minute). Largest
differences, grey levels of 255: float32 0.01 from Keras, float16 and dynamic_range 0.6 and int8 2
from the same file on the CPU. On much larger pictures dynamic_range and int8 differ by more, as
CPUs round features in their own way; there the GPU has to be as close to Keras as the CPU is.

Without a GPU it uses SwiftShader, a driver in software (Debian: libvulkan1, chromium).
Exit status: 0 all pass, 1 a file fails, 2 a mistake in what was given, 3 no driver.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from awsrn_keras.command_line import MODEL_HELP, command_parser, run_command, start_backend
from awsrn_keras.errors import InputError
from awsrn_keras.files import write_json
from awsrn_keras.progress import ProgressBar
from awsrn_keras.tables import aligned_table
from export.precisions import CONVERTED

if TYPE_CHECKING:
    from awsrn_keras.network.model import AWSRN
    from export.measure.gpu import Gpu
    from export.measure.parity import Difference, Parity
    from export.tflite.exported import ExportedFile

_PRESET, _SIDE = "awsrn_sd_x2", 32
_FREE_SIZE = (64, 96)  # of the picture for a file that takes every size


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    option = parse.add_argument
    files = "what to_tflite.py wrote, with tflite/ in it, or any folder of its files"
    option("folder", type=Path, nargs="?", metavar="EXPORT_FOLDER", help=files)
    network = f"{MODEL_HELP}: what was exported (default: the preset that the files name)"
    option("--model", metavar="MODEL", help=network)
    option("--json", type=Path, metavar="FILE", help="also write what was measured to this file")
    return parse


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if options.folder is None and options.model is not None:
        raise InputError("--model needs the EXPORT_FOLDER of that network.")
    from export.measure.gpu import PACKAGES, find_gpu
    from export.tflite.exported import exported_files

    files = exported_files(options.folder) if options.folder else []
    name = options.model or (preset_of(files) if files else _PRESET)
    gpu = find_gpu()
    if gpu is None:
        cure = f"apt-get install {PACKAGES}"
        print(f"error: LiteRT finds no GPU and no driver in software: {cure}", file=sys.stderr)
        return 3
    print(start_backend(), flush=True)
    print(f"GPU: {gpu}", flush=True)
    from awsrn_keras.network.loading import load_model

    model = load_model(name)
    with tempfile.TemporaryDirectory() as folder:
        results = compare_all(files or export_all(model, Path(folder)), model, gpu)
    if options.json:
        facts = {"gpu": gpu.name, "software": gpu.software}
        facts["files"] = [dataclasses.asdict(result) for result in results]
        write_json(options.json, facts)
    failed = [result.file for result in results if result.faults]
    print(f"{len(results) - len(failed)} of {len(results)} files pass")
    return 1 if failed else 0


def export_all(model: AWSRN, folder: Path) -> list[ExportedFile]:
    """The default preset for pictures of 32x32, at every precision."""
    from awsrn_keras.data import load_pairs
    from export.tflite.exported import exported_files
    from export.tflite.writing import write_tflite

    bank = load_pairs("sample", model.scale, "train")
    with ProgressBar() as bar:
        for precision in CONVERTED:
            bar.start(f"exporting {_PRESET} as {precision}")
            path = folder / f"{precision}.tflite"
            write_tflite(model, path, precision, (_SIDE, _SIDE), bank, _PRESET)
    return exported_files(folder)


def compare_all(files: list[ExportedFile], model: AWSRN, gpu: Gpu) -> list[Parity]:
    """Compare each file with the network, and print what comes out."""
    from awsrn_keras.data import load_pairs
    from export.measure.parity import compare
    from export.tflite.calibration import calibration_pictures

    bank = load_pairs("sample", model.scale, "validation")
    results = []
    with ProgressBar() as bar:
        for file in files:
            bar.start(f"comparing {file.path.name}")
            picture = calibration_pictures(bank, *(file.size or _FREE_SIZE))[0]
            results.append(compare(file, model, gpu, picture))
            bar.clear()
            print(described(results[-1]), flush=True)
    return results


def preset_of(files: list[ExportedFile]) -> str:
    """The preset that all files name as the origin of their weights.

    Raises:
        InputError: They name something else, or different ones.
    """
    from awsrn_keras.network.presets import presets

    origins = {file.facts["origin"]["weights"] for file in files}
    if len(origins) > 1:
        raise InputError(f"{files[0].path.parent}: files of {', '.join(sorted(origins))} in one.")
    (origin,) = origins
    if origin not in presets():
        raise InputError(
            f"{files[0].path.parent}: made from {origin}, which is no preset; name that run "
            "folder or weights file with --model."
        )
    return origin


def described(result: Parity) -> str:
    """A result as lines of text."""
    verdict = "FAILS" if result.faults else "passes"
    whole = "" if result.whole is None else f", whole on the GPU: {'yes' if result.whole else 'no'}"
    rows = [
        ["", name, *_cells(difference)]
        for name, difference in (
            ("processor - Keras", result.cpu),
            ("GPU - Keras", result.gpu),
            ("GPU - processor", result.gpu_to_cpu),
        )
        if difference is not None
    ]
    table = [aligned_table(rows)] if rows else []
    notes = [f"  {note}" for note in [result.note, *result.faults] if note]
    return "\n".join([f"{result.file}: {verdict}{whole}", *table, *notes])


def _cells(difference: Difference) -> list[str]:
    psnr = "equal" if difference.psnr is None else f"{difference.psnr:.1f} dB"
    return [f"largest {difference.largest:.3g}", f"mean {difference.mean:.3g}", psnr]


if __name__ == "__main__":
    run_command(main)
