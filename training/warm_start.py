"""Starting a network from the weights of another one."""

from dataclasses import replace

import numpy as np
from keras import ops

from awsrn_keras.errors import InputError
from awsrn_keras.network.layers import AWRU, WeightNormConv2D
from awsrn_keras.network.model import AWSRN
from awsrn_keras.network.variants import VARIANTS


def copy_weights(source: AWSRN, target: AWSRN) -> None:
    """Copy all weights that both networks have in common.

    Networks of different scales share all but tail and skip. A network with more blocks than
    `source` computes the same as `source` at first: the blocks that it has more follow those
    that are copied, with `lambda_res` 0, which lets features through as they are. So does
    awsrn_m or awsrn that takes over awsrn_sd, whose block becomes its first two.

    Raises:
        InputError: The blocks of the networks are not alike, `source` has more of them, or
            networks of one scale have other AWMS branches.
    """
    old, new = VARIANTS[source.variant], VARIANTS[target.variant]
    same_scale = source.scale == target.scale
    if same_scale and source.kernel_sizes != target.kernel_sizes:
        raise InputError(
            f"--init has AWMS branches of {source.kernel_sizes}, not of {target.kernel_sizes}: "
            "choose another."
        )
    if replace(old, blocks=new.blocks) == new and old.blocks <= new.blocks:
        blocks = [f"lfb_{block + 1}" for block in range(old.blocks)]
        _copy_layers(source, target, ["head", *blocks, *(["awms", "skip"] if same_scale else [])])
        taken = old.blocks
    elif new.blocks > 1 and new == replace(
        old, filters=2 * old.filters, units=old.units // 2, blocks=new.blocks
    ):
        _copy_split(source, target)
        taken = 2
    else:
        raise InputError(
            f"--init holds {source.variant}, whose blocks do not fit into {target.variant}: "
            "choose another."
        )
    for block in range(taken, new.blocks):
        target.get_layer(f"lfb_{block + 1}").lambda_res.assign(0.0)


def set_convolution(
    layer: WeightNormConv2D, kernel: np.ndarray, bias: np.ndarray, length: float | None = None
) -> None:
    """Give a layer this kernel; filters of zeros keep the direction of their `v`, with gain 0.

    Args:
        length: Norm of every filter's `v`, by which a step of the optimizer turns it the less
            the longer it is; that of the kernel if absent.
    """
    gains = _norms(kernel)
    v = np.where(gains > 0, kernel, ops.convert_to_numpy(layer.v))
    layer.v.assign(v if length is None else v * (length / _norms(v)))
    layer.g.assign(gains)
    layer.bias.assign(bias)


def _copy_layers(source: AWSRN, target: AWSRN, names: list[str]) -> None:
    for name in names:
        target.get_layer(name).set_weights(source.get_layer(name).get_weights())


def _copy_split(source: AWSRN, target: AWSRN) -> None:
    """Split the one block of `source` over two blocks with half as many units, twice as wide.

    The first half of the wider features goes through all units. The second half gathers the sum
    that ends the block of `source`: it begins as the block's input, and each of the two
    blocks adds what its units give.
    """
    block = source.get_layer("lfb_1")
    n, units = block.filters, len(block.units) // 2
    chain, gathered = slice(n), slice(n, 2 * n)

    head = _Convolution(source.get_layer("head"))
    both = [1.0, float(block.lambda_x)]
    head.write(
        target.get_layer("head"),
        np.concatenate([factor * head.kernel for factor in both], axis=-1),
        np.concatenate([factor * head.bias for factor in both]),
    )
    old_fusion = _Convolution(block.fusion)
    fusion = float(block.lambda_res) * old_fusion.kernel.reshape(3, 3, 2, units, n, n)
    for half in (0, 1):
        wide, bias = np.zeros((3, 3, units, 2 * n, 2 * n)), np.zeros(2 * n)
        wide[:, :, :, chain, gathered] = fusion[:, :, half]
        if half == 0:
            bias[gathered] = float(block.lambda_res) * old_fusion.bias
            # The units of the second block go on from the last one of the first: that one less
            # the input, which the first unit passes on in `gathered` and this block's skip adds.
            wide[1, 1, -1, chain, chain] = np.eye(n)
            passed_on = float(block.lambda_x) * float(block.units[0].lambda_x)
            wide[1, 1, 0, gathered, chain] = -np.eye(n) / passed_on
        new = target.get_layer(f"lfb_{half + 1}")
        old_fusion.write(new.fusion, wide.reshape(3, 3, -1, 2 * n), bias)
        for old_unit, unit in zip(block.units[half * units :], new.units, strict=False):
            _copy_unit(old_unit, unit)
    if source.scale == target.scale:
        _copy_layers(source, target, ["skip"])
        old_tail, tail = source.get_layer("awms"), target.get_layer("awms")
        for old_alpha, alpha in zip(old_tail.alphas, tail.alphas, strict=True):
            alpha.assign(old_alpha)
        for old_branch, branch in zip(old_tail.branches, tail.branches, strict=True):
            old = _Convolution(old_branch)
            old.write(branch, np.concatenate([0 * old.kernel, old.kernel], axis=2), old.bias)


def _copy_unit(source: AWRU, target: AWRU) -> None:
    """Make a unit do on the first half of its channels what `source` does; none on the others."""
    target.lambda_res.assign(source.lambda_res)
    target.lambda_x.assign(source.lambda_x)
    expand, reduce = _Convolution(source.expand), _Convolution(source.reduce)
    wide = np.concatenate([expand.kernel, 0 * expand.kernel], axis=2)
    expand.write(target.expand, wide, expand.bias)
    wide = np.concatenate([reduce.kernel, 0 * reduce.kernel], axis=3)
    reduce.write(target.reduce, wide, np.concatenate([reduce.bias, 0 * reduce.bias]))


class _Convolution:
    """A trained convolution in float64, of which a wider one is made.

    That one's `v` are as long as here, so that it learns at the same pace.
    """

    def __init__(self, layer: WeightNormConv2D) -> None:
        values = (layer.kernel, layer.bias, layer.v)
        self.kernel, self.bias, v = (
            ops.convert_to_numpy(value).astype("float64") for value in values
        )
        self.length = float(np.mean(_norms(v)))

    def write(self, layer: WeightNormConv2D, kernel: np.ndarray, bias: np.ndarray) -> None:
        set_convolution(layer, kernel, bias, self.length)


def _norms(v: np.ndarray) -> np.ndarray:
    """Of each filter."""
    return np.sqrt(np.sum(np.square(v), axis=(0, 1, 2)))
