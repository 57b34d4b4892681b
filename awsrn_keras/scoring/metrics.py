"""PSNR and SSIM as published: on the luma of 8-bit pictures, borders left out (MATLAB's way)."""

import math
from collections.abc import Iterator

import numpy as np

_LUMA = np.array([65.481, 128.553, 24.966]) / 255  # ITU-R BT.601, 16..235
_WINDOW = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
_WINDOW /= _WINDOW.sum()
_STRIP = 64  # rows of SSIM computed at a time


def psnr_y(sr: np.ndarray, hr: np.ndarray, border: int) -> float:
    """Peak signal-to-noise ratio on luma: `10 log10(255**2 / mean((Y_sr - Y_hr)**2))`.

    `Y = (65.481 R + 128.553 G + 24.966 B) / 255 + 16`, not rounded.

    Args:
        sr, hr: Upscaled and true picture, RGB `(height, width, 3)`, uint8 or floating point
            0..255; clipped to 0..255 and rounded to 8 bits first.
        border: Pixels left out along each side; published figures leave out `scale`.

    Returns:
        Decibels, infinite when the two are equal.

    Raises:
        ValueError: The shapes differ or are not RGB, the values are of another dtype, or the
            border leaves nothing.
    """
    y_sr, y_hr = _lumas(sr, hr, border, least=1)
    error = np.mean((y_sr - y_hr) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def ssim_y(sr: np.ndarray, hr: np.ndarray, border: int) -> float:
    """Structural similarity on luma, the mean over all places where its window fits.

    Gaussian window 11x11 with sigma 1.5, K = (0.01, 0.03), dynamic range 255, population
    covariance. Luma, arguments and errors as in `psnr_y`; what the border leaves must be at
    least 11x11 pixels.

    Returns:
        At most 1, which means equal.

    Source: Wang, Bovik, Sheikh and Simoncelli (2004), "Image Quality Assessment"; their
    ssim_index.m without its downsampling.
    """
    y_sr, y_hr = _lumas(sr, hr, border, least=len(_WINDOW))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    total, count = 0.0, 0
    for a, b in _strips(y_sr, y_hr):
        mean_a, mean_b = _blurred(a), _blurred(b)
        product, squares = mean_a * mean_b, mean_a**2 + mean_b**2
        covariance = _blurred(a * b) - product
        variances = _blurred(a**2 + b**2) - squares
        similarity = (2 * product + c1) * (2 * covariance + c2)
        similarity /= (squares + c1) * (variances + c2)
        total += similarity.sum()
        count += similarity.size
    return float(total / count)


def _lumas(sr, hr, border: int, least: int) -> tuple[np.ndarray, np.ndarray]:
    sr, hr = np.asarray(sr), np.asarray(hr)
    if sr.shape != hr.shape or sr.ndim != 3 or sr.shape[2] != 3:
        raise ValueError(
            f"Two RGB pictures (height, width, 3) of one size are needed, got {sr.shape} "
            f"and {hr.shape}."
        )
    for image in (sr, hr):
        if image.dtype != np.uint8 and not np.issubdtype(image.dtype, np.floating):
            raise ValueError(
                f"Pictures of uint8 or of floating point, 0..255, are needed, got {image.dtype}; "
                "uint16 divided by 257 will do."
            )
    if border < 0 or min(sr.shape[:2]) - 2 * border < least:
        raise ValueError(
            f"A border of {border} must leave at least {least} pixels of both sides, "
            f"got a picture of {sr.shape[0]}x{sr.shape[1]}."
        )
    inner = slice(border, -border or None)
    return _luma(sr[inner, inner]), _luma(hr[inner, inner])


def _luma(image: np.ndarray) -> np.ndarray:
    if image.dtype != np.uint8:
        image = np.floor(np.clip(image, 0, 255) + 0.5)
    return image @ _LUMA + 16


def _strips(*images: np.ndarray) -> Iterator[list[np.ndarray]]:
    """The same rows of every image; neighbouring strips overlap by the window."""
    for top in range(0, len(images[0]) - len(_WINDOW) + 1, _STRIP):
        yield [image[top : top + _STRIP + len(_WINDOW) - 1] for image in images]


def _blurred(image: np.ndarray) -> np.ndarray:
    """Weighted mean under the window, where it fits: ten rows and columns fewer."""
    for _ in ("rows", "columns"):
        size = len(image) - len(_WINDOW) + 1
        image = sum(weight * image[i : i + size] for i, weight in enumerate(_WINDOW)).T
    return image
