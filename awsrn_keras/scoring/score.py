"""Scores of an upscaler on pairs of pictures, and the bicubic baseline beside them."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from ..data import PairBank
from ..pictures.resize import imresize
from .metrics import psnr_y, ssim_y


class Score(NamedTuple):
    """PSNR (dB) and SSIM on luma, of one picture or the mean over several."""

    psnr: float
    ssim: float


def score(
    upscaler: Callable[[np.ndarray], np.ndarray],
    pairs: Iterable[tuple[np.ndarray, np.ndarray]],
    scale: int,
) -> list[Score]:
    """The score of each pair, measured as published: on luma, `scale` pixels of border left out.

    Args:
        upscaler: Enlarges an LR picture by `scale`; its result is clipped to 0..255 and rounded
            to 8 bits.
        pairs: LR and HR pictures, RGB uint8 `(height, width, 3)`, HR `scale` times larger.
        scale: Magnification.

    Raises:
        ValueError: A result and its HR picture differ in size.
    """
    scores = []
    for lr, hr in pairs:
        sr = upscaler(lr)
        scores.append(Score(psnr_y(sr, hr, scale), ssim_y(sr, hr, scale)))
    return scores


def mean_score(scores: Iterable[Score]) -> Score:
    """The score of a set as published: the mean of its pictures' dB, and of their SSIM."""
    return Score(*(float(value) for value in np.mean(list(scores), axis=0)))


def score_bank(upscaler: Callable[[np.ndarray], np.ndarray], bank: PairBank) -> Score:
    """The mean score of an upscaler on all pairs of a bank (see `score`)."""
    return mean_score(score(upscaler, bank.pairs(), bank.scale))


def bicubic(lr: np.ndarray, scale: int) -> np.ndarray:
    """`lr`, uint8, enlarged by MATLAB's bicubic in floating point and rounded once.

    That is how a network's output is rounded, and it reproduces 33.68 dB on Set5 x2; rounding
    after each of the two passes, as `imresize` of a uint8 picture must, gives 33.67.
    """
    enlarged = imresize(lr.astype(np.float32), scale)
    return np.clip(np.floor(enlarged + 0.5), 0, 255).astype(np.uint8)
