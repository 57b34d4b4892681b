"""The batches of a run are the same ones whatever feeds `fit`."""

import itertools

import keras
import numpy as np
import pytest

from awsrn_keras.data import CropReader, crop_dataset, load_pairs
from training.fitting.batches import CropSequence


@pytest.fixture(scope="module")
def bank(photographs):
    return load_pairs(photographs, 3)


@pytest.mark.parametrize("first", [0, 7])
def test_a_sequence_holds_the_batches_of_tf_data(bank, first):
    sequence = CropSequence(CropReader(bank, 2, 6, seed=5), first)
    dataset = crop_dataset(bank, 2, 6, seed=5, first_step=first)
    for own, other in itertools.islice(zip(sequence, dataset, strict=False), 5):
        assert [side.dtype for side in own] == ["float32", "float32"]
        for side, expected in zip(own, other, strict=True):
            np.testing.assert_array_equal(side, expected)
    assert np.any(own[0] != next(iter(sequence))[0])


def test_fit_takes_the_batches_in_order_over_epochs_of_any_length(bank):
    """A model whose metric adds up what it is shown."""

    class Seen(keras.layers.Layer):
        def __init__(self):
            super().__init__()
            self.weight = self.add_weight(shape=(), name="weight")

        def call(self, x):
            return x * self.weight

    class Note(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            sums.append(float(logs["shown"]))

        def on_epoch_begin(self, epoch, logs=None):
            epochs.append(len(sums))

    def shown(hr, _):
        return keras.ops.mean(hr)

    sums, epochs = [], []
    model = keras.Sequential([keras.Input((6, 6, 3)), Seen()])
    model.compile(
        "sgd", loss=lambda y, x: 0 * keras.ops.mean(x), metrics=[shown], jit_compile=False
    )
    sequence = CropSequence(CropReader(bank, 2, 6, seed=5), 4)
    model.fit(sequence, epochs=2, steps_per_epoch=3, shuffle=False, verbose=0, callbacks=[Note()])

    assert epochs == [0, 3]
    reader = CropReader(bank, 2, 6, seed=5)
    means = [reader(4 + step)[1].mean() for step in range(6)]
    running = [np.mean(means[begin : begin + n]) for begin in (0, 3) for n in (1, 2, 3)]
    np.testing.assert_allclose(sums, running, rtol=1e-5)
