"""A network from whatever names one: preset, run folder, file of Keras or of the official code."""

import json
import math
import os
import shutil
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np

from ..errors import InputError, damaged_file
from ..files import replacing
from .model import AWSRN, build_model
from .official import from_official, official_tensors, to_official
from .presets import presets
from .tensor_files import CHECKPOINT_SUFFIXES, read_tensors, write_tensors
from .variants import SCALES, VARIANTS, check_variant_and_scale

KIND = "a model of this project"


def load_model(model: str | os.PathLike) -> AWSRN:
    """The network that MODEL names in every command.

    It is not compiled; `keras.saving.load_model` also gives back the optimizer of a `.keras` file.

    Args:
        model: A preset name, a run folder of `training/fit.py`, a `.keras` file, a
            `.weights.h5` file (its network is in the `config.json` beside it, or else is
            found from the number of its weights), or a checkpoint that `from_pytorch` reads.

    Raises:
        InputError: None of these, the file is missing or damaged, or Keras runs on another
            backend than TensorFlow or JAX.
    """
    if str(model) in presets():
        return AWSRN.from_preset(str(model))
    path = Path(model)
    loaded = _load_run(path) if path.is_dir() else _load_file(path)
    for variable in loaded.variables:
        if not np.isfinite(np.asarray(variable.value)).all():
            raise InputError(f"{path}: {variable.path} holds NaN or infinity; use another model.")
    return loaded


def save_weights(model: keras.Model, path: str | os.PathLike) -> None:
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


def _load_file(path: Path) -> AWSRN:
    if not path.is_file():
        raise InputError(
            f"{path}: no such model; give a preset ({', '.join(presets())}), a run folder, "
            "or a .keras, .weights.h5, .pt, .npz or .safetensors file."
        )
    if path.suffix == ".keras":
        return _load_keras(path)
    if path.name.endswith(".weights.h5"):
        return _load_weights(path)
    if path.suffix in CHECKPOINT_SUFFIXES:
        return from_pytorch(path)
    known = ", ".join((".keras", ".weights.h5", *CHECKPOINT_SUFFIXES))
    raise InputError(f"{path}: a model file ends in one of {known}.")


def _load_run(folder: Path) -> AWSRN:
    for name, load in (("model.keras", _load_keras), ("best.weights.h5", _load_weights)):
        if (folder / name).is_file():
            return load(folder / name)
    raise InputError(f"{folder}: holds neither model.keras nor best.weights.h5 of a training run.")


def _load_keras(path: Path) -> AWSRN:
    _check_class(path)
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except InputError:
        raise
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


def _load_weights(path: Path) -> AWSRN:
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


def from_pytorch(path: str | os.PathLike) -> AWSRN:
    """Rebuild the network of a checkpoint; its variant, scale and branches follow from the tensors.

    Args:
        path: A `.pt`, `.pth` or `.ckpt` file of the official code or of another training of its
            network (read with `weights_only=True`, so nothing in it is executed; needs torch),
            a `.npz` of the same names, or a `.safetensors` file (needs safetensors).

    Raises:
        InputError: The file is missing, damaged or of another kind, or a tensor is unknown,
            missing, of another shape, or not finite; the message names it.
    """
    return build_model(read_tensors(path), path)


def save_pytorch(model: AWSRN, path: str | os.PathLike) -> None:
    """Write a network for the official PyTorch code, verified before `path` appears.

    The file holds its tensors as float32 under their official names: the official network loads
    them by `load_state_dict(torch.load(path))` and gives the same output. The official code has
    no network for awsrn_nano and pruned branches; their files are for `from_pytorch`.

    Args:
        model: An `AWSRN`; a fused graph has no weight norm and no branches any more.
        path: `.pt` (needs torch) or `.npz`.

    Raises:
        InputError: `path` has another suffix, torch is not installed, or a weight is not finite.
        ValueError: `model` is not an AWSRN.
    """
    if Path(path).suffix not in (".pt", ".pth", ".npz"):
        raise InputError(f"{path}: name the output *.pt or *.npz.")
    tensors = official_weights(model)
    from_official(tensors, model.name)
    with replacing(path) as temporary:
        write_tensors(tensors, temporary)
        _check_same(tensors, official_weights(from_pytorch(temporary)))


def import_checkpoint(path: str | os.PathLike, output: str | os.PathLike) -> AWSRN:
    """Convert a checkpoint to `.keras` or `.weights.h5`, verified before `output` appears.

    The rebuilt model, and the saved file loaded again, must give back every tensor bit for
    bit, and the loaded one the same picture to 1e-3 of 255.

    Raises:
        InputError: As `from_pytorch`, or `output` has another suffix.
    """
    if not str(output).endswith((".keras", ".weights.h5")):
        raise InputError(f"{output}: name the output *.keras or *.weights.h5.")
    tensors = read_tensors(path)
    model = build_model(tensors, path)
    _check_same(tensors, official_weights(model))
    with replacing(output) as temporary:
        if temporary.suffix == ".keras":
            model.save(temporary)
        else:
            save_weights(model, temporary)
        reloaded = load_model(temporary)
        _check_same(tensors, official_weights(reloaded))
        image = np.random.default_rng(0).uniform(0, 255, (1, 9, 11, 3)).astype("float32")
        difference = np.abs(np.asarray(reloaded(image)) - np.asarray(model(image))).max()
        if not difference < 1e-3:
            raise RuntimeError(f"{output}: reloaded, it differs by {difference} of 255.")
    return model


def _check_same(tensors: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> None:
    changed = [name for name in tensors if not np.array_equal(tensors[name], others[name])]
    if changed:
        raise RuntimeError(f"Tensor {changed[0]!r} changed on the way.")


def official_weights(model: AWSRN) -> dict[str, np.ndarray]:
    """The model's weights under the official names, in the official layout, float32.

    Raises:
        ValueError: `model` is not an AWSRN.
    """
    if not isinstance(model, AWSRN):
        name = getattr(model, "name", model)
        raise ValueError(f"{name} is not an AWSRN: only that has weights of the official code.")
    weights = {v.path: np.asarray(v.value, "float32") for v in model.variables}
    return to_official(model.variant, model.scale, model.kernel_sizes, weights)
