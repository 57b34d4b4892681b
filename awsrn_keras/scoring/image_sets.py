"""The sets of HR and LR pictures that scores are taken on."""

import functools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..data import PairBank, load_pairs
from ..data.degradations import degraded_bank
from ..errors import InputError

_SSIM_WINDOW = 11


class ImageSet(NamedTuple):
    """Pictures that are scored together, under the name that the table shows."""

    name: str
    pairs: PairBank

    def image_names(self) -> list[str]:
        return [Path(name).name for name in self.pairs.names]

    def degraded(self, condition: str) -> "ImageSet":
        """The set under a condition of `degraded_image`, which its name then tells."""
        if condition == "clean":
            return self
        return ImageSet(f"{self.name} {condition}", degraded_bank(self.pairs, condition))


def least_side(scale: int) -> int:
    """Shorter side of the smallest HR picture that can be scored, pixels.

    SSIM's window must fit into what is left without `scale` pixels at each side.
    """
    return _SSIM_WINDOW + 2 * scale


def load_image_sets(data: Iterable[str], scale: int) -> list[ImageSet]:
    """The image sets of each item of `data`.

    An item is "sample" or "div2k" (the validation pictures of each) or a folder: of HR
    pictures, LR made from them; above `DIV2K_valid_HR`, whose first five pictures are scored
    as in the paper; holding `HR` and perhaps `LR`; a benchmark such as Set5
    with `x2/HR` and `x2/LR` inside; or a folder of benchmarks. Without an `x8`, a benchmark
    is scored at x8 on the HR pictures of its `x2`, cropped to multiples of 8.

    Raises:
        InputError: A folder is missing, has no pictures or none of this scale, or a picture
            is damaged, too small, or of the wrong size.
    """
    load = functools.partial(load_pairs, least_side=least_side(scale))
    sets = []
    for item in dict.fromkeys(data):
        if item in ("sample", "div2k"):
            sets.append(ImageSet(item, load(item, scale, "validation")))
            continue
        if not Path(item).is_dir():
            raise InputError(
                f"{item}: no such folder; name one of HR images, or a benchmark with "
                f"x{scale}/HR and x{scale}/LR inside (docs/results.md tells where to get them)."
            )
        for hr, lr in _folders(Path(item), scale):
            name = _name(hr)
            if name in [image_set.name for image_set in sets]:
                name = str(hr)
            sets.append(ImageSet(name, load([hr], scale, "validation", lr)))
    return sets


def _folders(folder: Path, scale: int) -> list[tuple[Path, Path | None]]:
    """HR and LR folder of each set in `folder`; no LR folder: LR is made from HR."""
    for inner in (folder / f"x{scale}", folder):
        if (inner / "HR").is_dir():
            lr = inner / "LR"
            return [(inner / "HR", lr if lr.is_dir() else None)]
    scales = _scales(folder)
    if scale == 8 and 2 in scales:
        return [(folder / "x2/HR", None)]
    if scales:
        raise InputError(
            f"{folder}: has pictures of scale {', '.join(map(str, scales))}, not {scale}: "
            f"add {folder}/x{scale}/HR, or name a folder of HR pictures to have LR ones made."
        )
    benchmarks = [path for path in sorted(folder.glob("*/")) if _scales(path)]
    return [pair for path in benchmarks for pair in _folders(path, scale)] or [(folder, None)]


def _scales(folder: Path) -> list[int]:
    return sorted(int(path.parent.name[1:]) for path in folder.glob("x[0-9]/HR/"))


def _name(folder: Path) -> str:
    """What a person calls the set: Set5 for Set5/x2/HR."""
    folder = folder.absolute()
    while re.fullmatch(r"HR|x\d", folder.name):
        folder = folder.parent
    return folder.name
