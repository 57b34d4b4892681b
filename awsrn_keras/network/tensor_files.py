"""Reading the tensors of a checkpoint, `.pt` or `.npz`, as NumPy arrays by name."""

import os
from pathlib import Path

import numpy as np

from ..errors import InputError, damaged_file

TORCH_SUFFIXES = (".pt", ".pth")


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


def _read_torch(path: Path) -> dict:
    try:
        import torch
    except ImportError:
        raise InputError(f"{path}: reading a .pt file needs PyTorch: pip install torch.") from None
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
