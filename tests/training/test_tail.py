import contextlib

import keras
import numpy as np
import pytest

from awsrn_keras.data import crop_dataset, load_pairs
from awsrn_keras.network.model import AWSRN
from training.fitting import tail
from training.fitting.callbacks import ValidationPSNR
from training.fitting.tail import solve_tail
from training.warm_start import copy_weights


def network(variant: str, scale: int, seed: int) -> AWSRN:
    keras.utils.set_random_seed(seed)
    return AWSRN(variant, scale)


def pictures(count: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (count, height, width, 3)).astype("float32")


def on_one_device():
    return contextlib.nullcontext()


def mirrored():  # as under --distribute
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(["CPU:0"]).scope()


@pytest.mark.parametrize(
    ("variant", "scale", "place"), [("awsrn_sd", 2, mirrored), ("awsrn_s", 3, on_one_device)]
)
def test_the_tail_that_made_the_pictures_is_found_again(variant, scale, place, monkeypatch):
    monkeypatch.setattr(tail, "RIDGE", 1e-7)
    wanted = network(variant, scale, seed=0)
    with place():
        assert_found(wanted, network(variant, scale, seed=1))


def assert_found(wanted: AWSRN, found: AWSRN) -> None:
    for name in ("head", "lfb_1"):
        found.get_layer(name).set_weights(wanted.get_layer(name).get_weights())
    lr = pictures(16, 13, 29)  # 6,032 pixels for at most 2,620 weights
    hr = wanted(lr)
    before = np.abs(found(lr) - hr).mean()
    solve_tail(found, [(lr, hr)])
    new = pictures(20, 13, 29)[16:]
    assert before > 10
    assert np.abs(found(new) - wanted(new)).max() < 0.5


def test_no_change_of_a_weight_lessens_the_penalised_error(monkeypatch):
    """Derivatives by automatic differentiation, at the solution and at random weights."""
    import tensorflow as tf

    monkeypatch.setattr(tail, "RIDGE", 0.5)
    model, lr, hr = network("awsrn_sd", 2, seed=0), pictures(2, 24, 33), pictures(2, 48, 66)
    awms, skip = model.get_layer("awms"), model.get_layer("skip")
    body = keras.Model(model.input, [awms.input, skip.input])
    features, x = body(lr)
    wanted = tf.nn.space_to_depth((hr - tail.RGB_MEAN.astype("float32")) / tail.HALF_RANGE, 2)
    ones = tf.ones([*wanted.shape[:3], 1])
    squares = [81 * 16 * _inside(features, 9), 27 * _inside(x, 3), float(tf.reduce_sum(ones))]

    def derivatives():
        kernel = sum(
            a * tf.pad(b.kernel, [[(9 - b.kernel_size) // 2] * 2] * 2 + [[0, 0]] * 2)
            for a, b in zip(awms.alphas, awms.branches, strict=True)
        )
        values = [kernel, skip.kernel + 0.0, skip.bias + 0.0]
        with tf.GradientTape() as tape:
            tape.watch(values)
            given = tf.nn.conv2d(features, values[0], 1, "SAME")
            given += tf.nn.conv2d(x, values[1], 1, "SAME") + values[2]
            error = tf.reduce_sum(tf.square(given - wanted))
            penalty = 0.5 * sum(squares) / (81 * 16 + 28)
            error += penalty * sum(tf.reduce_sum(tf.square(v)) for v in values)
        return [float(tf.norm(g)) for g in tape.gradient(error, values)]

    before = derivatives()
    solve_tail(model, [(lr, hr)])
    assert all(new < 1e-3 * old for new, old in zip(derivatives(), before, strict=True))


def _inside(x, side: int) -> float:
    """Mean over a window's taps and channels of their sum of squares over all positions."""
    return float(np.mean(np.square(tail._windows(np.asarray(x), side)), axis=(3, 4, 5)).sum())


def test_another_scale_begins_well_above_bicubic():
    """x4 from the body of x2, before any training."""
    model = network("awsrn_sd", 4, seed=0)
    copy_weights(AWSRN.from_preset("awsrn_sd_x2"), model)
    train, validation = (load_pairs(("sample",), 4, part, None) for part in ("train", "validation"))
    score = ValidationPSNR(model, validation)
    unsolved = score.mean_psnr()
    solve_tail(model, crop_dataset(train, batch_size=8, patch_size=32, seed=0))
    assert unsolved < score.bicubic_psnr
    assert score.mean_psnr() > score.bicubic_psnr + 0.5
