"""AWSRN with fewer AWMS branches, and what each branch is worth."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from .counts import multiply_adds
from .fusion import fuse
from .model import AWSRN


def prune_branches(model: AWSRN, keep: Iterable[int] = (3, 5, 7)) -> AWSRN:
    """A new network with only the AWMS branches of the kernel sizes in `keep`.

    All other weights are those of `model`, which is left as it is. The output loses what the
    dropped branches contributed; a short training (`training/fit.py --init`) recovers most of it.

    Raises:
        ValueError: `keep` is empty or names a branch that `model` does not have.
    """
    keep = tuple(keep)
    unknown = [size for size in keep if size not in model.kernel_sizes]
    if unknown or not keep:
        raise ValueError(f"keep must be some of {model.kernel_sizes}, got {keep}.")
    keep = tuple(size for size in model.kernel_sizes if size in keep)
    pruned = AWSRN.from_config({**model.get_config(), "kernel_sizes": keep})
    weights = {_path(variable, model): variable for variable in model.variables}
    for variable in pruned.variables:
        variable.assign(weights[_path(variable, pruned)])
    return pruned


def _path(variable: keras.Variable, model: AWSRN) -> str:
    return variable.path.removeprefix(f"{model.name}/")


@dataclass(frozen=True)
class BranchWorth:
    """What one AWMS branch adds, and what leaving it out saves.

    Attributes:
        kernel_size: Of the branch.
        alpha: Its learned weight, which alone says little: the kernel has a scale of its own.
        strength: |alpha| * ||kernel||, relative to the sum over the branches.
        psnr_loss: dB lost without it.
        saved: Multiply-adds saved, as a part of the network's.
        saved_fused: The same of the fused graph, where only the largest kernel counts.
    """

    kernel_size: int
    alpha: float
    strength: float
    psnr_loss: float
    saved: float
    saved_fused: float


def branch_worth(model: AWSRN, measure: Callable[[AWSRN], float]) -> list[BranchWorth]:
    """Leave out each AWMS branch in turn.

    Args:
        model: A network with at least two branches.
        measure: Gives the PSNR of a network, dB.
    """
    sizes = model.kernel_sizes
    strengths = _strengths(model)
    psnr = measure(model)
    rows = []
    for index, size in enumerate(sizes):
        pruned = prune_branches(model, sizes[:index] + sizes[index + 1 :])
        rows.append(
            BranchWorth(
                kernel_size=size,
                alpha=float(model.get_layer("awms").alphas[index].value),
                strength=strengths[index] / sum(strengths),
                psnr_loss=psnr - measure(pruned),
                saved=1 - multiply_adds(pruned) / multiply_adds(model),
                saved_fused=1 - multiply_adds(fuse(pruned)) / multiply_adds(fuse(model)),
            )
        )
    return rows


def _strengths(model: AWSRN) -> list[float]:
    awms = model.get_layer("awms")
    return [
        abs(float(alpha.value)) * float(np.linalg.norm(ops.convert_to_numpy(branch.kernel)))
        for alpha, branch in zip(awms.alphas, awms.branches, strict=True)
    ]
