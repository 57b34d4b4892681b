"""Ranges of 8-bit features that lose least, found on calibration pictures."""

from dataclasses import replace

import numpy as np

from export.fused_graph import Node

from .network import build

_STEP = 0.85  # a range is narrowed by this factor at a time


def narrow_ranges(nodes: list[Node], pictures: list[np.ndarray]) -> list[Node]:
    """Cut rare extremes off where finer steps for all other values are worth more.

    Beginning with the range that most nodes share, each is narrowed as long as the picture
    of the rounded network comes closer to that of the network.

    Args:
        nodes: Of `describe`, with ranges.
        pictures: Float32 `(1, height, width, 3)`, 0..255, all of one size.
    """
    batch = np.concatenate(pictures)
    target = np.clip(build(nodes)(batch), 0, 255)

    def error(candidate: list[Node]) -> float:
        rounded = build(candidate, rounded=True)
        rounded(batch, training=True)  # the kernels' ranges
        return float(np.mean((np.asarray(rounded(batch)) - target) ** 2))

    least = error(nodes)
    for group in _groups(nodes):
        while (candidate_error := error(candidate := _narrowed(nodes, group))) < least:
            nodes, least = candidate, candidate_error
    return nodes


def _groups(nodes: list[Node]) -> list[set[str]]:
    """Names of the nodes that share a range and have steps of their own, the largest first."""
    groups: dict[tuple[float, float], set[str]] = {}
    read_by = {source: node.kind for node in nodes for source in node.inputs}
    for node in nodes:
        ends = node.kind in ("input", "depth_to_space")
        if not ends and read_by[node.name] not in ("relu", "depth_to_space"):
            groups.setdefault(node.range, set()).add(node.name)
    return sorted(groups.values(), key=len, reverse=True)


def _narrowed(nodes: list[Node], group: set[str]) -> list[Node]:
    return [
        replace(node, range=(_STEP * node.range[0], _STEP * node.range[1]))
        if node.name in group
        else node
        for node in nodes
    ]
