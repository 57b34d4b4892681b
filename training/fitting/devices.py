"""`--distribute`, `--hosts`: one model on all devices, each with its share of every batch."""

import contextlib
import platform
from collections.abc import Iterator

import keras

from awsrn_keras.command_line import cpu_cores
from awsrn_keras.errors import InputError

from .hosts import share


def devices_for(batch_size: int) -> list[str]:
    """Names of the GPUs of all hosts, or of the processors where there is no GPU.

    Raises:
        InputError: There is nothing to distribute over, or the batch cannot be divided.
    """
    names, backend = keras.distribution.list_devices(), keras.backend.backend()
    if len(names) == 1 and names[0].lower().startswith("cpu"):
        raise InputError(f"--distribute: {backend} finds no GPU here; leave it out.")
    if batch_size % len(names):
        raise InputError(
            f"--batch-size {batch_size} cannot be divided among {len(names)} devices; give a "
            f"multiple of {len(names)}."
        )
    return names


def machine(count: int) -> str:
    """What `count` devices compute on, for a model card, e.g. "1 x NVIDIA H100 80GB HBM3"."""
    hosts = share()[1]
    where = f" on {hosts} hosts" if hosts > 1 else ""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        details = map(tf.config.experimental.get_device_details, gpus)
        kinds = [detail.get("device_name", "GPU") for detail in details]
    else:
        import jax

        kinds = [d.device_kind for d in jax.local_devices() if d.platform != "cpu"]
    if kinds:
        return f"{count} x {kinds[0]}{where}"
    return f"{hosts * cpu_cores()} processor cores ({platform.machine()}){where}"


@contextlib.contextmanager
def replicated(names: list[str]) -> Iterator[None]:
    """Inside, a model is made and trained on all these devices; with none, as always."""
    if not names:
        yield
    elif keras.backend.backend() == "jax":
        data_parallel = keras.distribution.DataParallel(devices=names, auto_shard_dataset=False)
        keras.distribution.set_distribution(data_parallel)
        try:
            yield
        finally:
            keras.distribution.set_distribution(None)
    else:
        import tensorflow as tf

        with tf.distribute.MirroredStrategy(names).scope():
            yield
