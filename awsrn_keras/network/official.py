"""The tensors of the official PyTorch code: their names, and both layouts.

The tensors keep the names of the official code (class `AWSRN` in code/src/model/awsrn.py
of github.com/ChaofWang/AWSRN at b7e285e), in its `.pt` files or in a `.npz`. Weight-norm
pairs stay pairs, so training can go on. Two layouts differ: PyTorch kernels are (output,
input, row, column), Keras kernels (row, column, input, output); and `PixelShuffle` orders
the channels of tail and skip as (colour, row, column), `depth_to_space` as (row, column,
colour).
"""

import re
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from .variants import SCALES, VARIANTS


class Tensor(NamedTuple):
    """Where a tensor lives in the Keras model, and its shape in the official code."""

    path: str
    shape: tuple[int, ...]


def official_tensors(
    variant: str, scale: int, kernel_sizes: tuple[int, ...] | None = None
) -> dict[str, Tensor]:
    """Every tensor of a network by its official name, e.g. "body.0.b1.x_scale.scale"."""
    tensors = {}

    def conv(name: str, path: str, outputs: int, inputs: int, size: int = 3) -> None:
        tensors[f"{name}.bias"] = Tensor(f"{path}/bias", (outputs,))
        tensors[f"{name}.weight_g"] = Tensor(f"{path}/g", (outputs, 1, 1, 1))
        tensors[f"{name}.weight_v"] = Tensor(f"{path}/v", (outputs, inputs, size, size))

    def scalar(name: str, path: str) -> None:
        tensors[f"{name}.scale"] = Tensor(path, (1,))

    def lambdas(name: str, path: str) -> None:
        scalar(f"{name}.res_scale", f"{path}/lambda_res")
        scalar(f"{name}.x_scale", f"{path}/lambda_x")

    network, channels = VARIANTS[variant], 3 * scale**2
    filters, expanded = network.filters, network.expanded_filters
    conv("head.0", "head", filters, 3)
    for block in range(network.blocks):
        body, lfb = f"body.{block}", f"lfb_{block + 1}"
        for unit in range(network.units):
            name, path = f"{body}.b{unit}", f"{lfb}/awru_{unit + 1}"
            lambdas(name, path)
            conv(f"{name}.body.0", f"{path}/expand", expanded, filters)
            conv(f"{name}.body.2", f"{path}/reduce", filters, expanded)
        conv(f"{body}.reduction", f"{lfb}/fusion", filters, filters * network.units)
        lambdas(body, lfb)
    for size in kernel_sizes or network.kernel_sizes:
        conv(f"tail.tail_k{size}", f"awms/conv_{size}", channels, filters, size)
        scalar(f"tail.scale_k{size}", f"awms/alpha_{size}")
    conv("skip.0", "skip", channels, 3)
    return tensors


def official_names(tensors: dict[str, np.ndarray], source: object) -> dict[str, np.ndarray]:
    """The tensors of a network under the official names, in whatever form PyTorch had them.

    Taken off are prefixes, as of `DataParallel` ("module.") and `torch.compile` ("_orig_mod."),
    and what else was saved beside a network with a prefix. Newer weight norm gives its pairs
    names of its own; of a plain kernel, left by `remove_weight_norm`, a pair is made again:
    itself and its norm.

    Raises:
        InputError: There are several networks, each with a prefix.
    """
    prefixes = sorted({name.rpartition("skip.0.")[0] for name in tensors if "skip.0." in name})
    if len(prefixes) > 1:
        names = " and ".join(map(repr, prefixes))
        raise InputError(f"{source}: holds several networks, {names}: save one of them.")
    prefix = "".join(prefixes)
    named = {}
    for name, tensor in tensors.items():
        if name.startswith(prefix):
            name = name.removeprefix(prefix)
            name = name.replace(".parametrizations.weight.original0", ".weight_g")
            named[name.replace(".parametrizations.weight.original1", ".weight_v")] = tensor
    for name, kernel in list(named.items()):
        if name.endswith(".weight") and kernel.ndim == 4:
            named[f"{name}_v"] = named.pop(name)
            norm = np.sqrt(np.square(kernel, dtype="float64").sum(axis=(1, 2, 3), keepdims=True))
            named[f"{name}_g"] = norm.astype("float32")
    return named


def to_official(
    variant: str, scale: int, kernel_sizes: tuple[int, ...], weights: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The weights of a network, by Keras path, under the official names in the official layout."""
    layout = official_tensors(variant, scale, kernel_sizes)
    return {
        name: _to_official(name, weights[tensor.path], scale).reshape(tensor.shape)
        for name, tensor in layout.items()
    }


class Weights(NamedTuple):
    """A network and its weights, in Keras's layout by path."""

    variant: str
    scale: int
    kernel_sizes: tuple[int, ...]
    by_path: dict[str, np.ndarray]


def from_official(tensors: dict[str, np.ndarray], source: object) -> Weights:
    """The network whose official tensors these are.

    Args:
        tensors: By official name.
        source: Where they come from, for errors.

    Raises:
        InputError: A tensor is unknown, missing, of another shape, not finite, or cannot be
            normalised; the message names it.
    """
    variant, scale, kernel_sizes = _identify(tensors, source)
    weights = {
        tensor.path: _to_keras(name, tensors[name], scale)
        for name, tensor in official_tensors(variant, scale, kernel_sizes).items()
    }
    return Weights(variant, scale, kernel_sizes, weights)


def _identify(tensors: dict[str, np.ndarray], source: object) -> tuple[str, int, tuple[int, ...]]:
    """Variant, scale and AWMS kernel sizes; checks names, shapes and values."""
    shapes = {name: np.shape(tensor) for name, tensor in tensors.items()}
    scale = next((s for s in SCALES if shapes.get("skip.0.bias") == (3 * s**2,)), None)
    found = (re.fullmatch(r"tail\.(?:tail|scale)_k(\d?[13579])\..*", name) for name in tensors)
    kernel_sizes = tuple(sorted({int(match[1]) for match in found if match}))
    layouts = {}
    for variant in VARIANTS:
        tensors_of = official_tensors(variant, scale or SCALES[0], kernel_sizes)
        layouts[variant] = {name: tensor.shape for name, tensor in tensors_of.items()}
    variant = min(layouts, key=lambda name: len(layouts[name].items() ^ shapes.items()))
    layout = layouts[variant]
    missing, unknown = layout.keys() - tensors.keys(), tensors.keys() - layout.keys()
    for names, fault in ((missing, "is missing"), (unknown, "has no place in the network")):
        if names:
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            raise InputError(
                f"{source}: not a checkpoint of a published AWSRN; the nearest is {variant}, "
                f"but tensor {min(names)!r}{more} {fault}."
            )
    if scale is None:
        shape = shapes["skip.0.bias"]
        raise InputError(f"{source}: tensor 'skip.0.bias' has shape {shape}, that of no scale.")
    for name, shape in layout.items():
        if shapes[name] != shape:
            raise InputError(
                f"{source}: tensor {name!r} has shape {shapes[name]}, "
                f"{variant} x{scale} needs {shape}."
            )
        if not np.isfinite(tensors[name]).all():
            raise InputError(f"{source}: tensor {name!r} holds NaN or infinity; use another file.")
        if name.endswith("weight_v") and not _can_be_normalised(tensors[name]):
            raise InputError(f"{source}: tensor {name!r} has a filter of norm 0 or infinity.")
    return variant, scale, kernel_sizes


def _can_be_normalised(kernels: np.ndarray) -> bool:
    with np.errstate(over="ignore"):
        squares = np.square(kernels).sum(axis=(1, 2, 3))
    return bool(np.all((squares > 0) & np.isfinite(squares)))


def _to_keras(name: str, tensor: np.ndarray, scale: int) -> np.ndarray:
    if name.startswith(("tail.tail_", "skip.")):
        pixels = tensor.reshape(3, scale**2, -1)
        tensor = pixels.swapaxes(0, 1).reshape(tensor.shape)
    return tensor.transpose(2, 3, 1, 0) if name.endswith("weight_v") else tensor


def _to_official(name: str, weight: np.ndarray, scale: int) -> np.ndarray:
    tensor = weight.transpose(3, 2, 0, 1) if name.endswith("weight_v") else weight
    if name.startswith(("tail.tail_", "skip.")):
        pixels = tensor.reshape(scale**2, 3, -1)
        tensor = pixels.swapaxes(0, 1).reshape(tensor.shape)
    return np.ascontiguousarray(tensor)
