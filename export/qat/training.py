"""Train an 8-bit network to give the pictures of its floating-point teacher."""

import warnings

import tensorflow as tf
import tf_keras as keras

from awsrn_keras.command_line import messages_kept_back
from awsrn_keras.data import PairBank, crop_dataset
from awsrn_keras.data.degradations import Degradation
from awsrn_keras.progress import ProgressBar
from export.fused_graph import Node

from .network import build


def train(
    nodes: list[Node],
    bank: PairBank,
    steps: int,
    batch_size: int = 8,
    patch_size: int = 32,
    learning_rate: float = 3e-5,
    seed: int = 0,
    degrade: Degradation | None = None,
) -> keras.Model:
    """The rounded network of `nodes` after training.

    Its target is what the same network gives in floating point, and the loss the mean
    square error to that: then the few photographs at hand decide how to round and not what
    to draw, and the loss is what PSNR will fall by.

    Args:
        nodes: Of `describe`, with ranges.
        bank: Photographs.
        steps: Batches, with a learning rate that rises shortly, then falls to zero along a cosine.
        batch_size, patch_size: Patches in a batch, and their side in LR pixels.
        learning_rate: Of Adam, at its highest.
        seed: Decides the patches.
        degrade: How LR patches are made worse, for a network for photographs.
    """
    teacher, student = build(nodes), build(nodes, rounded=True)

    def with_target(lr: tf.Tensor, hr: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return lr, tf.clip_by_value(teacher(lr), 0, 255)

    batches = crop_dataset(bank, batch_size, patch_size, seed, degrade=degrade).map(with_target)
    student.compile(keras.optimizers.Adam(_schedule(learning_rate, steps)), loss="mse")
    with ProgressBar() as bar:
        bar.start("Training")
        callback = keras.callbacks.LambdaCallback(
            on_batch_end=lambda batch, logs: bar.update(batch + 1, steps)
        )
        student.fit(batches, steps_per_epoch=steps, verbose=0, callbacks=[callback])
    student(next(iter(batches))[0], training=True)  # ranges of the last step's kernels
    return student


def _schedule(highest: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    warm_up = steps // 20  # Adam's first steps are as large in every weight, and too large here
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warm_up else highest,
        steps - warm_up,
        warmup_target=highest if warm_up else None,
        warmup_steps=warm_up,
    )


def convert_trained(student: keras.Model, size: tuple[int | None, int | None]) -> bytes:
    """The trained network as a .tflite file for one picture, uint8 in and out.

    Args:
        student: Of `train`.
        size: Height and width of the input; None leaves it free.
    """
    image = tf.TensorSpec((1, *size, 3), tf.float32, name="image")
    network = tf.function(student).get_concrete_function(image)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([network], student)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    with messages_kept_back(), warnings.catch_warnings():
        # The statistics are in the graph, as fake quantisation.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs", UserWarning)
        return converter.convert()
