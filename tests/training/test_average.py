"""average.py gives the mean of all weights; what has no mean leaves no file."""

import keras
import numpy as np
import pytest

from awsrn_keras import AWSRN
from awsrn_keras.errors import InputError
from awsrn_keras.network.loading import load_model
from training.average import main


@pytest.fixture
def networks(tmp_path):
    """Three trainings of one network, by name: each has moved by steps of its own."""
    keras.utils.set_random_seed(0)
    start = AWSRN("awsrn_sd", 2)
    rng, weights = np.random.default_rng(0), start.get_weights()
    for name in "abc":
        start.set_weights([w + rng.normal(0, 0.01, w.shape).astype("float32") for w in weights])
        start.save(tmp_path / f"{name}.keras")
    return [str(tmp_path / f"{name}.keras") for name in "abc"]


def test_every_weight_is_the_mean_of_all_networks(networks, tmp_path):
    main([*networks, "-o", str(tmp_path / "average.keras")])

    a, b, c = (load_model(name).get_weights() for name in networks)
    averaged = load_model(tmp_path / "average.keras").get_weights()
    assert len(averaged) == len(a)
    for i, weight in enumerate(averaged):
        expected = (a[i].astype("float64") + b[i] + c[i]) / 3
        np.testing.assert_allclose(weight, expected, atol=1e-7)
        assert not np.array_equal(weight, a[i])


def test_what_has_no_average_is_refused_and_nothing_written(networks, tmp_path):
    AWSRN("awsrn_sd", 3).save(tmp_path / "x3.keras")
    refused = {
        r"x3\.keras and .*a\.keras are different networks": [*networks, tmp_path / "x3.keras"],
        "give two or more": networks[:1],
        "no such model": [*networks, tmp_path / "missing.keras"],
    }
    for message, models in refused.items():
        with pytest.raises(InputError, match=message):
            main([*map(str, models), "-o", str(tmp_path / "out.keras")])
    with pytest.raises(InputError, match=r"out\.npz: choose a name that ends in \.keras"):
        main([*networks, "-o", str(tmp_path / "out.npz")])
    assert not list(tmp_path.glob("*out*"))
