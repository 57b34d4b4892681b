"""Check that exported .tflite files run whole on GPUs and give the same pixels there.

    python export/gpu_parity.py exports/awsrn_sd_x2

puts one photograph through every file by LiteRT on the processor and on the GPU, and
through the network in Keras. Without a folder it first exports the default preset at 32x32
to a temporary one (about a minute). Limits, grey levels of 255: float32 0.01 to Keras,
float16 and dynamic_range 0.6 and int8 2 to the same file on the processor. On pictures much
larger than that dynamic_range and int8 differ by more, as processors round their features in
their own way: there the GPU has to be as near to Keras as the processor is.

Without a GPU it takes SwiftShader, a driver in software (Debian: libvulkan1, chromium).
Exit status: 0 all pass, 1 a file fails, 2 a mistake in what was given, 3 no driver.
"""

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path

from awsrn_keras.command_line import run_command, start_backend
from awsrn_keras.errors import InputError
from awsrn_keras.files import write_json
from awsrn_keras.progress import ProgressBar
from export import PRECISIONS

_PRESET, _SIDE = "awsrn_sd_x2", 32
_FREE_SIZE = (64, 96)  # of the picture for a file that takes every size


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    option = parse.add_argument
    option(
        "folder",
        type=Path,
        nargs="?",
        metavar="EXPORT_FOLDER",
        help="what to_tflite.py wrote, with tflite/ in it, or any folder of its files",
    )
    option(
        "--model",
        metavar="MODEL",
        help="the network that was exported: preset, run folder or weights file (default: the "
        "preset that the files name)",
    )
    option("--json", type=Path, metavar="FILE", help="also write what was measured to this file")
    return parse


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if options.folder is not None:
        return check(options.folder, options)
    if options.model is not None:
        raise InputError("--model needs the EXPORT_FOLDER of that network.")
    with tempfile.TemporaryDirectory() as folder:
        export_default(Path(folder))
        return check(Path(folder), options)


def export_default(folder: Path) -> None:
    """The default preset for pictures of 32x32, at every precision."""
    print(start_backend(), flush=True)
    from awsrn_keras.data import load_pairs
    from awsrn_keras.network.loading import load_model
    from export.tflite.publish import publish

    model = load_model(_PRESET)
    bank = load_pairs("sample", model.scale, "train")
    with ProgressBar() as bar:
        for precision in PRECISIONS:
            bar.start(f"exporting {_PRESET} as {precision}")
            path = folder / f"{precision}.tflite"
            publish(model, path, precision, (_SIDE, _SIDE), bank, _PRESET)


def check(folder: Path, options) -> int:
    """Compare all files of a folder; 0, 1 or 3 for the exit status."""
    from export.measure.gpu import PACKAGES, find_gpu
    from export.tflite.exported import exported_files

    files = exported_files(folder)
    name = options.model or preset_of(files)
    gpu = find_gpu()
    if gpu is None:
        print(
            f"error: LiteRT finds no GPU and no driver in software: apt-get install {PACKAGES}",
            file=sys.stderr,
        )
        return 3
    if options.folder is not None:
        print(start_backend(), flush=True)
    print(f"GPU: {gpu}", flush=True)
    results = compare_all(files, name, gpu)
    if options.json:
        facts = {"gpu": gpu.name, "software": gpu.software}
        facts["files"] = [dataclasses.asdict(result) for result in results]
        write_json(options.json, facts)
    failed = [result.file for result in results if result.faults]
    print(f"{len(results) - len(failed)} of {len(results)} files pass")
    return 1 if failed else 0


def compare_all(files: list, name: str, gpu) -> list:
    """Compare each file with the network of that name, and print what comes out."""
    from awsrn_keras.data import load_pairs
    from awsrn_keras.network.loading import load_model
    from export.measure.parity import compare
    from export.tflite.calibration import calibration_pictures

    model = load_model(name)
    bank = load_pairs("sample", model.scale, "validation")
    results = []
    with ProgressBar() as bar:
        for file in files:
            bar.start(f"comparing {file.path.name}")
            picture = calibration_pictures(bank, *(file.size or _FREE_SIZE))[0]
            results.append(compare(file, model, gpu, picture))
            bar.clear()
            print(describe(results[-1]), flush=True)
    return results


def preset_of(files: list) -> str:
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


def describe(result) -> str:
    """A result as lines of text."""
    verdict = "FAILS" if result.faults else "passes"
    whole = "" if result.whole is None else f", whole on the GPU: {'yes' if result.whole else 'no'}"
    lines = [f"{result.file}: {verdict}{whole}"]
    for name, difference in (
        ("processor - Keras", result.cpu),
        ("GPU - Keras", result.gpu),
        ("GPU - processor", result.gpu_to_cpu),
    ):
        if difference is not None:
            psnr = "equal" if difference.psnr is None else f"{difference.psnr:.1f} dB"
            largest, mean = f"{difference.largest:.3g}", f"{difference.mean:.3g}"
            lines.append(f"  {name:18} largest {largest:9} mean {mean:9} {psnr}")
    lines += [f"  {note}" for note in [result.note, *result.faults] if note]
    return "\n".join(lines)


if __name__ == "__main__":
    run_command(main)
