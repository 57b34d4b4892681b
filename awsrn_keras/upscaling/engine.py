"""What upscales one window, and how large a window fits in memory."""

from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Engine(Protocol):
    """A network that upscales one window.

    Called with RGB `(height, width, 3)`, 0..255, of type `dtype`, it returns
    `(scale * height, scale * width, 3)` of the same type. float32 is not clipped.

    Attributes:
        dtype: Of the pixels that it takes: float32 or uint8.
        scale: Magnification.
        margin: Radius in input pixels within which others change an output pixel.
        window_pixels: Pixels of the largest window that fits in memory, see `fitting_pixels`.
    """

    dtype: np.dtype
    scale: int
    margin: int
    window_pixels: int

    def __call__(self, window: np.ndarray) -> np.ndarray: ...


def fitting_pixels(pixel_bytes: int, budget: int) -> int:
    """Pixels of a window whose network needs `budget` bytes, less where the machine lacks them.

    Args:
        pixel_bytes: Memory that the network works in, for each pixel.
        budget: Bytes to use where a third of the available memory is more than that.
    """
    available = _available_memory()
    if available is not None:
        budget = min(budget, available // 3)
    return budget // pixel_bytes


def _available_memory() -> int | None:
    """Bytes that can be used without swapping; None where the system does not say."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None
