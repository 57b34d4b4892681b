"""Official PyTorch checkpoints: reading one into a model and writing a model's tensors back.

The tensors keep the names of the official code (class `AWSRN` in code/src/model/awsrn.py
of github.com/ChaofWang/AWSRN at b7e285e), in its `.pt` files or in a `.npz`. Weight-norm
pairs stay pairs, so training can go on. Two layouts differ: PyTorch kernels are (output,
input, row, column), Keras kernels (row, column, input, output); and `PixelShuffle` orders
the channels of tail and skip as (colour, row, column), `depth_to_space` as (row, column,
colour).
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .errors import InputError, damaged_file
from .files import replacing
from .variants import SCALES, VARIANTS

if TYPE_CHECKING:
    from .model import AWSRN

TORCH_SUFFIXES = (".pt", ".pth")


class Tensor(NamedTuple):
    """Where a tensor lives in the Keras model, and its shape in the official code."""

    path: str
    shape: tuple[int, ...]


def official_tensors(
    variant: str, scale: int, kernel_sizes: tuple[int, ...] | None = None
) -> dict[str, Tensor]:
    """Every tensor of a network by its official name, e.g. "body.0.b1.x_scale.scale"."""
    tensors = {}

    def conv(name, path, outputs, inputs, size=3):
        tensors[f"{name}.bias"] = Tensor(f"{path}/bias", (outputs,))
        tensors[f"{name}.weight_g"] = Tensor(f"{path}/g", (outputs, 1, 1, 1))
        tensors[f"{name}.weight_v"] = Tensor(f"{path}/v", (outputs, inputs, size, size))

    def scalar(name, path):
        tensors[f"{name}.scale"] = Tensor(path, (1,))

    def lambdas(name, path):
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


def from_pytorch(path: str | os.PathLike) -> "AWSRN":
    """Rebuild the network of a checkpoint; variant and scale are found from its tensors.

    Args:
        path: A `.pt` file of the official code (read with `weights_only=True`, so nothing
            in it is executed; needs torch), or a `.npz` of the same names.

    Raises:
        InputError: The file is missing or damaged, or a tensor is unknown, missing, of
            another shape, or not finite; the message names it.
    """
    return build_model(read_tensors(path), path)


def to_official(model: "AWSRN") -> dict[str, np.ndarray]:
    """The model's weights under the official names, in the official layout, float32."""
    weights = {v.path: np.asarray(v.value, "float32") for v in model.variables}
    layout = official_tensors(model.variant, model.scale, model.kernel_sizes)
    return {
        name: _to_official(name, weights[tensor.path], model.scale).reshape(tensor.shape)
        for name, tensor in layout.items()
    }


def import_checkpoint(path: str | os.PathLike, output: str | os.PathLike) -> "AWSRN":
    """Convert a checkpoint to `.keras` or `.weights.h5`, verified before `output` appears.

    The rebuilt model, and the saved file loaded again, must give back every tensor bit for
    bit, and the loaded one the same picture to 1e-3 of 255.

    Raises:
        InputError: As `from_pytorch`, or `output` has another suffix.
    """
    from .pretrained import load_model, save_weights

    if not str(output).endswith((".keras", ".weights.h5")):
        raise InputError(f"{output}: name the output *.keras or *.weights.h5.")
    tensors = read_tensors(path)
    model = build_model(tensors, path)
    _check_same(tensors, to_official(model))
    with replacing(output) as temporary:
        if temporary.suffix == ".keras":
            model.save(temporary)
        else:
            save_weights(model, temporary)
        reloaded = load_model(temporary)
        _check_same(tensors, to_official(reloaded))
        image = np.random.default_rng(0).uniform(0, 255, (1, 9, 11, 3)).astype("float32")
        difference = np.abs(np.asarray(reloaded(image)) - np.asarray(model(image))).max()
        if not difference < 1e-3:
            raise RuntimeError(f"{output}: reloaded, it differs by {difference} of 255.")
    return model


def _check_same(tensors: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> None:
    changed = [name for name in tensors if not np.array_equal(tensors[name], others[name])]
    if changed:
        raise RuntimeError(f"Tensor {changed[0]!r} changed on the way through Keras.")


def read_tensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """All tensors of a `.pt` or `.npz` file as float32, under the names in the file.

    Raises:
        InputError: The file is missing, damaged or of another kind; torch is needed and
            not installed; a tensor is not finite.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file.")
    if path.suffix in TORCH_SUFFIXES:
        content = _read_torch(path)
    elif path.suffix == ".npz":
        content = _read_npz(path)
    else:
        raise InputError(f"{path}: a checkpoint is a .pt or a .npz file.")
    tensors = {name: np.asarray(value, "float32") for name, value in content.items()}
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise InputError(f"{path}: tensor {name!r} holds NaN or infinity; use another file.")
    return tensors


def build_model(tensors: dict[str, np.ndarray], source: object, cls: type | None = None):
    """An `AWSRN`, or a `cls`, with these official tensors; `source` names them in errors."""
    from .model import AWSRN

    variant, scale = _identify(tensors, source)
    model = (cls or AWSRN)(variant, scale)
    variables = {v.path: v for v in model.variables}
    for name, tensor in official_tensors(variant, scale).items():
        variable = variables[tensor.path]
        variable.assign(_to_keras(name, tensors[name], scale).reshape(variable.shape))
    return model


def _read_torch(path: Path) -> dict:
    try:
        import torch
    except ImportError:
        raise InputError(
            f'{path}: reading a .pt file needs PyTorch: pip install "awsrn-keras[torch]".'
        ) from None
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
        return {name: tensor.detach().float().numpy() for name, tensor in content.items()}
    except Exception as error:  # a damaged file fails in dozens of ways, none of them ours
        raise damaged_file(path, "a PyTorch file of tensors by name", error) from error


def _read_npz(path: Path) -> dict:
    try:
        # Opened here because np.load leaves the file open where it fails.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name].astype("float32") for name in archive.files}
    except Exception as error:  # as above
        raise damaged_file(path, "an .npz file of numeric arrays", error) from error


def _identify(tensors: dict[str, np.ndarray], source: object) -> tuple[str, int]:
    """Variant and scale; checks names, shapes and that every filter can be normalised."""
    scale = next((s for s in SCALES if np.shape(tensors.get("skip.0.bias")) == (3 * s**2,)), None)
    layouts = {name: official_tensors(name, scale or SCALES[0]) for name in VARIANTS}
    variant = min(layouts, key=lambda name: len(layouts[name].keys() ^ tensors.keys()))
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
        shape = tensors["skip.0.bias"].shape
        raise InputError(f"{source}: tensor 'skip.0.bias' has shape {shape}, that of no scale.")
    for name, tensor in layout.items():
        if tensors[name].shape != tensor.shape:
            raise InputError(
                f"{source}: tensor {name!r} has shape {tensors[name].shape}, "
                f"{variant} x{scale} needs {tensor.shape}."
            )
        if name.endswith("weight_v") and not _can_be_normalised(tensors[name]):
            raise InputError(f"{source}: tensor {name!r} has a filter of norm 0 or infinity.")
    return variant, scale


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
    return tensor
