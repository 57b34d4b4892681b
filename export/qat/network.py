"""A fused network in tf_keras whose numbers are rounded to 8 bits as TFLite rounds them.

Kernels are rounded per output channel with tensorflow-model-optimization's quantiser, whose
ranges follow the kernels in training. Activations keep the ranges of the calibration: then
tensors that meet in one concatenation have one scale, as TFLite demands, and the pixels at
both ends are exactly 0..255 in steps of 1.
"""

import tensorflow as tf
import tf_keras as keras
from tensorflow_model_optimization.quantization.keras import QuantizeConfig, QuantizeWrapperV2
from tensorflow_model_optimization.quantization.keras.quantizers import (
    FixedQuantizer,
    LastValueQuantizer,
)

from export.fused_graph import Node

_PIXELS = (0.0, 255.0)


def build(nodes: list[Node], rounded: bool = False) -> keras.Model:
    """Rebuild the network.

    Args:
        nodes: Of `describe`. With `rounded`, of a network with one convolution for tail and
            skip, and with ranges.
        rounded: Round kernels and activations to 8 bits.

    Returns:
        A model from pixels to pixels. Rounded, it gives whole numbers 0..255.
    """
    image = keras.Input((None, None, 3), name="image")
    values = {nodes[0].name: _rounded_pixels(image, "pixels_in") if rounded else image}
    read_by = {source: node.kind for node in nodes for source in node.inputs}
    for node in nodes[1:]:
        inputs = [values[name] for name in node.inputs]
        layer = _layer(node)
        if rounded and node.kind != "depth_to_space":
            followed_by = read_by.get(node.name)
            layer = QuantizeWrapperV2(layer, _Rounding(_output_range(node, followed_by)))
        values[node.name] = layer(inputs[0] if len(inputs) == 1 else inputs)
    return keras.Model(image, values[nodes[-1].name])


def _layer(node: Node) -> keras.layers.Layer:
    if node.kind == "conv":
        size, _, channels, filters = node.weights[0].shape
        conv = keras.layers.Conv2D(filters, size, padding="same", name=node.name)
        conv.build((None, None, None, channels))
        conv.set_weights(node.weights)
        return conv
    if node.kind == "relu":
        return keras.layers.ReLU(name=node.name)
    if node.kind == "add":
        return keras.layers.Add(name=node.name)
    if node.kind == "concatenate":
        return keras.layers.Concatenate(name=node.name)
    if node.kind == "subtract":
        return keras.layers.Rescaling(1.0, (-node.weights[0]).tolist(), name=node.name)
    if node.kind == "depth_to_space":
        return _DepthToSpace(node.block, name=node.name)
    raise ValueError(f"Node {node.name!r} has the unknown kind {node.kind!r}.")


class _DepthToSpace(keras.layers.Layer):
    def __init__(self, block: int, **kwargs) -> None:
        super().__init__(**kwargs)
        self.block = block

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.nn.depth_to_space(x, self.block)


def _output_range(node: Node, followed_by: str | None) -> tuple[float, float] | None:
    """What an operation's output is rounded within; None where the next one is part of it."""
    if followed_by == "relu":
        return None
    return _PIXELS if followed_by == "depth_to_space" else node.range


def _rounded_pixels(x: tf.Tensor, name: str) -> tf.Tensor:
    return QuantizeWrapperV2(keras.layers.Activation("linear", name=name), _Rounding(_PIXELS))(x)


class _KernelQuantizer(LastValueQuantizer):
    """Symmetric 8 bits, one scale for each output channel."""

    def __init__(self) -> None:
        super().__init__(num_bits=8, per_axis=True, symmetric=True, narrow_range=True)

    def build(self, tensor_shape, name: str, layer) -> dict[str, tf.Variable]:
        def variable(suffix: str, value: float) -> tf.Variable:
            start = keras.initializers.Constant(value)
            return layer.add_weight(
                name + suffix, shape=tensor_shape[-1:], initializer=start, trainable=False
            )

        return {"min_var": variable("_min", -1.0), "max_var": variable("_max", 1.0)}


class _Rounding(QuantizeConfig):
    """Kernel of a convolution to 8 bits; output to 8 bits within `limits` unless None."""

    def __init__(self, limits: tuple[float, float] | None) -> None:
        self.limits = limits

    def get_weights_and_quantizers(self, layer) -> list[tuple]:
        return [(layer.kernel, _KernelQuantizer())] if hasattr(layer, "kernel") else []

    def set_quantize_weights(self, layer, quantize_weights: list) -> None:
        if quantize_weights:
            layer.kernel = quantize_weights[0]

    def get_activations_and_quantizers(self, layer) -> list[tuple]:
        return []

    def set_quantize_activations(self, layer, quantize_activations: list) -> None:
        pass

    def get_output_quantizers(self, layer) -> list[FixedQuantizer]:
        if self.limits is None:
            return []
        low, high = self.limits
        return [FixedQuantizer(num_bits=8, init_min=low, init_max=high, narrow_range=False)]

    def get_config(self) -> dict:
        return {"limits": self.limits}
