"""Upscaling a stream of frames, one after the other, while others are made and used."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from .engine import Engine
from .engines import make_engine
from .upscale import upscale_with

if TYPE_CHECKING:
    from ..network.model import AWSRN

T = TypeVar("T")
AHEAD = 4


def upscale_frames(
    frames: Iterable[np.ndarray],
    engine: Engine | AWSRN | str | os.PathLike,
    tile: int | None = None,
    self_ensemble: bool = False,
) -> Iterator[np.ndarray]:
    """Upscale pictures of one size, such as those of a video.

    The next pictures are taken from `frames`, and the next results are computed, in threads of
    their own while the caller uses a result: at most four of each are in memory.

    Args:
        frames: RGB `(height, width, 3)`, uint8 or uint16; they are copied.
        engine: From `make_engine`, or a model as of `upscale`, which then runs by the default
            engine.
        tile, self_ensemble: As of `upscale`.

    Yields:
        For each picture one `(scale * height, scale * width, 3)` of the same dtype, in order.

    Raises:
        InputError: As `upscale`; what `frames` raises comes through.
    """
    runner = engine if isinstance(engine, Engine) else make_engine(engine)
    return ahead(
        upscale_with(runner, frame, None, tile, self_ensemble)[0]
        for frame in ahead(map(np.array, frames))
    )


def ahead(items: Iterable[T], count: int = AHEAD) -> Iterator[T]:
    """The items, made in a thread of their own, at most `count` before they are asked for."""
    source, end = iter(items), object()
    begun: deque[Future] = deque()
    thread = ThreadPoolExecutor(1)
    try:
        while True:
            while len(begun) < count:
                begun.append(thread.submit(next, source, end))
            item = begun.popleft().result()
            if item is end:
                return
            yield item
    finally:
        thread.shutdown(cancel_futures=True)
