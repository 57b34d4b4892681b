"""Ranges of 8-bit features that lose least, found on calibration pictures."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from export.tflite.equalisation import extremes

from .network import PIXELS, Range, RoundedNetwork

_STEP = 0.85  # a range is narrowed by this factor at a time


def feature_ranges(fused: keras.Model, pictures: Sequence[np.ndarray]) -> dict[str, Range]:
    """Smallest and largest value that each operation gives on the pictures, zero included.

    Those that meet in one concatenation share theirs. The last convolution gives pixels,
    0..255. One that TFLite computes as a part of the next, as a ReLU's source, has none.

    Args:
        fused: Of `fuse_for_int8`.
        pictures: Float32 `(1, height, width, 3)` each, 0..255.
    """
    operations = fused.operations
    names = [operation.name for operation in operations]
    limits = np.array(extremes(fused, [operation.output for operation in operations], pictures))
    ranges: dict[str, Range] = dict(zip(names, map(tuple, limits.T.tolist()), strict=True))

    makers = {id(operation.output): operation.name for operation in operations}
    read = {
        operation: [makers[id(tensor)] for tensor in keras.tree.flatten(operation.input)]
        for operation in operations[1:]
    }
    groups = [{o.name, *read[o]} for o in read if isinstance(o, layers.Concatenate)]
    for _ in groups:  # one in two groups makes them one: pass the ranges on until they agree
        for group in groups:
            lows, highs = zip(*(ranges[name] for name in group), strict=True)
            ranges |= dict.fromkeys(group, (min(lows), max(highs)))
    for operation in read:
        if isinstance(operation, layers.ReLU):
            del ranges[read[operation][0]]
    *_, last = operations  # depth to space, which only moves values
    ranges |= dict.fromkeys((names[0], *read[last]), PIXELS)
    del ranges[last.name]
    return ranges


def narrow_ranges(
    fused: keras.Model, ranges: dict[str, Range], pictures: Sequence[np.ndarray]
) -> dict[str, Range]:
    """Cut rare extremes off where finer steps for all other values are worth more.

    Beginning with the range that most operations share, each is narrowed as long as the picture
    of the rounded network comes closer to that of the network.

    Args:
        fused: Of `fuse_for_int8`.
        ranges: Of `feature_ranges`.
        pictures: As there, all of one size.
    """
    batch = np.concatenate(pictures)
    target = np.clip(fused(batch), 0, 255)

    def error(candidate: dict[str, Range]) -> float:
        return float(np.mean((RoundedNetwork(fused, candidate)(batch) - target) ** 2))

    groups: dict[Range, list[str]] = {}
    for name, limits in ranges.items():
        if limits != PIXELS:
            groups.setdefault(limits, []).append(name)
    least = error(ranges)
    for limits, names in sorted(groups.items(), key=lambda group: len(group[1]), reverse=True):
        while True:
            limits = (_STEP * limits[0], _STEP * limits[1])
            narrower = ranges | dict.fromkeys(names, limits)
            if (narrower_error := error(narrower)) >= least:
                break
            ranges, least = narrower, narrower_error
    return ranges
