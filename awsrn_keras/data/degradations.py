"""Photographs as people have them: blur, other ways to shrink, noise and JPEG for LR images.

A network trained on clean images alone sharpens noise and JPEG blocks. Here an LR patch is
made worse, as a camera and a web page would, while its HR patch stays as it is. All randomness
comes from the generator that is passed in, so an example is a function of its number alone.
"""

import json
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from ..errors import InputError
from ..pictures.resize import imresize
from .bank import PairBank

_GRID = 16  # pixels of a JPEG block where colour is halved
_FRINGE = 2  # pixels around a patch that its colours depend on where colour is halved
_RADIUS = 3  # of a blur, LR pixels


@dataclass(frozen=True)
class Degradation:
    """How LR patches are made worse: blur, noise and JPEG, in this order.

    Probabilities are 0..1; ranges are drawn from uniformly.

    Attributes:
        clean: Share of the patches that are left alone.
        shrink: Shares of the ways in which the others are shrunk: bicubic, area, bilinear.
        blur: Probability of a Gaussian blur.
        blur_sigma: Its standard deviation, LR pixels.
        anisotropic: Share of the blurs with two different deviations, at any angle.
        noise: Probability of Gaussian noise.
        noise_sigma: Its standard deviation, levels of 255.
        grey_noise: Share of the noise that is the same in R, G and B.
        jpeg: Probability of JPEG.
        jpeg_quality: Of Pillow, 1..100.
        halved_colour: Share of the JPEGs with 4:2:0, the others have 4:4:4.
        second_jpeg: Share of the JPEGs that were compressed before, on another 8x8 grid.

    Raises:
        InputError: A value is out of range; the message names it.
    """

    clean: float = 0.15
    shrink: tuple[float, float, float] = (0.5, 0.25, 0.25)
    blur: float = 0.5
    blur_sigma: tuple[float, float] = (0.2, 0.7)
    anisotropic: float = 0.3
    noise: float = 0.5
    noise_sigma: tuple[float, float] = (1.0, 10.0)
    grey_noise: float = 0.5
    jpeg: float = 0.9
    jpeg_quality: tuple[int, int] = (30, 95)
    halved_colour: float = 0.8
    second_jpeg: float = 0.2

    def __post_init__(self) -> None:
        limits = {"shrink": (0, 1), "blur_sigma": (0.05, 3), "noise_sigma": (0, 100)}
        limits["jpeg_quality"] = (1, 100)
        for field in fields(self):
            value, default = getattr(self, field.name), field.default
            low, high = limits.get(field.name, (0, 1))
            count = len(default) if isinstance(default, tuple) else 1
            kind = int if field.name == "jpeg_quality" else int | float
            numbers = value if isinstance(value, tuple) else (value,)
            fits = isinstance(value, tuple) == (count > 1) and len(numbers) == count
            for n in numbers:
                number = isinstance(n, kind) and not isinstance(n, bool)
                fits = fits and number and low <= n <= high
            if not fits or (count == 2 and numbers[0] > numbers[1]):
                whole = "whole " if kind is int else ""
                wanted = f"{count} {whole}numbers" if count > 1 else "a number"
                order = ", the smaller first" if count == 2 else ""
                raise InputError(
                    f"{field.name}: {value!r} is not {wanted} within {low}..{high}{order}."
                )
        if not sum(self.shrink) > 0:
            raise InputError(f"shrink: {self.shrink!r} names no way to shrink.")

    def in_words(self) -> str:
        """What is done to LR patches, for a model card."""
        return (
            f"LR patches with blur ({self.blur:.0%}, sigma {_range(self.blur_sigma)}), noise "
            f"({self.noise:.0%}, sigma {_range(self.noise_sigma)}) and JPEG ({self.jpeg:.0%}, "
            f"quality {_range(self.jpeg_quality)}), {self.clean:.0%} clean"
        )

    @classmethod
    def named(cls, name: str) -> "Degradation":
        """A setting by its name, "photo", or from a JSON file of the attributes that differ.

        Raises:
            InputError: There is no such setting or file, or the file is damaged or holds what
                is no attribute.
        """
        if name in SETTINGS:
            return SETTINGS[name]
        path = Path(name)
        if path.suffix != ".json" or not path.is_file():
            missing = "no such file; " if path.suffix == ".json" else ""
            raise InputError(f"{name}: {missing}choose {', '.join(SETTINGS)} or name a JSON file.")
        names = [field.name for field in fields(cls)]
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(stored, dict):
                raise InputError('give an object such as {"noise": 0.2}')
            for unknown in stored.keys() - set(names):
                raise InputError(f"{unknown!r} is none of {', '.join(names)}")
            values: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()
            }
            return cls(**values)
        except ValueError as error:
            reason = str(error).removesuffix(".")
            raise InputError(f"{path}: not a setting of degradations ({reason}).") from None


SETTINGS = {"photo": Degradation()}
# What a network for photographs is scored on, and its best epoch chosen by.
CONDITIONS = ("jpeg90", "jpeg75", "jpeg50", "jpeg30", "noise5", "noise10", "blur1")


def degraded_image(lr: np.ndarray, hr: np.ndarray, condition: str, number: int = 0) -> np.ndarray:
    """A whole LR image under test conditions that are the same for everybody.

    Args:
        lr, hr: RGB uint8 `(height, width, 3)`, `hr` a whole number of times larger.
        condition: "clean"; "jpeg75": Pillow's JPEG of that quality, 1..100, with its own
            subsampling; "noise10": Gaussian noise of that standard deviation, levels of 255;
            "blur1": a Gaussian of that standard deviation, HR pixels, before `imresize`.
        number: Of the image in its set: seeds the noise.

    Raises:
        InputError: There is no such condition.
    """
    kind, value = condition_value(condition)
    if kind == "jpeg":
        return jpeg(lr, int(value))
    if kind == "noise":
        random = np.random.default_rng(number)
        return rounded(lr + random.normal(0, value, lr.shape))
    if kind == "blur":
        return imresize(rounded(blurred(hr, (value, value))), size=lr.shape[:2])
    return lr


def condition_value(condition: str) -> tuple[str, float]:
    """A condition of `degraded_image` as its kind and number, "jpeg" and 75; 0 for "clean".

    Raises:
        InputError: There is no such condition.
    """
    match = re.fullmatch(r"(clean)|(jpeg|noise|blur)(\d+(?:\.\d+)?)", condition)
    if match is None:
        raise InputError(
            f"{condition}: choose conditions such as {', '.join(CONDITIONS)}, or clean."
        )
    kind, value = match[1] or match[2], float(match[3] or 0)
    if kind == "jpeg" and not (1 <= value <= 100 and value.is_integer()):
        raise InputError(f"{condition}: the quality of JPEG is a whole number, 1 to 100.")
    if kind == "blur" and not 0.1 <= value <= 10:
        raise InputError(f"{condition}: the deviation of a blur is 0.1 to 10.")
    if kind == "noise" and not 0.1 <= value <= 100:
        raise InputError(f"{condition}: the deviation of noise is 0.1 to 100.")
    return kind, value


def degraded_bank(bank: PairBank, condition: str) -> PairBank:
    """The images of a bank under a condition of `degraded_image`."""
    pairs = (
        (name, degraded_image(*bank.pair(number), condition, number), bank.hr(number))
        for number, name in enumerate(bank.names)
    )
    return PairBank.from_pairs(pairs, bank.scale)


def degraded_patch(
    lr: np.ndarray,
    hr: np.ndarray,
    corner: tuple[int, int],
    side: int,
    setting: Degradation,
    random: np.random.Generator,
) -> np.ndarray:
    """The patch of an LR image after what `setting` draws from `random`.

    Args:
        lr, hr: Whole images, RGB uint8, `hr` a whole number of times larger.
        corner: Row and column of the patch in `lr`.
        side: Height and width of the patch, LR pixels.

    Returns:
        `(side, side, 3)`, uint8. JPEG's 8x8 grid may begin at any of its pixels.
    """
    start, stop = np.array(corner), np.array(corner) + side
    if random.random() < setting.clean:
        return _part(lr, start, stop)
    grids = []  # what each JPEG compresses, the last one first
    if random.random() < setting.jpeg:
        for _ in range(2 if random.random() < setting.second_jpeg else 1):
            start = start - random.integers(_FRINGE, _FRINGE + _GRID, 2)
            stop = start - (start - stop - _FRINGE) // _GRID * _GRID
            grids.append((start, stop))
    rows, columns = (np.arange(start[i] - _RADIUS, stop[i] + _RADIUS) for i in (0, 1))
    image = _shrunk(lr, hr, rows, columns, _chosen(setting.shrink, random))
    if random.random() < setting.blur:
        image = blurred(image, *_blur(setting, random))
    image = image[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS]
    if random.random() < setting.noise:
        sigma = random.uniform(*setting.noise_sigma)
        channels = 1 if random.random() < setting.grey_noise else 3
        noise = random.standard_normal((*image.shape[:2], channels), dtype=np.float32)
        image = image + np.float32(sigma) * noise
    image, origin = rounded(image), start
    for start, stop in reversed(grids):
        quality = int(random.integers(*setting.jpeg_quality, endpoint=True))
        subsampling = "4:2:0" if random.random() < setting.halved_colour else "4:4:4"
        image = jpeg(_part(image, start - origin, stop - origin), quality, subsampling)
        origin = start
    return _part(image, np.array(corner) - origin, np.array(corner) + side - origin)


def _part(image: np.ndarray, start: np.ndarray, stop: np.ndarray) -> np.ndarray:
    return image[start[0] : stop[0], start[1] : stop[1]]


def jpeg(image: np.ndarray, quality: int, subsampling: str = "4:2:0") -> np.ndarray:
    """RGB uint8 `(height, width, 3)` after JPEG as Pillow writes it; quality 1..100.

    By imagecodecs, which gives the same pixels in less than half the time.
    """
    image = np.ascontiguousarray(image)
    content = imagecodecs.jpeg8_encode(image, quality, subsampling=subsampling.replace(":", ""))
    return imagecodecs.jpeg8_decode(content)


def blurred(image: np.ndarray, sigmas: tuple[float, float], angle: float = 0.0) -> np.ndarray:
    """`image` after a Gaussian blur, float32; borders are repeated.

    Args:
        image: `(height, width, channels)`.
        sigmas: Standard deviations along the two axes of the Gaussian, pixels.
        angle: From the columns' direction to that of the first deviation, radians.
    """
    radius = max(1, round(3.5 * max(sigmas)))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    along, across = (
        x * np.cos(angle) + y * np.sin(angle),
        y * np.cos(angle) - x * np.sin(angle),
    )
    kernel = np.exp(-0.5 * ((along / sigmas[0]) ** 2 + (across / sigmas[1]) ** 2))
    kernel = (kernel / kernel.sum()).astype(np.float32)
    height, width = image.shape[:2]
    padded = np.pad(image.astype(np.float32), ((radius,) * 2, (radius,) * 2, (0, 0)), mode="edge")
    total = np.zeros(image.shape, np.float32)
    for (i, j), weight in np.ndenumerate(kernel):
        if weight > 1e-5:
            total += weight * padded[i : i + height, j : j + width]
    return total


def rounded(image: np.ndarray) -> np.ndarray:
    """To uint8, clipped."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _is_number(value: object, whole: bool) -> bool:
    return isinstance(value, int if whole else int | float) and not isinstance(value, bool)


def _range(limits: tuple[float, float]) -> str:
    return "{:g} to {:g}".format(*limits)


def _chosen(shares: tuple[float, ...], random: np.random.Generator) -> int:
    limits = np.cumsum(shares)
    return int(np.searchsorted(limits, random.random() * limits[-1], side="right"))


def _blur(setting: Degradation, random: np.random.Generator) -> tuple[tuple[float, float], float]:
    first, second = random.uniform(*setting.blur_sigma, 2)
    if random.random() < setting.anisotropic:
        return (first, second), random.uniform(0, np.pi)
    return (first, first), 0.0


def _shrunk(
    lr: np.ndarray, hr: np.ndarray, rows: np.ndarray, columns: np.ndarray, method: int
) -> np.ndarray:
    """These rows and columns of an LR image, clamped to it, shrunk by one of three ways."""
    rows, columns = rows.clip(0, lr.shape[0] - 1), columns.clip(0, lr.shape[1] - 1)
    if method == 0:  # bicubic: that is how `lr` was made
        return lr[rows[:, None], columns]
    scale = hr.shape[0] // lr.shape[0]
    offsets = np.arange(scale) if method == 1 else np.arange(2 * scale) - scale // 2
    distance = np.abs(offsets - (scale - 1) / 2) / scale
    weights = np.full(scale, 1.0) if method == 1 else np.maximum(1 - distance, 0)
    weights = (weights / weights.sum()).astype(np.float32)
    y, x = ((scale * index[:, None] + offsets) for index in (rows, columns))
    y, x = y.clip(0, hr.shape[0] - 1), x.clip(0, hr.shape[1] - 1)
    first, last = y.min(), y.max() + 1
    strip = hr[first:last, x.min() : x.max() + 1].astype(np.float32)
    tall = sum(weight * strip[y[:, k] - first] for k, weight in enumerate(weights))
    return sum(weight * tall[:, x[:, k] - x.min()] for k, weight in enumerate(weights))
