"""A fused network whose numbers are rounded to 8 bits as TFLite rounds them."""

import keras
import tensorflow as tf

PIXELS = (0.0, 255.0)

Range = tuple[float, float]


class RoundedNetwork(keras.Model):
    """The network from pixels to pixels, whole numbers 0..255, with 8-bit kernels and features.

    Kernels are rounded per output channel, within ranges that follow them in training.
    Features keep the ranges of the calibration: then tensors that meet in one concatenation
    have one scale, as TFLite demands, and the pixels at both ends are exactly 0..255 in
    steps of 1. Gradients pass the rounding, but not values beyond a range.

    Args:
        fused: Of `fuse_for_int8`. Its weights become this network's own.
        ranges: Of `feature_ranges`.
    """

    def __init__(self, fused: keras.Model, ranges: dict[str, Range]) -> None:
        super().__init__()
        self.fused = fused
        self.ranges = ranges

    def call(self, image: tf.Tensor) -> tf.Tensor:
        source, *operations = self.fused.operations
        values = {id(source.output): _rounded(image, self.ranges[source.name])}
        for operation in operations:
            inputs = keras.tree.map_structure(lambda x: values[id(x)], operation.input)
            if isinstance(operation, keras.layers.Conv2D):
                kernel = _rounded_kernel(tf.convert_to_tensor(operation.kernel))
                output = tf.nn.conv2d(inputs, kernel, 1, "SAME") + operation.bias
            else:
                output = operation(inputs)
            if operation.name in self.ranges:
                output = _rounded(output, self.ranges[operation.name])
            values[id(operation.output)] = output
        return output


def _rounded(x: tf.Tensor, limits: Range) -> tf.Tensor:
    return tf.quantization.fake_quant_with_min_max_vars(x, *limits, num_bits=8)


def _rounded_kernel(kernel: tf.Tensor) -> tf.Tensor:
    """Symmetric, one scale for each output channel."""
    widest = tf.stop_gradient(tf.reduce_max(tf.abs(kernel), axis=(0, 1, 2)))
    return tf.quantization.fake_quant_with_min_max_vars_per_channel(
        kernel, -widest, widest, num_bits=8, narrow_range=True
    )
