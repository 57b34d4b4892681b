"""The batches of crops that `fit` takes: by `tf.data` on TensorFlow, else by a `PyDataset`."""

from collections.abc import Iterable

import keras
import numpy as np

from awsrn_keras.data import CropReader, PairBank, crop_dataset

from .config import Config


def training_data(
    config: Config, data: PairBank, first_step: int = 0, share: tuple[int, int] = (0, 1)
) -> Iterable:
    """Batches `first_step` and on: float32 LR and HR crops, RGB 0..255, without end.

    Which examples a batch holds depends on `config` and its number only, not on the backend.
    On JAX a host may take its `share` of each alone, as `CropReader` does.
    """
    options = (data, config.batch_size, config.patch_size, config.seed)
    if keras.backend.backend() == "tensorflow":
        return crop_dataset(*options, first_step, config.degrade)
    return CropSequence(CropReader(*options, degrade=config.degrade, share=share), first_step)


class CropSequence(keras.utils.PyDataset):
    """The batches of `crop_dataset` where there is no TensorFlow.

    Keras asks for them in order, and the reader cuts the next ones meanwhile. Keras's own
    workers stay out of it: one of them reads nothing ahead, and several are emptied and begun
    anew at the end of every epoch.
    """

    num_batches = None  # without end

    def __init__(self, reader: CropReader, first_step: int) -> None:
        super().__init__(workers=1)
        self._reader = reader
        self._first_step = first_step

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        lr, hr = self._reader(self._first_step + index)
        return lr.astype("float32"), hr.astype("float32")
