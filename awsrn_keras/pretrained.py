"""Trained weights that come with the package, and loading a model from whatever names one.

A preset is two files in `weights/`: `NAME.npz`, the tensors under their official names, and
`NAME.json`, the card: variant, scale, scores, how it was trained, license. Adding a preset
is adding two files (`training/publish_preset.py` writes them).
"""

import json
import math
import os
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .errors import InputError, damaged_file
from .variants import SCALES, VARIANTS, check_variant_and_scale

if TYPE_CHECKING:
    import keras

    from .model import AWSRN

WEIGHTS = Path(__file__).parent / "weights"
KIND = "a model of this project"


def presets() -> dict[str, dict]:
    """The card of every preset by name: variant, scale, params, psnr, ssim, license, ..."""
    return {card.stem: json.loads(card.read_text()) for card in sorted(WEIGHTS.glob("*.json"))}


def preset_path(name: str) -> Path:
    """The weights file of a preset.

    Raises:
        InputError: There is no such preset; the message lists those there are.
    """
    known = presets()
    if name not in known:
        raise InputError(f"There is no preset {name!r}: choose one of {', '.join(known)}.")
    return WEIGHTS / f"{name}.npz"


def load_preset(cls: type, name: str) -> "AWSRN":
    """A `cls`, which is `AWSRN` or derived from it, with the weights of a preset."""
    from .pytorch import build_model, read_tensors

    path, card = preset_path(name), presets()[name]
    model = build_model(read_tensors(path), path, cls)
    if (model.variant, model.scale) != (card["variant"], card["scale"]):
        raise InputError(
            f"{path}: holds {model.variant} x{model.scale}, not {card['variant']} "
            f"x{card['scale']}; install the package anew."
        )
    return model


def load_model(model: str | os.PathLike) -> "AWSRN":
    """The network that MODEL names in every command.

    Args:
        model: A preset name, a run folder of `training/fit.py`, a `.keras` file, a
            `.weights.h5` file (its network is in the `config.json` beside it, or else is
            found from the number of its weights), or a `.pt` or `.npz` of the official code.

    Raises:
        InputError: None of these, or the file is missing or damaged.
    """
    from .model import AWSRN

    if str(model) in presets():
        return load_preset(AWSRN, str(model))
    path = Path(model)
    loaded = _load_run(path) if path.is_dir() else _load_file(path)
    for variable in loaded.variables:
        if not np.isfinite(np.asarray(variable.value)).all():
            raise InputError(f"{path}: {variable.path} holds NaN or infinity; use another model.")
    return loaded


def save_weights(model: "keras.Model", path: str | os.PathLike) -> None:
    """Write the file that `model.save_weights` writes, with the optimizer's state if it has one.

    Written by HDF5 itself it would crash the process where the disk is full; for the archive
    of `model.save` Keras makes the same file in memory.

    Raises:
        OSError: The file cannot be written.
    """
    path = Path(path)
    archive = path.with_name(f"{path.name}.keras")
    try:
        model.save(archive)
        with (
            zipfile.ZipFile(archive) as whole,
            whole.open("model.weights.h5") as weights,
            path.open("wb") as file,
        ):
            shutil.copyfileobj(weights, file)
    finally:
        archive.unlink(missing_ok=True)


def _load_file(path: Path) -> "AWSRN":
    from .pytorch import TORCH_SUFFIXES, from_pytorch

    if not path.is_file():
        raise InputError(
            f"{path}: no such model; give a preset ({', '.join(presets())}), a run folder, "
            "or a .keras, .weights.h5, .pt or .npz file."
        )
    if path.suffix == ".keras":
        return _load_keras(path)
    if path.name.endswith(".weights.h5"):
        return _load_weights(path)
    if path.suffix in (*TORCH_SUFFIXES, ".npz"):
        return from_pytorch(path)
    raise InputError(f"{path}: a model file ends in .keras, .weights.h5, .pt or .npz.")


def _load_run(folder: Path) -> "AWSRN":
    for name, load in (("model.keras", _load_keras), ("best.weights.h5", _load_weights)):
        if (folder / name).is_file():
            return load(folder / name)
    raise InputError(f"{folder}: holds neither model.keras nor best.weights.h5 of a training run.")


def _load_keras(path: Path) -> "AWSRN":
    import keras

    from .model import AWSRN

    _check_class(path)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # a damaged file fails in dozens of ways, none of them ours
        raise damaged_file(path, KIND, error) from error
    if not isinstance(model, AWSRN):
        raise InputError(f"{path}: holds a {type(model).__name__}, not an AWSRN.")
    return model


def _check_class(path: Path) -> None:
    """Raise an `InputError` unless the archive says that it holds an AWSRN.

    Keras imports whatever modules a configuration names, so it never gets to see others.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
        found, registered = config["class_name"], config["registered_name"]
    except Exception as error:  # as below
        raise damaged_file(path, KIND, error) from error
    if registered != "awsrn_keras>AWSRN":
        raise InputError(f"{path}: holds a {str(found)[:40]}, not an AWSRN.")


def _load_weights(path: Path) -> "AWSRN":
    from .model import AWSRN

    config = path.with_name("config.json")
    model = AWSRN(**(_read_config(config) if config.is_file() else _network_of_size(path)))
    try:
        model.load_weights(path)
    except Exception as error:  # as above
        raise damaged_file(path, KIND, error) from error
    return model


def _read_config(path: Path) -> dict:
    try:
        config = json.loads(path.read_text())
        network = {key: config[key] for key in ("variant", "scale")}
        check_variant_and_scale(**network)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: not the config.json of a training run ({error}).") from error
    return {**network, "kernel_sizes": config.get("kernel_sizes")}


def _network_of_size(path: Path) -> dict:
    import h5py

    from .pytorch import official_tensors

    sizes = []
    try:
        with h5py.File(path) as file:
            file["layers"].visititems(lambda _, node: sizes.append(getattr(node, "size", 0)))
    except (OSError, KeyError, RuntimeError) as error:
        raise damaged_file(path, KIND, error) from error
    for variant in VARIANTS:
        for scale in SCALES:
            shapes = [tensor.shape for tensor in official_tensors(variant, scale).values()]
            if sum(map(math.prod, shapes)) == sum(sizes):
                return {"variant": variant, "scale": scale}
    raise InputError(
        f"{path}: its {sum(sizes)} weights are those of no published network; "
        "put the config.json of its training run beside it."
    )
