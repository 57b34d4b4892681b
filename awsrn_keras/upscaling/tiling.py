"""Cutting a picture into windows that a network can take one at a time, without seams."""

import math
from typing import NamedTuple

WIDEST = 560  # pixels of a window
_LANES = 8  # convolutions are about 5 % faster on sides that are multiples of this


class Span(NamedTuple):
    """One window along one axis: it reads `start` onwards and gives pixels `begin` to `end`."""

    start: int
    begin: int
    end: int


class Windows(NamedTuple):
    """How an axis is cut: all windows have the same size."""

    size: int
    spans: tuple[Span, ...]


def cut_axis(length: int, tile: int, margin: int) -> Windows:
    """Cut an axis into windows of equal size whose inner parts, `tile` long, cover it.

    A window reads `margin` more on either side. At the ends of the axis windows are
    shifted inwards instead of padded, so the network's own padding falls where it would
    if the whole axis were one window.
    """
    inner = length - 2 * margin
    if inner <= tile:
        return Windows(length, (Span(0, 0, length),))
    step = math.ceil(inner / math.ceil(inner / tile))  # windows as equal as can be
    step = min(tile, math.ceil((step + 2 * margin) / _LANES) * _LANES - 2 * margin)
    count = math.ceil(inner / step)
    size = step + 2 * margin
    spans = tuple(
        Span(
            start=min(i * step, length - size),
            begin=i * step + margin if i > 0 else 0,
            end=(i + 1) * step + margin if i < count - 1 else length,
        )
        for i in range(count)
    )
    return Windows(size, spans)


def cut(
    height: int,
    width: int,
    margin: int,
    window_pixels: int,
    tile: int | None = None,
    turned: bool = False,
) -> tuple[Windows, Windows]:
    """Windows along height and width.

    Convolution libraries choose the order of their sums by the width of what they are given,
    and another order may round a pixel otherwise. So the width of the windows follows from
    that of the picture alone, and only their height from `tile` or from memory.

    Args:
        margin: Of the engine.
        window_pixels: Of the engine; a window has no more unless it gets too flat.
        tile: Rows that each window adds to the result; None goes by `window_pixels`.
        turned: The engine also turns windows on their side, so that heights become widths:
            they too follow from the picture alone then.
    """
    columns = cut_axis(width, WIDEST - 2 * margin, margin)
    if turned:
        tile = WIDEST - 2 * margin
    elif tile is None:
        tile = max(window_pixels // columns.size - 2 * margin, margin, 1)
    return cut_axis(height, tile, margin), columns
