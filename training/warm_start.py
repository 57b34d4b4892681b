"""Starting a network from the weights of another one."""

from dataclasses import replace

import numpy as np
from keras import ops

from awsrn_keras.errors import InputError
from awsrn_keras.layers import AWRU, WeightNormConv2D
from awsrn_keras.model import AWSRN
from awsrn_keras.variants import VARIANTS


def copy_weights(source: AWSRN, target: AWSRN) -> None:
    """Copy all weights that both networks have in common.

    Networks of different scales share all but tail and skip. A network with more blocks than
    `source` computes the same as `source` at first: the blocks that it has more follow those
    that are copied, with `lambda_res` 0, which lets features through as they are. So does
    awsrn_m or awsrn that takes over awsrn_sd, whose block becomes its first two.

    Raises:
        InputError: The blocks of the networks are not alike, or `source` has more of them.
    """
    old, new = VARIANTS[source.variant], VARIANTS[target.variant]
    if replace(old, blocks=new.blocks) == new and old.blocks <= new.blocks:
        names = [layer.name for layer in source.layers]
        _copy_layers(source, target, [name for name in names if source.get_layer(name).weights])
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


def set_convolution(layer: WeightNormConv2D, kernel: np.ndarray, bias: np.ndarray) -> None:
    """Give a layer this kernel; filters of zeros keep their direction `v`, with gain 0."""
    norms = np.sqrt(np.sum(np.square(kernel), axis=(0, 1, 2)))
    layer.v.assign(np.where(norms > 0, kernel, ops.convert_to_numpy(layer.v)))
    layer.g.assign(norms)
    layer.bias.assign(bias)


def _copy_layers(source: AWSRN, target: AWSRN, names: list[str]) -> None:
    """Those of the layers that have the same shapes in both."""
    for name in names:
        weights, layer = source.get_layer(name).get_weights(), target.get_layer(name)
        if [w.shape for w in weights] == [w.shape for w in layer.weights]:
            layer.set_weights(weights)


def _copy_split(source: AWSRN, target: AWSRN) -> None:
    """Split the one block of `source` over two blocks with half as many units, twice as wide.

    The first half of the wider features goes through all units. The second half gathers the sum
    that ends the block of `source`: it begins as the block's input, and each of the two
    blocks adds what its units give.
    """
    block = source.get_layer("lfb_1")
    n, units = block.filters, len(block.units) // 2
    chain, gathered = slice(n), slice(n, 2 * n)

    kernel, bias = _weights(source.get_layer("head"))
    both = [1.0, float(block.lambda_x)]
    set_convolution(
        target.get_layer("head"),
        np.concatenate([factor * kernel for factor in both], axis=-1),
        np.concatenate([factor * bias for factor in both]),
    )
    fusion, fusion_bias = _weights(block.fusion)
    fusion = float(block.lambda_res) * fusion.reshape(3, 3, 2, units, n, n)
    for half in (0, 1):
        wide, bias = np.zeros((3, 3, units, 2 * n, 2 * n)), np.zeros(2 * n)
        wide[:, :, :, chain, gathered] = fusion[:, :, half]
        if half == 0:
            bias[gathered] = float(block.lambda_res) * fusion_bias
            # The units of the second block go on from the last one of the first: that one less
            # the input, which the first unit passes on in `gathered` and this block's skip adds.
            wide[1, 1, -1, chain, chain] = np.eye(n)
            passed_on = float(block.lambda_x) * float(block.units[0].lambda_x)
            wide[1, 1, 0, gathered, chain] = -np.eye(n) / passed_on
        new = target.get_layer(f"lfb_{half + 1}")
        set_convolution(new.fusion, wide.reshape(3, 3, -1, 2 * n), bias)
        for old_unit, unit in zip(block.units[half * units :], new.units, strict=False):
            _copy_unit(old_unit, unit)
    if source.scale == target.scale:
        _copy_layers(source, target, ["skip"])
        old_tail, tail = source.get_layer("awms"), target.get_layer("awms")
        for old_alpha, alpha in zip(old_tail.alphas, tail.alphas, strict=True):
            alpha.assign(old_alpha)
        for old_branch, branch in zip(old_tail.branches, tail.branches, strict=True):
            kernel, bias = _weights(old_branch)
            set_convolution(branch, np.concatenate([0 * kernel, kernel], axis=2), bias)


def _copy_unit(source: AWRU, target: AWRU) -> None:
    """Make a unit do on the first half of its channels what `source` does; none on the others."""
    target.lambda_res.assign(source.lambda_res)
    target.lambda_x.assign(source.lambda_x)
    kernel, bias = _weights(source.expand)
    set_convolution(target.expand, np.concatenate([kernel, 0 * kernel], axis=2), bias)
    kernel, bias = _weights(source.reduce)
    wide = np.concatenate([kernel, 0 * kernel], axis=3)
    set_convolution(target.reduce, wide, np.concatenate([bias, 0 * bias]))


def _weights(layer: WeightNormConv2D) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias, float64."""
    return tuple(
        ops.convert_to_numpy(value).astype("float64") for value in (layer.kernel, layer.bias)
    )
