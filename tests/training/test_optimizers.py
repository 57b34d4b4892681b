import keras
import numpy as np
import pytest

from training import optimizers
from training.fitting import config
from training.optimizers import Muon, orthogonal

RNG = np.random.default_rng(0)


def test_the_options_are_the_optimizers_there_are():
    assert tuple(optimizers.OPTIMIZERS) == config.OPTIMIZER_NAMES


@pytest.mark.parametrize("shape", [(3, 3, 16, 128), (3, 3, 128, 16), (1, 1, 7, 7), (9, 9, 2, 3)])
def test_an_orthogonal_step_keeps_directions_and_levels_their_strength(shape):
    strengths = np.geomspace(1, 0.05, min(np.prod(shape[:3]), shape[3]))
    u, _, vt = np.linalg.svd(RNG.normal(size=shape).reshape(-1, shape[3]), full_matrices=False)
    kernel = 1e-4 * (u * strengths) @ vt

    step = np.asarray(orthogonal(keras.ops.convert_to_tensor(kernel.reshape(shape), "float32")))

    along = u.T @ step.reshape(-1, shape[3]) @ vt.T / (0.2 * max(kernel.shape) ** 0.5)
    assert step.shape == shape
    assert np.diag(along).min() > 0.65
    assert np.diag(along).max() < 1.25
    np.testing.assert_allclose(along - np.diag(np.diag(along)), 0, atol=1e-3)


def test_no_gradient_is_no_step():
    assert not np.asarray(orthogonal(keras.ops.zeros((3, 3, 4, 5)))).any()


def test_kernels_move_as_by_the_muon_of_keras_and_the_rest_as_by_its_adam():
    """Keras has a Muon for matrices only; a kernel must move as its matrix does there."""
    shape, matrix = (3, 3, 4, 10), (36, 10)
    start = RNG.normal(size=shape).astype("float32")
    kernel, bias = keras.Variable(start), keras.Variable(start[0, 0, 0])
    flat, same_bias = keras.Variable(start.reshape(matrix)), keras.Variable(start[0, 0, 0])
    own = Muon(0.01, epsilon=1e-8)
    of_keras = keras.optimizers.Muon(
        0.01, epsilon=1e-8, weight_decay=None, adam_weight_decay=None, momentum=0.95
    )
    for _ in range(4):
        gradient = RNG.normal(size=shape).astype("float32")
        other = gradient[0, 0, 0]
        own.apply([gradient, other], [kernel, bias])
        of_keras.apply([gradient.reshape(matrix), other], [flat, same_bias])

    assert np.abs(np.array(kernel) - start).mean() > 1e-3
    np.testing.assert_allclose(np.reshape(kernel, matrix), np.array(flat), atol=2e-5)
    np.testing.assert_allclose(np.array(bias), np.array(same_bias), atol=1e-6)
