"""The figures of a report: one row for each .tflite file."""

import platform
from pathlib import Path

import numpy as np

from awsrn_keras.command_line import cpu_cores
from awsrn_keras.errors import damaged_file
from awsrn_keras.progress import ProgressBar
from awsrn_keras.scoring.score import mean_score, score
from export.tflite.flatbuffer import read_graph, read_metadata

from .speed import Upscaler, benchmark, picture_sets

_CROP = 96


def measure(paths: list[Path], data: list[str], runs: int) -> dict:
    """Score, time and describe each file; float32 must be among them.

    Returns:
        `files` by name with size, operators, scores, drops and speed; `sets` with the
        number of pictures; `network`, the metadata of float32; `machine`; and `errors`, the
        part of a picture and each file's difference to float32 in it, grey levels.
    """
    (reference_path,) = (path for path in paths if path.stem == "float32")
    try:
        network = read_metadata(reference_path)
        files = {path.stem: _described(path) for path in paths}
    except Exception as error:  # a damaged file fails in many ways
        raise damaged_file(reference_path.parent, "files of export/to_tflite.py", error) from error
    scale = network["scale"]
    sets = picture_sets(data, scale)
    floats, errors = {}, {}
    with ProgressBar() as bar:
        for path in paths:
            bar.start(f"{path.stem}: scores")
            upscaler = Upscaler(path)
            windows = upscaler.by_windows
            if windows not in floats:
                floats[windows] = _scores(Upscaler(reference_path, windows), sets, scale)
            files[path.stem] |= _compared(_scores(upscaler, sets, scale), floats[windows])
            files[path.stem]["by_windows"] = windows
            errors[path.stem] = _error(upscaler, reference_path, sets, windows)
            bar.start(f"{path.stem}: time")
            for threads in (1, 2):
                speed = benchmark(path, threads, runs)
                files[path.stem][f"ms_{threads}_threads"] = round(speed.median_ms, 2)
            files[path.stem]["peak_mb"] = round(speed.peak_mb, 1)
    return {
        "network": network,
        "files": files,
        "sets": {name: len(bank) for name, bank in sets.items()},
        "machine": f"{platform.machine()}, {cpu_cores()} processor cores",
        "errors": errors,
    }


def _described(path):
    graph = read_graph(path.read_bytes())
    return {
        "bytes": path.stat().st_size,
        "input": list(graph.tensors[graph.inputs[0]].shape),
        "operators": graph.operator_names(),
    }


def _scores(upscaler, sets, scale):
    scores = {
        name: score(upscaler, map(bank.pair, range(len(bank))), scale)
        for name, bank in sets.items()
    }
    everything = [one for scores_of_set in scores.values() for one in scores_of_set]
    means = {name: mean_score(scores_of_set) for name, scores_of_set in scores.items()}
    return {**means, "all": mean_score(everything)}


def _compared(scores, floats):
    return {
        "psnr": {name: round(one.psnr, 4) for name, one in scores.items()},
        "ssim": {name: round(one.ssim, 5) for name, one in scores.items()},
        "psnr_drop": {name: round(floats[name].psnr - one.psnr, 4) for name, one in scores.items()},
    }


def _error(upscaler, reference_path, sets, windows):
    bank = next(iter(sets.values()))
    lr = bank.lr(0)
    top, left = ((side - min(side, _CROP)) // 2 for side in lr.shape[:2])
    crop = np.ascontiguousarray(lr[top : top + _CROP, left : left + _CROP])
    reference = Upscaler(reference_path, windows)(crop)
    return {"reference": reference, "difference": upscaler(crop).astype("float32") - reference}
