"""`--distribute`: one model on all local devices, each with its share of every batch."""

import contextlib
from collections.abc import Iterator

import keras

from awsrn_keras.command_line import messages_kept_back
from awsrn_keras.errors import InputError


def devices_for(batch_size: int) -> list[str]:
    """Names of all local GPUs, or of several virtual processors where there is no GPU.

    Raises:
        InputError: There is nothing to distribute over, or the batch cannot be divided.
    """
    names, backend = keras.distribution.list_devices(), keras.backend.backend()
    if backend not in ("tensorflow", "jax"):
        raise InputError(f"--distribute needs Keras on TensorFlow or JAX, not on {backend}.")
    if len(names) == 1 and names[0].lower().startswith("cpu"):
        raise InputError(f"--distribute: {backend} finds no GPU here; leave it out.")
    if batch_size % len(names):
        raise InputError(
            f"--distribute: --batch-size {batch_size} cannot be divided among {len(names)} "
            f"devices; give a multiple of {len(names)}."
        )
    return names


def keep_tensorflow_off_gpus() -> None:
    """Where another backend computes, let TensorFlow, which brings the data, take no GPU."""
    if keras.backend.backend() != "tensorflow":
        with messages_kept_back():
            import tensorflow as tf

            tf.config.set_visible_devices([], "GPU")


@contextlib.contextmanager
def replicated(names: list[str]) -> Iterator[None]:
    """Inside, a model is made and trained on all these devices; with none, as always."""
    if not names:
        yield
    elif keras.backend.backend() == "jax":
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=names))
        try:
            yield
        finally:
            keras.distribution.set_distribution(None)
    else:
        import tensorflow as tf

        with tf.distribute.MirroredStrategy(names).scope():
            yield
