"""Where image pairs come from: the photographs in two wheels, DIV2K, or folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ..errors import InputError
from ..pictures import find_images
from ..progress import with_progress
from .bank import PairBank, cached_bank
from .div2k import load_div2k
from .pairs import PairFiles, read_pairs

Split = Literal["train", "validation"]

# Photographs (one of them through a microscope) in the wheels themselves, not those that
# scikit-image would download. The two motorcycles are a stereo pair: never split them.
_SAMPLE = {
    "train": {
        "skimage": (
            "astronaut.png",
            "coffee.png",
            "ihc.png",
            "motorcycle_left.png",
            "motorcycle_right.png",
            "rocket.jpg",
        ),
        "sklearn": ("china.jpg",),
    },
    "validation": {"skimage": ("chelsea.png",), "sklearn": ("flower.jpg",)},
}
_SAMPLE_FOLDERS = {"skimage": "data", "sklearn": "datasets/images"}
_DIV2K_FOLDERS = {"train": "DIV2K_train_HR", "validation": "DIV2K_valid_HR"}
_DIV2K_VALIDATION = 5  # images 0801-0805, as in the paper


def load_pairs(
    data: str | os.PathLike | Sequence[str | os.PathLike],
    scale: int,
    split: Split = "train",
    lr_dir: str | os.PathLike | None = None,
    cache_dir: str | os.PathLike | None = None,
) -> PairBank:
    """Decoded LR and HR images of a source, ready to be cropped or scored.

    Args:
        data: "sample" (the photographs inside the scikit-image and scikit-learn wheels),
            "div2k" (through tensorflow-datasets, which downloads it once), or one or more
            folders of HR images. A folder in DIV2K's layout, `*_HR` beside
            `*_LR_bicubic/X2`, brings its LR images along; so does the folder above
            `DIV2K_train_HR` and `DIV2K_valid_HR`.
        scale: HR side / LR side. HR images are cropped from the top left to multiples of it.
        split: "train" or "validation". Of folders both are all images, except of the folder
            above `DIV2K_train_HR` and `DIV2K_valid_HR`.
        lr_dir: LR images of the folders, `NAME.*` or `NAMEx2.*` for `NAME.*` at scale 2;
            made with `imresize` where no LR images are known.
        cache_dir: Folder for the decoded pixels; default `$AWSRN_CACHE`, else
            `~/.cache/awsrn_keras`.

    Raises:
        InputError: A folder is missing or empty, an image damaged, too small or of the
            wrong size, or a source is not available here.
    """
    if split not in _DIV2K_FOLDERS:
        raise ValueError(f"Unknown split {split!r}: choose 'train' or 'validation'.")
    folders = [data] if isinstance(data, (str, os.PathLike)) else list(data)
    if folders in (["sample"], ["div2k"]) and lr_dir is not None:
        raise InputError(f"{lr_dir}: LR images can be given for folders only, not for {data}.")
    if folders == ["sample"]:
        files = _sample_files(split)
        return PairBank.from_pairs(read_pairs(files, scale), scale)
    if folders == ["div2k"]:
        return load_div2k(scale, split, cache_dir)
    if not folders:
        raise InputError("No folder of images given.")
    return _load_folders([Path(folder) for folder in folders], scale, split, lr_dir, cache_dir)


def _sample_files(split: Split) -> list[PairFiles]:
    files = []
    for package, names in _SAMPLE[split].items():
        spec = find_spec(package)  # finds the folder without importing the package
        if spec is None:
            raise InputError(
                "The sample photographs are inside scikit-image and scikit-learn: "
                "pip install scikit-image scikit-learn, or give a folder of images."
            )
        folder = Path(spec.submodule_search_locations[0]) / _SAMPLE_FOLDERS[package]
        files += [PairFiles(folder / name, None) for name in names]
    return files


def _load_folders(
    folders: list[Path],
    scale: int,
    split: Split,
    lr_dir: str | os.PathLike | None,
    cache_dir: str | os.PathLike | None,
) -> PairBank:
    files = []
    for folder in folders:
        hr_folder, most = _hr_folder(folder, split)
        lr_folder = _lr_folder(hr_folder, scale) if lr_dir is None else Path(lr_dir)
        files += _pair_files(hr_folder, lr_folder, scale)[:most]
    place = [str(path.absolute()) for path in [*folders, *([Path(lr_dir)] if lr_dir else [])]]
    return cached_bank(
        f"{folders[0].absolute().name}_{split}_x{scale}",
        place,
        [path for pair in files for path in pair if path is not None],
        lambda: with_progress(read_pairs(files, scale), len(files), "Decoding images"),
        scale,
        cache_dir,
    )


def _hr_folder(folder: Path, split: Split) -> tuple[Path, int | None]:
    """Where the HR images are, and how many of them to take (None: all)."""
    if not any((folder / name).is_dir() for name in _DIV2K_FOLDERS.values()):
        return folder, None
    inner = folder / _DIV2K_FOLDERS[split]
    if not inner.is_dir():
        raise InputError(f"{inner}: no such folder: unpack {inner.name}.zip there.")
    return inner, _DIV2K_VALIDATION if split == "validation" else None


def _lr_folder(hr_folder: Path, scale: int) -> Path | None:
    """The LR images beside a folder in DIV2K's layout, or None."""
    hr_folder = hr_folder.absolute()
    if not hr_folder.name.endswith("_HR"):
        return None
    stem = hr_folder.name.removesuffix("HR")
    beside = [f"{stem}LR_bicubic/X{scale}", f"{stem}LR_x{scale}"]  # the second one for x8
    return next((hr_folder.parent / p for p in beside if (hr_folder.parent / p).is_dir()), None)


def _pair_files(hr_folder: Path, lr_folder: Path | None, scale: int) -> list[PairFiles]:
    hr_paths = find_images(hr_folder)
    if lr_folder is None:
        return [PairFiles(path, None) for path in hr_paths]
    if (lr_folder / f"X{scale}").is_dir():
        lr_folder = lr_folder / f"X{scale}"
    lr_paths = {str(p.relative_to(lr_folder).with_suffix("")): p for p in find_images(lr_folder)}
    files = []
    for path in hr_paths:
        name = str(path.relative_to(hr_folder).with_suffix(""))
        lr_path = lr_paths.get(f"{name}x{scale}") or lr_paths.get(name)
        if lr_path is None:
            raise InputError(
                f"{path}: no LR image {name}.png or {name}x{scale}.png in {lr_folder}: "
                "add it or remove the HR image."
            )
        files.append(PairFiles(path, lr_path))
    return files
