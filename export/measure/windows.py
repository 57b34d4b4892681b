"""Upscaling with a network whose input has one size: the picture goes through it in windows."""

import itertools
from collections.abc import Iterable

import numpy as np

from awsrn_keras.upscaling.tiling import Span, cut_axis

Spans = tuple[tuple[Span, ...], tuple[Span, ...]]  # along height and width


def cut_windows(
    picture: np.ndarray, size: tuple[int, int], margin: int
) -> tuple[Spans, list[np.ndarray]]:
    """Windows of height and width `size`, row by row, and where they lie in the picture.

    They overlap by twice `margin`; those that the picture does not fill go on with its mirror
    image.
    """
    rows, columns = (
        cut_axis(length, side - 2 * margin, margin).spans
        for length, side in zip(picture.shape, size, strict=False)
    )
    windows = []
    for y, x in itertools.product(rows, columns):
        window = picture[y.start :, x.start :][: size[0], : size[1]]
        missing = [(0, side - had) for side, had in zip(size, window.shape, strict=False)]
        windows.append(np.pad(window, [*missing, (0, 0)], mode="symmetric"))
    return (rows, columns), windows


def join_windows(results: Iterable[np.ndarray], spans: Spans, scale: int) -> np.ndarray:
    """The whole picture, from what became of each window of `cut_windows`."""

    def inner(span: Span) -> slice:
        return slice((span.begin - span.start) * scale, (span.end - span.start) * scale)

    rows, columns = spans
    following = iter(results)
    strips = [
        np.concatenate([next(following)[inner(y), inner(x)] for x in columns], axis=1) for y in rows
    ]
    return np.concatenate(strips)
