"""The figures of a report: one row for each .tflite file."""

from collections.abc import Callable

import numpy as np

from awsrn_keras.command_line import messages_kept_back
from awsrn_keras.errors import InputError
from awsrn_keras.progress import ProgressBar
from awsrn_keras.scoring.image_sets import ImageSet, load_image_sets
from awsrn_keras.scoring.score import Score, mean_score, score
from awsrn_keras.upscaling.litert_model import LiteRTModel
from export.tflite.exported import ExportedFile

from .speed import measure_speed
from .this_machine import machine_name
from .timings import DidNotRun
from .windows import cut_windows, join_windows

_CROP = 96

Upscale = Callable[[np.ndarray], np.ndarray]


def measure_files(files: list[ExportedFile], data: list[str], runs: int) -> dict:
    """Score, time and describe each file; float32 must be among them.

    A file of fixed size is compared with float32 in the same windows.

    Returns:
        `files` by name with size, operators, scores, drops and speed; `sets` with the
        number of pictures; `network`, the metadata of float32; `machine`; and `errors`, the
        part of a picture and each file's difference to float32 in it, grey levels.

    Raises:
        InputError: `data` cannot be read, LiteRT cannot time a file, or one of fixed size is
            too small for windows.
    """
    (reference,) = (file for file in files if file.path.stem == "float32")
    fixed = [file for file in files if file.precision.fixed_size]
    for file in fixed:
        if file.size is None or min(file.size) <= 2 * file.facts["receptive_field"]:
            raise InputError(
                f"{file.path}: at most twice the receptive field high or wide, too small to be "
                f"scored in windows: export a larger one, or --leave-out {file.path.stem}."
            )
    sets = load_image_sets(data, reference.facts["scale"])
    references: dict[tuple[int, int] | None, tuple[Upscale, dict[str, Score]]] = {}
    rows, errors = {}, {}
    with ProgressBar() as bar:
        for file in files:
            name, window = file.path.stem, file.size if file in fixed else None
            bar.start(f"{name}: scores")
            if window not in references:
                float32 = upscale_by(reference, window)
                references[window] = float32, _scores(float32, sets)
            float32, best = references[window]
            upscale = upscale_by(file, window)
            rows[name] = {
                "bytes": file.path.stat().st_size,
                "input": [1, *(file.size or (-1, -1)), 3],
                "operators": sorted(set(file.operators)),
                "by_windows": window is not None,
                **_compared(_scores(upscale, sets), best),
            }
            errors[name] = _error(upscale, float32, sets[0])
            bar.start(f"{name}: time")
            rows[name] |= _speed(file, runs)
    return {
        "network": reference.facts,
        "files": rows,
        "sets": {image_set.name: len(image_set.pairs) for image_set in sets},
        "machine": machine_name(),
        "errors": errors,
    }


def upscale_by(file: ExportedFile, window: tuple[int, int] | None) -> Upscale:
    """A file as a function from a whole uint8 picture to one `scale` times larger.

    It reads overlapping windows of that height and width, smaller ones filled up with their
    mirror image; with None the whole picture. Its input is resized if need be.
    """
    with messages_kept_back():
        model = LiteRTModel(file.path)
    if window is None:
        return lambda lr: model(lr[None])[0]
    scale, margin = file.facts["scale"], file.facts["receptive_field"]

    def upscale(lr: np.ndarray) -> np.ndarray:
        spans, windows = cut_windows(lr, window, margin)
        return join_windows((model(each[None])[0] for each in windows), spans, scale)

    return upscale


def _scores(upscale: Upscale, sets: list[ImageSet]) -> dict[str, Score]:
    scores = {
        name: score(upscale, map(pairs.pair, range(len(pairs))), pairs.scale)
        for name, pairs in sets
    }
    everything = [one for scores_of_set in scores.values() for one in scores_of_set]
    means = {name: mean_score(scores_of_set) for name, scores_of_set in scores.items()}
    return {**means, "all": mean_score(everything)}


def _compared(scores: dict[str, Score], best: dict[str, Score]) -> dict:
    return {
        "psnr": {name: round(one.psnr, 4) for name, one in scores.items()},
        "ssim": {name: round(one.ssim, 5) for name, one in scores.items()},
        "psnr_drop": {name: round(best[name].psnr - one.psnr, 4) for name, one in scores.items()},
    }


def _error(upscale: Upscale, float32: Upscale, image_set: ImageSet) -> dict:
    lr = image_set.pairs.lr(0)
    top, left = ((side - min(side, _CROP)) // 2 for side in lr.shape[:2])
    crop = np.ascontiguousarray(lr[top : top + _CROP, left : left + _CROP])
    reference = float32(crop)
    return {"reference": reference, "difference": upscale(crop).astype("float32") - reference}


def _speed(file: ExportedFile, runs: int) -> dict:
    found = {}
    for threads in (1, 2):
        try:
            speed = measure_speed(file.path, threads, runs)
        except DidNotRun as error:
            raise InputError(f"{file.path}: LiteRT cannot time it: {error}.") from None
        found[f"ms_{threads}_threads"] = round(speed.median_ms, 2)
    return {**found, "peak_mb": round(speed.peak_mb, 1)}
