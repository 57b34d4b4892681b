"""From picture files to (name, LR, HR) pixels whose sizes agree."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..command_line import cpu_cores
from ..errors import InputError
from ..pictures import read_rgb
from ..pictures.resize import imresize
from .bank import Pair

_MOST_WORKERS = 8  # each holds a decoded image or two


class PairFiles(NamedTuple):
    """An HR picture file, and its LR file or None: then the LR image is made from it."""

    hr: Path
    lr: Path | None


class UnusableImage(InputError):
    """A picture file that gives no pair whoever reads it: damaged, or too small for the scale."""


def read_pairs(files: list[PairFiles], scale: int) -> Iterator[Pair | UnusableImage]:
    """Decode each pair, in order, on all cores and with few images in memory at a time.

    In place of a pair that cannot be used comes the error that says why.
    """
    workers = min(cpu_cores(), _MOST_WORKERS)
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Pair | UnusableImage]] = deque()
        for pair in files:
            waiting.append(pool.submit(_pair_or_fault, pair, scale))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _pair_or_fault(files: PairFiles, scale: int) -> Pair | UnusableImage:
    try:
        return read_pair(files, scale)
    except UnusableImage as fault:
        return fault


def read_pair(files: PairFiles, scale: int) -> Pair:
    """Name, LR and HR of one pair; both cropped from the top left so that the sizes agree.

    Raises:
        UnusableImage: A file is damaged or too small.
        InputError: A file cannot be opened, or the LR image has the wrong size.
    """
    hr = _pixels(files.hr)
    if files.lr is None:
        hr = _cropped_to_multiple(hr, scale, files.hr)
        return str(files.hr), imresize(hr, size=_divided(hr, scale)), hr
    lr, hr = match_sizes(_pixels(files.lr), hr, scale, files.lr)
    return str(files.hr), lr, hr


def _pixels(path: Path) -> np.ndarray:
    try:
        return read_rgb(path)
    except InputError as error:
        # Memory, permission or disk say nothing about the picture.
        if isinstance(error.__context__, MemoryError) or getattr(error.__context__, "errno", None):
            raise
        raise UnusableImage(str(error).removesuffix(".")) from error


def match_sizes(
    lr: np.ndarray, hr: np.ndarray, scale: int, name: str | os.PathLike
) -> tuple[np.ndarray, np.ndarray]:
    """Both images cropped from the top left to whole LR pixels of the HR image.

    MATLAB rounds the LR size up where the scale does not divide the HR size (DIV2K at x8),
    other tools crop HR first: both are accepted.

    Raises:
        InputError: The LR image has neither of the two sizes.
    """
    for low, high in zip(lr.shape[:2], hr.shape[:2], strict=True):
        if low not in (high // scale, -(-high // scale)):
            raise InputError(
                f"{name}: LR image of {lr.shape[1]}x{lr.shape[0]} pixels, but its HR image of "
                f"{hr.shape[1]}x{hr.shape[0]} needs {hr.shape[1] // scale}x{hr.shape[0] // scale} "
                f"at scale {scale}: give the LR images of this scale, or none to have them made."
            )
    hr = _cropped_to_multiple(hr, scale, name)
    height, width = _divided(hr, scale)
    return lr[:height, :width], hr


def _cropped_to_multiple(hr: np.ndarray, scale: int, name: str | os.PathLike) -> np.ndarray:
    height, width = _divided(hr, scale)
    if min(height, width) == 0:
        raise UnusableImage(
            f"{name}: {hr.shape[1]}x{hr.shape[0]} pixels are too few for scale {scale}"
        )
    return hr[: height * scale, : width * scale]


def _divided(hr: np.ndarray, scale: int) -> tuple[int, int]:
    return hr.shape[0] // scale, hr.shape[1] // scale
