"""Where image pairs come from: the photographs in two wheels, DIV2K, or folders."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from ..errors import InputError
from ..pictures import survey
from ..progress import with_progress
from .bank import PairBank, cached_bank
from .div2k import load_div2k
from .pairs import PairFiles, read_pairs

Split = Literal["train", "validation"]

# Photographs (one of them through a microscope) in the wheels themselves, not those that
# scikit-image would download. The two motorcycles are a stereo pair: never split them.
_SAMPLE = {
    "train": [
        "skimage/data/astronaut.png",
        "skimage/data/coffee.png",
        "skimage/data/ihc.png",
        "skimage/data/motorcycle_left.png",
        "skimage/data/motorcycle_right.png",
        "skimage/data/rocket.jpg",
        "sklearn/datasets/images/china.jpg",
    ],
    "validation": ["skimage/data/chelsea.png", "sklearn/datasets/images/flower.jpg"],
}
_DIV2K_FOLDERS = {"train": "DIV2K_train_HR", "validation": "DIV2K_valid_HR"}
_DIV2K_VALIDATION = 5  # images 0801-0805, as in the paper
_NAMED = 6  # images that a message names


def load_pairs(
    data: str | os.PathLike | Sequence[str | os.PathLike],
    scale: int,
    split: Split = "train",
    lr_dir: str | os.PathLike | None = None,
    cache_dir: str | os.PathLike | None = None,
    least_side: int = 1,
    strict: bool = True,
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
        lr_dir: LR images of the folders, of the very name of the HR image, or else one of
            `NAME.*` and `NAMEx2.*` for `NAME.*` at scale 2; made with `imresize` where no LR
            images are known.
        cache_dir: Folder for the decoded pixels; default `$AWSRN_CACHE`, else
            `~/.cache/awsrn_keras`.
        least_side: Shorter side that an HR image must have, pixels.
        strict: Whether a damaged or too small image is an error. Otherwise those are left out
            and named in one line on stderr.

    Raises:
        InputError: A folder is missing or empty, an image damaged or too small (unless others
            remain and not `strict`), an LR image of the wrong size, missing or ambiguous, or a
            source is not available here.
    """
    if split not in _DIV2K_FOLDERS:
        raise ValueError(f"Unknown split {split!r}: choose 'train' or 'validation'.")
    folders = [data] if isinstance(data, (str, os.PathLike)) else list(data)
    if folders in (["sample"], ["div2k"]) and lr_dir is not None:
        raise InputError(f"{lr_dir}: LR images can be given for folders only, not for {data}.")
    if not folders:
        raise InputError("No folder of images given.")
    if folders == ["sample"]:
        bank = PairBank.from_pairs(read_pairs(_sample_files(split), scale), scale)
    elif folders == ["div2k"]:
        bank = load_div2k(scale, split, cache_dir)
    else:
        bank = _load_folders([Path(folder) for folder in folders], scale, split, lr_dir, cache_dir)
    return _usable(bank, least_side, strict)


def held_out(data: Sequence[str | os.PathLike]) -> tuple[str | os.PathLike, ...]:
    """The sources of `data` that have a validation part of their own, or else "sample".

    These are "sample", "div2k" and folders above `DIV2K_valid_HR`.
    """
    validation = _DIV2K_FOLDERS["validation"]
    own = (item for item in data if item in ("sample", "div2k") or Path(item, validation).is_dir())
    return tuple(own) or ("sample",)


def _usable(bank: PairBank, least_side: int, strict: bool) -> PairBank:
    """The images that are large enough; about all that are not used, a line or an error."""
    sizes = [tuple(side * bank.scale for side in bank.lr_size(i)) for i in range(len(bank))]
    kept = [i for i, size in enumerate(sizes) if min(size) >= least_side]
    small = sorted(set(range(len(bank))) - set(kept), key=lambda i: -min(sizes[i]))
    faults = list(bank.left_out)
    for i in small:
        height, width = sizes[i]
        least = f"{least_side}x{least_side} is the least"
        faults.append(f"{bank.names[i]}: {width}x{height} pixels are too few, {least}")
    if not faults:
        return bank
    named = "; ".join(faults[:_NAMED])
    if len(faults) > _NAMED:
        named += f"; and {len(faults) - _NAMED} more"
    if strict:
        raise InputError(f"{named}: remove {'it' if len(faults) == 1 else 'them'}.")
    if not kept:
        raise InputError(
            f"{named}; no image is left: give larger ones or train on smaller patches."
        )
    total = len(bank) + len(bank.left_out)
    print(f"Left out {len(faults)} of {total} images: {named}", file=sys.stderr)
    return bank.only(kept)


def _sample_files(split: Split) -> list[PairFiles]:
    files = []
    for name in _SAMPLE[split]:
        package, _, inside = name.partition("/")
        spec = find_spec(package)  # finds the folder without importing the package
        if spec is None or not spec.origin:
            raise InputError(
                "The sample photographs are inside scikit-image and scikit-learn: "
                "pip install scikit-image scikit-learn, or give a folder of images."
            )
        files.append(PairFiles(Path(spec.origin).parent / inside, None))
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
    _check_pairs(files)
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
    hr_paths = survey(hr_folder).images
    if lr_folder is None:
        return [PairFiles(path, None) for path in hr_paths]
    if (lr_folder / f"X{scale}").is_dir():
        lr_folder = lr_folder / f"X{scale}"
    by_stem = defaultdict(list)
    for path in survey(lr_folder).images:
        by_stem[str(path.relative_to(lr_folder).with_suffix(""))].append(path)
    files = []
    for path in hr_paths:
        name = path.relative_to(hr_folder)
        stem = str(name.with_suffix(""))
        found = by_stem[stem] + by_stem[f"{stem}x{scale}"]
        if lr_folder / name in found:
            found = [lr_folder / name]
        if not found:
            raise InputError(
                f"{path}: no LR image {stem}.png or {stem}x{scale}.png in {lr_folder}: "
                "add it or remove the HR image."
            )
        if len(found) > 1:
            raise InputError(
                f"{path}: its LR image may be {found[0]} or {found[1]}: give it the very name of "
                "the HR image, or remove the others."
            )
        files.append(PairFiles(path, found[0]))
    return files


def _check_pairs(files: list[PairFiles]) -> None:
    """Raise an `InputError` if two HR images have the same LR image."""
    taken: dict[Path, Path] = {}
    for hr, lr in files:
        if lr is not None and taken.setdefault(lr, hr) != hr:
            raise InputError(
                f"{lr}: may be the LR image of {taken[lr]} or of {hr}: give each its own, of the "
                "very name of the HR image."
            )
