"""What gpu_parity.py and arm_parity.py share: options, files and network, and what is printed."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import math
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from awsrn_keras.command_line import MODEL_HELP, command_parser, start_backend
from awsrn_keras.errors import InputError
from awsrn_keras.files import check_folder, write_json
from awsrn_keras.progress import ProgressBar
from awsrn_keras.tables import aligned_table
from export.precisions import CONVERTED

from .timings import DidNotRun

if TYPE_CHECKING:
    from export.tflite.exported import ExportedFile

    from .parity import Difference, Parity
    from .running import Device

_PRESET, _SIZE = "awsrn_sd_x2", (32, 48)
_FREE_SIZE = (64, 96)  # of the picture for a file that takes every size


def parity_parser(doc: str | None) -> argparse.ArgumentParser:
    parse = command_parser(doc)
    option = parse.add_argument
    files = "what to_tflite.py wrote, with tflite/ in it, or any folder of its files"
    option("folder", type=Path, nargs="?", metavar="EXPORT_FOLDER", help=files)
    network = f"{MODEL_HELP}: what was exported (default: the preset that each file names)"
    option("--model", metavar="MODEL", help=network)
    option("--json", type=Path, metavar="FILE", help="also write what was measured to this file")
    return parse


def check_parity(options: argparse.Namespace, find_device: Callable[[], Device]) -> int:
    """Compare the files on the processor, on the device and with Keras; the exit status.

    Args:
        options: Those of `parity_parser`.
        find_device: Raises `DidNotRun` where there is none, which is status 3.
    """
    if options.folder is None and options.model is not None:
        raise InputError("--model needs the EXPORT_FOLDER of that network.")
    if options.json:
        if options.json.is_dir():
            raise InputError(f"{options.json}: is a folder; name a file for --json.")
        check_folder(options.json.parent)
    from export.tflite.exported import exported_files

    files = exported_files(options.folder) if options.folder else []
    names = [options.model or preset_of(file) for file in files]
    try:
        device = find_device()
    except DidNotRun as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    print(start_backend(), flush=True)
    print(f"{device.kind}: {device}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        if not files:
            files, names = export_all(Path(folder)), [_PRESET] * len(CONVERTED)
        results = compare_all(files, names, device)
    if options.json:
        facts = {"device": device.name, "stand_in": device.stand_in}
        measured = [dataclasses.asdict(result, dict_factory=_for_json) for result in results]
        write_json(options.json, {**facts, "files": measured})
    failed = [result.file for result in results if result.faults]
    print(f"{len(results) - len(failed)} of {len(results)} files pass")
    return 1 if failed else 0


def _for_json(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON has neither NaN nor infinity: null stands for them."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in items
    }


def export_all(folder: Path) -> list[ExportedFile]:
    """The default preset for small pictures, at every precision."""
    from awsrn_keras.data import load_pairs
    from awsrn_keras.network.loading import load_model
    from export.tflite.exported import exported_files
    from export.tflite.writing import write_tflite

    model = load_model(_PRESET)
    bank = load_pairs("sample", model.scale, "train")
    with ProgressBar() as bar:
        for precision in CONVERTED:
            bar.start(f"exporting {_PRESET} as {precision}")
            write_tflite(model, folder / f"{precision}.tflite", precision, _SIZE, bank, _PRESET)
    return exported_files(folder)


def compare_all(files: list[ExportedFile], names: list[str], device: Device) -> list[Parity]:
    """Compare each file with the network of that name, and print what comes out."""
    from awsrn_keras.data import load_pairs
    from awsrn_keras.network.loading import load_model
    from export.tflite.calibration import calibration_pictures

    from .parity import compare

    load_once = functools.cache(load_model)
    results = []
    with ProgressBar() as bar:
        for file, name in zip(files, names, strict=True):
            bar.start(f"comparing {file.path.name}")
            model = load_once(name)
            bank = load_pairs("sample", model.scale, "validation")
            picture = calibration_pictures(bank, *(file.size or _FREE_SIZE))[0]
            results.append(compare(file, model, device, picture))
            bar.clear()
            print(described(results[-1], device.kind), flush=True)
    return results


def preset_of(file: ExportedFile) -> str:
    """The preset that the file names as the origin of its weights.

    Raises:
        InputError: It names something else.
    """
    from awsrn_keras.network.presets import presets

    origin = file.facts["origin"]["weights"]
    if origin not in presets():
        raise InputError(
            f"{file.path}: made from {origin}, which is no preset; name that run folder or "
            "weights file with --model."
        )
    return origin


def described(result: Parity, kind: str) -> str:
    """A result as lines of text; `kind` is the device's."""
    verdict = "FAILS" if result.faults else "passes"
    whole = "" if result.whole is None else f", whole on the GPU: {'yes' if result.whole else 'no'}"
    rows = [
        ["", name, *_cells(difference)]
        for name, difference in (
            ("processor - Keras", result.cpu),
            (f"{kind} - Keras", result.device),
            (f"{kind} - processor", result.device_to_cpu),
        )
        if difference is not None
    ]
    table = [aligned_table(rows)] if rows else []
    notes = [f"  {note}" for note in [result.note, *result.faults] if note]
    return "\n".join([f"{result.file}: {verdict}{whole}", *table, *notes])


def _cells(difference: Difference) -> list[str]:
    psnr = "equal" if difference.psnr is None else f"{difference.psnr:.1f} dB"
    return [f"largest {difference.largest:.3g}", f"mean {difference.mean:.3g}", psnr]
