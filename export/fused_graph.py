"""A fused network as plain data: all that the rest of `export` knows about its operations.

`export.to_onnx` writes it in ONNX's terms, and `export.qat.network` rebuilds it with tf_keras,
which alone tensorflow-model-optimization takes and which no module should mix with Keras 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import keras
import numpy as np
from keras import ops

_KINDS = {
    "InputLayer": "input",
    "Conv2D": "conv",
    "ReLU": "relu",
    "Add": "add",
    "Concatenate": "concatenate",
    "Subtract": "subtract",
    "DepthToSpace": "depth_to_space",
}


@dataclass(frozen=True)
class Node:
    """One operation of the graph.

    Attributes:
        name: Unique.
        kind: input, conv, relu, add, concatenate, subtract or depth_to_space.
        inputs: Names of the nodes that it reads.
        weights: Kernel and bias of a convolution, the constant of a subtraction.
        block: Block size of depth_to_space.
        range: Smallest and largest value that it gave on the calibration pictures, zero
            included; nodes that meet in one concatenation share theirs.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    weights: tuple[np.ndarray, ...] = ()
    block: int = 0
    range: tuple[float, float] = (0.0, 0.0)


def describe(fused: keras.Model, pictures: Sequence[np.ndarray] = ()) -> list[Node]:
    """The operations of a model made by `fuse`, in order of execution.

    Args:
        fused: The model.
        pictures: Float32 `(1, height, width, 3)` each, from which the ranges are taken.
    """
    makers = {id(operation.output): operation.name for operation in fused.operations}
    nodes = [_node(operation, fused, makers) for operation in fused.operations]
    return _with_shared_ranges(_with_ranges(nodes, fused, pictures))


def _node(operation: keras.Operation, fused: keras.Model, makers: dict[int, str]) -> Node:
    kind = _KINDS[type(operation).__name__]
    if kind == "input":
        return Node(operation.name, kind, ())
    weights: tuple[np.ndarray, ...] = ()
    block = 0
    if kind == "conv":
        weights = tuple(map(ops.convert_to_numpy, (operation.kernel, operation.bias)))
    elif kind == "subtract":
        nothing = np.zeros((1, 1, 1, 3), "float32")  # of which the constant is left, negative
        left = keras.Model(fused.input, operation.output)(nothing)
        weights = (-ops.convert_to_numpy(left)[0, 0, 0],)
    elif kind == "depth_to_space":
        block = operation.block_size
    sources = operation.input if isinstance(operation.input, list) else [operation.input]
    names = tuple(makers[id(source)] for source in sources)
    return Node(operation.name, kind, names, weights, block)


def _with_ranges(
    nodes: list[Node], fused: keras.Model, pictures: Sequence[np.ndarray]
) -> list[Node]:
    ranges = extremes(fused, [node.name for node in nodes], pictures)
    return [replace(node, range=limits) for node, limits in zip(nodes, ranges, strict=True)]


def extremes(
    fused: keras.Model, names: Sequence[str], pictures: Sequence[np.ndarray]
) -> list[tuple[float, float]]:
    """Smallest and largest value of each of these nodes on all pictures, zero included."""
    outputs = {operation.name: operation.output for operation in fused.operations}
    probe = keras.Model(fused.input, [outputs[name] for name in names])
    lowest = highest = np.zeros(len(names))
    for picture in pictures:
        values = [ops.convert_to_numpy(value) for value in keras.tree.flatten(probe(picture))]
        lowest = np.minimum(lowest, [value.min() for value in values])
        highest = np.maximum(highest, [value.max() for value in values])
    return list(zip(lowest.tolist(), highest.tolist(), strict=True))


def _with_shared_ranges(nodes: list[Node]) -> list[Node]:
    ranges = {node.name: node.range for node in nodes}
    groups = [{node.name, *node.inputs} for node in nodes if node.kind == "concatenate"]
    for _ in groups:  # a node in two groups makes them one: pass the ranges on until they agree
        for group in groups:
            lowest, highest = zip(*(ranges[name] for name in group), strict=True)
            ranges |= dict.fromkeys(group, (min(lowest), max(highest)))
    return [replace(node, range=ranges[node.name]) for node in nodes]
