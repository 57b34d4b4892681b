"""What a server runs, as TensorFlow functions: the fused network, and picture files in and out.

Only TensorFlow's own operations are used, so the graph needs no Python and no plug-in.
"""

from collections.abc import Callable

import keras
import tensorflow as tf
from keras import KerasTensor

from awsrn_keras.network.counts import receptive_field
from awsrn_keras.network.fusion import fuse
from awsrn_keras.network.model import AWSRN

MAX_PIXELS = 16_000_000
MAX_PIXELS_AT_ONCE = 2**22  # 7 GB of memory with awsrn_sd
_LARGEST_PNG = 2**31 - 1  # values that EncodePng takes
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"


class Upscaler:
    """The functions behind the signatures, for one network.

    Args:
        model: The network.
        window: Largest side in input pixels of what is computed at once for a picture file.
            A window reads `receptive_field` more on every side, so there are no seams; one
            of 512 works in 0.5 GB.

    Attributes:
        network: The fused network, a Keras model, safe to run from many threads.
        max_pixels: Pixels of the largest picture file that is taken.
    """

    def __init__(self, model: AWSRN, window: int = 512) -> None:
        self.network = _with_differences(fuse(model))
        self.max_pixels = min(MAX_PIXELS, _LARGEST_PNG // (3 * model.scale**2))
        self._scale = model.scale
        self._margin = receptive_field(model)
        self._window = window

    def pixels(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        """RGB `(batch, height, width, 3)`, float32, 0..255 -> `scale` times larger, clipped.

        Other shapes, no pixel at all and more than `MAX_PIXELS_AT_ONCE` are refused with
        INVALID_ARGUMENT. NaN stays NaN.
        """
        image = _of_declared_shape(image)
        size = tf.shape(image, tf.int64)[:3]
        fits = tf.reduce_all(size > 0) & (tf.reduce_prod(size) <= MAX_PIXELS_AT_ONCE)
        limits = f" pixels, not 1 to {MAX_PIXELS_AT_ONCE} in the batch"
        message = ["image: ", size[0], " x ", size[1], " x ", size[2], limits]
        image = _checked(image, fits, message)
        return {"upscaled": tf.clip_by_value(self.network(image), 0.0, 255.0)}

    def files(self, image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """JPEG or PNG files `(batch,)`, of any sizes -> PNG files `(batch,)`.

        All sizes are read from the headers and checked before anything is decoded. A
        picture that is refused fails the batch with INVALID_ARGUMENT and its index.
        """
        image_bytes = _of_declared_shape(image_bytes)
        numbered = (tf.range(tf.size(image_bytes)), image_bytes)
        sizes = tf.map_fn(
            self._checked_size, numbered, fn_output_signature=tf.TensorSpec((2,), tf.int64)
        )
        with tf.control_dependencies([sizes]):
            upscaled = tf.map_fn(
                self._file, numbered, fn_output_signature=tf.string, parallel_iterations=1
            )
        return {"upscaled_bytes": upscaled}

    def _checked_size(self, numbered: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        index, content = numbered
        size = _if_it_works(_declared_size, content, tf.zeros(2, tf.int64))
        name = ["image_bytes[", index, "]: "]
        size = _checked(size, tf.reduce_all(size > 0), [*name, "not a JPEG or PNG picture"])
        height, width = size[0], size[1]
        fits = tf.reduce_all(size <= self.max_pixels) & (height * width <= self.max_pixels)
        reason = ["declares ", width, " x ", height, f" pixels, more than {self.max_pixels}"]
        return _checked(size, fits, [*name, *reason])

    def _file(self, numbered: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        index, content = numbered
        picture = _if_it_works(_decoded, content, tf.zeros((0, 0, 3), tf.uint8))
        message = ["image_bytes[", index, "]: damaged JPEG or PNG picture"]
        picture = _checked(picture, tf.size(picture) > 0, message)
        return tf.io.encode_png(self._in_windows(picture))

    def _in_windows(self, picture: tf.Tensor) -> tf.Tensor:
        """The uint8 picture upscaled: rows of windows, each row joined on its side."""
        height, width = tf.shape(picture)[0], tf.shape(picture)[1]

        def row(top: tf.Tensor, bottom: tf.Tensor) -> tf.Tensor:
            def window(left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
                return tf.transpose(self._part(picture, top, bottom, left, right), (1, 0, 2))

            return tf.transpose(self._joined(width, window), (1, 0, 2))

        return self._joined(height, row)

    def _joined(self, length: tf.Tensor, part: Callable) -> tf.Tensor:
        """`part(begin, end)` of every window along an axis, concatenated."""
        count = -(-length // self._window)
        step = -(-length // count)  # windows as equal as can be
        parts = tf.TensorArray(tf.uint8, count, infer_shape=False, element_shape=(None, None, 3))

        def body(i: tf.Tensor, parts: tf.TensorArray) -> tuple:
            begin = i * step
            return i + 1, parts.write(i, part(begin, tf.minimum(begin + step, length)))

        _, parts = tf.while_loop(lambda i, _: i < count, body, (0, parts), parallel_iterations=1)
        return parts.concat()

    def _part(
        self,
        picture: tf.Tensor,
        top: tf.Tensor,
        bottom: tf.Tensor,
        left: tf.Tensor,
        right: tf.Tensor,
    ) -> tf.Tensor:
        """The upscaled rows `top:bottom`, columns `left:right` of a uint8 picture."""
        y, x = tf.maximum(top - self._margin, 0), tf.maximum(left - self._margin, 0)
        window = picture[y : bottom + self._margin, x : right + self._margin]
        upscaled = self.pixels(tf.cast(window, tf.float32)[None])["upscaled"][0]
        scale = self._scale
        upscaled = upscaled[
            (top - y) * scale : (bottom - y) * scale, (left - x) * scale : (right - x) * scale
        ]
        return tf.cast(tf.round(upscaled), tf.uint8)


def _with_differences(network: keras.Model) -> keras.Model:
    """The same network with `x - (-branch)` for each sum `branch + x`; it takes the layers over.

    TensorFlow merges sums with the convolution before them, not differences. oneDNN's kernel for
    the merged operation (TensorFlow 2.21, MklConvOp with Add) keeps two pointers of a call in the
    kernel itself, so concurrent requests write to each other's memory: wrong pixels at best.
    The sign goes into the weights of the branch's convolution, so nothing is rounded otherwise.
    """
    made = {id(layer.output): layer for layer in network.layers}
    for layer in network.layers:
        if isinstance(layer, keras.layers.Add):
            branch = made[id(layer.input[0])]
            branch.set_weights([-weights for weights in branch.get_weights()])

    def replaced(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.layers.Add):
            return keras.layers.Subtract.from_config(layer.get_config())
        return layer

    def called(layer: keras.layers.Layer, inputs: KerasTensor, *others, **options) -> KerasTensor:
        if isinstance(layer, keras.layers.Subtract):
            inputs = inputs[::-1]
        return layer(inputs, *others, **options)

    return keras.models.clone_model(network, clone_function=replaced, call_function=called)


def _if_it_works(function: Callable, content: tf.Tensor, otherwise: tf.Tensor) -> tf.Tensor:
    """`function(content)`, or `otherwise` where it fails, which would not name the picture."""
    attempt = tf.data.Dataset.from_tensors(content).map(function).ignore_errors()
    options = tf.data.Options()  # the defaults start threads that tune a pipeline, for each call
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    return attempt.with_options(options).reduce(otherwise, lambda _, result: result)


def _of_declared_shape(tensor: tf.Tensor) -> tf.Tensor:
    """`tensor`, once it has been seen to have the shape that its signature declares.

    A session checks the type of what it is given but not the shape, and oneDNN's convolution
    ends the process where it is not given four dimensions.
    """
    return tf.ensure_shape(tensor, tensor.shape)


def _checked(value: tf.Tensor, condition: tf.Tensor, message: list) -> tf.Tensor:
    """`value`, once the condition has been seen to hold; or else INVALID_ARGUMENT."""
    parts = [part if isinstance(part, str) else tf.strings.as_string(part) for part in message]
    message = tf.strings.join(parts)
    with tf.control_dependencies([tf.debugging.Assert(condition, [message])]):
        return tf.identity(value)


def _declared_size(content: tf.Tensor) -> tf.Tensor:
    """Height and width by the header; fails where it is neither JPEG nor PNG."""
    is_png = _starts_with(content, _PNG)
    return tf.cond(is_png, lambda: _png_size(content), lambda: _jpeg_size(content))


def _png_size(content: tf.Tensor) -> tf.Tensor:
    numbers = tf.cast(tf.io.decode_raw(tf.strings.substr(content, 16, 8), tf.uint8), tf.int64)
    width_and_height = tf.reduce_sum(tf.reshape(numbers, (2, 4)) * [2**24, 2**16, 2**8, 1], 1)
    return width_and_height[::-1]


def _jpeg_size(content: tf.Tensor) -> tf.Tensor:
    with tf.control_dependencies([tf.debugging.Assert(_starts_with(content, _JPEG), [""])]):
        return tf.image.extract_jpeg_shape(content, tf.int64)[:2]


def _decoded(content: tf.Tensor) -> tf.Tensor:
    """uint8 RGB; grey, palette, alpha and 16 bits as TensorFlow's decoders treat them."""
    picture = tf.cond(
        _starts_with(content, _PNG),
        lambda: tf.io.decode_png(content, 3),
        lambda: tf.io.decode_jpeg(content, 3, dct_method="INTEGER_ACCURATE"),
    )
    return tf.ensure_shape(picture, (None, None, 3))


def _starts_with(content: tf.Tensor, magic: bytes) -> tf.Tensor:
    return tf.strings.substr(content, 0, len(magic)) == magic
