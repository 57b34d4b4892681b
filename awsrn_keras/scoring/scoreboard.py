"""Scores of several methods on image sets: measured, as tables, as JSON."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ..progress import with_progress
from ..tables import aligned_table
from .image_sets import ImageSet
from .published import published
from .score import Score, mean_score, score

Upscaler = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class SetScores:
    """What was measured on one image set.

    Attributes:
        name: Of the set.
        images: Names of its pictures.
        methods: One score per picture, by method.
        published: The paper's score of networks among the methods, by variant.
    """

    name: str
    images: list[str]
    methods: dict[str, list[Score]]
    published: dict[str, Score]

    def to_json(self) -> dict:
        """Everything, as measured; null stands for an infinite PSNR."""
        scores = {}
        for method, per_image in self.methods.items():
            pairs = zip(self.images, per_image, strict=True)
            rows = [{"image": image, **_record(each)} for image, each in pairs]
            scores[method] = {**_record(mean_score(per_image)), "per_image": rows}
        paper = {variant: _record(known) for variant, known in self.published.items()}
        return {"name": self.name, "scores": scores, "published": paper}


def measure(
    image_set: ImageSet, upscalers: Mapping[str, Upscaler], variants: Iterable[str]
) -> SetScores:
    """Score every upscaler, named by its method, on every picture of a set."""
    pairs, scale = image_set.pairs, image_set.pairs.scale
    methods = {}
    for method, upscaler in upscalers.items():
        shown = with_progress(pairs.pairs(), len(pairs), f"{method} on {image_set.name}")
        methods[method] = score(upscaler, shown, scale)
    papers = ((variant, published(variant, scale, image_set.name)) for variant in variants)
    known = {variant: value for variant, value in papers if value}
    return SetScores(image_set.name, image_set.image_names(), methods, known)


def mean_table(results: list[SetScores]) -> str:
    """Mean scores: a line per method, then the paper's; a column per set."""
    rows = [["", *(f"{result.name}, {_pictures(result)}" for result in results)]]
    for method in results[0].methods:
        means = (mean_score(result.methods[method]) for result in results)
        rows.append([method, *map(_cell, means)])
    for variant in dict.fromkeys(variant for result in results for variant in result.published):
        known = (result.published.get(variant) for result in results)
        rows.append([f"{variant} in the paper", *map(_cell, known)])
    return aligned_table(rows)


def image_table(result: SetScores) -> str:
    """Scores on one set: a line per picture, a column per method."""
    rows = [[result.name, *result.methods]]
    for i, image in enumerate(result.images):
        rows.append([image, *(_cell(scores[i]) for scores in result.methods.values())])
    return aligned_table(rows)


def _record(value: Score) -> dict:
    return {"psnr": value.psnr if math.isfinite(value.psnr) else None, "ssim": value.ssim}


def _pictures(result: SetScores) -> str:
    return f"{len(result.images)} picture{'s' if len(result.images) > 1 else ''}"


def _cell(value: Score | None) -> str:
    return f"{value.psnr:5.2f} / {value.ssim:.4f}" if value else "-"
