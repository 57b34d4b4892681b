"""Checkpoints as files: the tensors of one network, read and written as NumPy arrays by name."""

import importlib
import io
import os
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import InputError, damaged_file
from .official import official_names

# Under what training code keeps the tensors of the network; the first that is there counts.
_STATE_DICTS = ("params_ema", "params", "state_dict", "model_state_dict", "model", "net")

_FIRST_BYTES = {
    rb"version https://git-lfs": "a Git LFS pointer, not the file itself: run git lfs pull",
    rb"\s*<": "a web page: download the file itself",
    rb"\x89HDF": "an HDF5 file: name it *.weights.h5 if Keras wrote it",
    rb"\x08.[\x12\x1a\x3a\x42]": "an ONNX graph: give the checkpoint that it was made from",
}
_ZIP_MEMBERS = {
    "constants.pkl": "a TorchScript program: save the state_dict of its network",
    "data.pkl": "a PyTorch file: name it *.pt",
    ".npy": "an .npz file: name it so",
    "model.weights.h5": "a Keras file: name it *.keras",
}


def read_tensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The tensors of a checkpoint as float32, under the names of the official code.

    A PyTorch file may hold them as training code saves them: in a dictionary, as its
    "params_ema", "params", "state_dict", "model_state_dict", "model" or "net", the first of these
    that is there. `official_names` says what their names may be. Nothing in the file is executed.

    Args:
        path: `.pt`, `.pth` or `.ckpt` of PyTorch, `.npz` or `.safetensors`.

    Raises:
        InputError: The file is missing, damaged or of another kind; the message says of which,
            if that can be told. Or the package that reads it is not installed.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file.")
    try:
        with warnings.catch_warnings(action="ignore"):
            content = _READERS[path.suffix](path)
            tensors = {name: np.asarray(value, "float32") for name, value in content.items()}
    except InputError:
        raise
    except Exception as error:  # a damaged file fails in dozens of ways, none of them ours
        if other_kind := _other_kind(path):
            raise InputError(f"{path}: {other_kind}.") from None
        if path.suffix not in _READERS:
            raise InputError(f"{path}: a checkpoint ends in {', '.join(_READERS)}.") from None
        raise damaged_file(path, f"a checkpoint in a {path.suffix} file", error) from error
    return official_names(tensors, path)


def write_tensors(tensors: dict[str, np.ndarray], path: Path) -> None:
    """Write tensors as float32: a `.pt` file as `torch.save(network.state_dict())` does, or `.npz`.

    Raises:
        InputError: PyTorch is needed and not installed.
    """
    if path.suffix in (".pt", ".pth"):
        torch, content = _package("torch", path), io.BytesIO()
        state = OrderedDict((name, torch.tensor(value)) for name, value in tensors.items())
        torch.save(state, content)
        path.write_bytes(content.getvalue())  # a full disk is an OSError here, not in torch
    else:
        arrays: dict[str, Any] = tensors  # to the stub of savez they might be its options
        np.savez(path, **arrays)


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    # Opened here because np.load leaves the file open where it fails.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: archive[name].astype("float32") for name in archive.files}


def _read_safetensors(path: Path) -> dict[str, np.ndarray]:
    return _package("safetensors.numpy", path).load_file(path)


def _read_torch(path: Path) -> dict[str, np.ndarray]:
    torch = _package("torch", path)
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        if pickled := re.search(r"Unsupported global: GLOBAL (\S+)", str(error)):
            raise InputError(
                f"{path}: holds a pickled {pickled[1]}, and reading that would run code of the "
                "file: save the network's state_dict alone."
            ) from None
        raise
    for _ in range(2):  # such as {"model": {"state_dict": ...}}
        content = _inner(content) or content
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: holds a {type(content).__name__}, not tensors by name.")
    others = [name for name, value in content.items() if not isinstance(value, torch.Tensor)]
    if others:
        raise InputError(
            f"{path}: holds {', '.join(map(repr, others[:4]))}, no tensors by name: save the "
            'network\'s state_dict, alone or as "state_dict".'
        )
    return {str(name): tensor.detach().float().numpy() for name, tensor in content.items()}


def _inner(content: object) -> Mapping | None:
    """The first dictionary in `content` that may be the network's."""
    found = (content.get(key) for key in _STATE_DICTS) if isinstance(content, Mapping) else ()
    return next((value for value in found if isinstance(value, Mapping)), None)


_READERS = {
    ".pt": _read_torch,
    ".pth": _read_torch,
    ".ckpt": _read_torch,
    ".npz": _read_npz,
    ".safetensors": _read_safetensors,
}
CHECKPOINT_SUFFIXES = tuple(_READERS)


def _other_kind(path: Path) -> str | None:
    """What a file is by its content, where that shows and is not what its name says."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # no zip, or a damaged one
        with path.open("rb") as file:
            start = file.read(100)
        kinds = (kind for first, kind in _FIRST_BYTES.items() if re.match(first, start, re.DOTALL))
        return next(kinds, None)
    for end, kind in _ZIP_MEMBERS.items():
        if any(name.endswith(end) for name in names):
            own = _READERS.get(path.suffix) == {"data.pkl": _read_torch, ".npy": _read_npz}.get(end)
            return None if own else kind
    return f"a zip archive of {', '.join(map(repr, names[:3]))}, no checkpoint" if names else None


def _package(name: str, path: Path) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.split(".")[0]
        raise InputError(f"{path}: needs {package}: pip install {package}.") from None
