import numpy as np
import pytest

from training import losses
from training.fitting import config

HR = np.random.default_rng(0).uniform(0, 255, (2, 4, 6, 3))
SR = HR + np.random.default_rng(1).normal(0, 1, HR.shape) * np.array([3, 20])[:, None, None, None]

EXPECTED = {
    "l1": [np.mean(np.abs(SR[i] - HR[i])) for i in (0, 1)],
    "mse": [np.var(SR[i] - HR[i]) + np.mean(SR[i] - HR[i]) ** 2 for i in (0, 1)],
    "charbonnier": [np.mean(np.hypot(SR[i] - HR[i], 0.255)) for i in (0, 1)],
    "log_mse": [np.log1p(np.mean((SR[i] - HR[i]) ** 2)) for i in (0, 1)],
}


def test_the_options_are_the_losses_there_are():
    assert tuple(losses.LOSSES) == config.LOSS_NAMES == tuple(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_each_picture_has_its_own_value(name):
    loss = np.asarray(losses.LOSSES[name](HR.astype("float32"), SR.astype("float32")))
    np.testing.assert_allclose(loss, EXPECTED[name], rtol=1e-5)


def test_the_log_falls_with_the_psnr_of_each_picture_alike():
    """A tenth of a decibel counts the same in a smooth picture and in one full of detail."""
    better = HR + (SR - HR) * 10 ** (-0.1 / 20)
    gain = losses.log_mse(HR, SR) - losses.log_mse(HR, better)
    np.testing.assert_allclose(gain, 0.1 * np.log(10) / 10, rtol=0.15)
