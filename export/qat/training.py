"""Train an 8-bit network to give the pictures of its floating-point teacher."""

import warnings

import keras
import tensorflow as tf

from awsrn_keras.command_line import messages_kept_back
from awsrn_keras.data import PairBank, crop_dataset
from awsrn_keras.progress import ProgressBar

from .network import Range, RoundedNetwork


def train(
    fused: keras.Model,
    ranges: dict[str, Range],
    bank: PairBank,
    steps: int,
    batch_size: int = 8,
    patch_size: int = 32,
    learning_rate: float = 3e-5,
    seed: int = 0,
) -> RoundedNetwork:
    """The rounded network after training; `fused` is left as it is.

    Its target is what the same network gives in floating point, and the loss the mean
    square error to that: then the few photographs at hand decide how to round and not what
    to draw, and the loss is what PSNR will fall by.

    Args:
        fused: Of `fuse_for_int8`.
        ranges: Of `feature_ranges` or `narrow_ranges`.
        bank: Photographs.
        steps: Batches, with a learning rate that rises shortly, then falls to zero along a cosine.
        batch_size, patch_size: Patches in a batch, and their side in LR pixels.
        learning_rate: Of Adam, at its highest.
        seed: Decides the patches.
    """
    student = RoundedNetwork(keras.models.clone_model(fused), ranges)
    student.fused.set_weights(fused.get_weights())

    def with_target(lr: tf.Tensor, hr: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return lr, tf.clip_by_value(fused(lr), 0, 255)

    batches = crop_dataset(bank, batch_size, patch_size, seed).map(with_target)
    adam = keras.optimizers.Adam(_schedule(learning_rate, steps))
    student.compile(adam, loss="mse", jit_compile=False)
    with ProgressBar() as bar:
        bar.start("Training")
        callback = keras.callbacks.LambdaCallback(
            on_batch_end=lambda batch, logs: bar.update(batch + 1, steps)
        )
        student.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[callback])
    return student


def _schedule(highest: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    warm_up = steps // 20  # Adam's first steps are as large in every weight, and too large here
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warm_up else highest,
        steps - warm_up,
        warmup_target=highest if warm_up else None,
        warmup_steps=warm_up,
    )


def convert_trained(student: RoundedNetwork, size: tuple[int | None, int | None]) -> bytes:
    """The trained network as a .tflite file for one picture, uint8 in and out.

    Args:
        student: Of `train`.
        size: Height and width of the input; None leaves it free.
    """
    image = tf.TensorSpec((1, *size, 3), tf.float32, name="image")
    network = tf.function(student).get_concrete_function(image)
    # With the model in place of the function, TensorFlow 2.21 does not fold the kernels' ranges.
    converter = tf.lite.TFLiteConverter.from_concrete_functions([network], network)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    with messages_kept_back(), warnings.catch_warnings():
        # The statistics are in the graph, as fake quantisation.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs", UserWarning)
        return converter.convert()
