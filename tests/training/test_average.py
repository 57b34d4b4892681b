"""average.py gives the mean of all weights; what has no mean leaves no folder."""

import json

import keras
import numpy as np
import pytest
from training_runs import make_run

from awsrn_keras import AWSRN
from awsrn_keras.errors import InputError
from awsrn_keras.network.loading import load_model
from training.average import main
from training.lineage import lineage


@pytest.fixture
def networks(tmp_path):
    """Three trainings of one network: each has moved by steps of its own."""
    keras.utils.set_random_seed(0)
    start = AWSRN("awsrn_sd", 2)
    rng, weights = np.random.default_rng(0), start.get_weights()
    for name in "abc":
        start.set_weights([w + rng.normal(0, 0.01, w.shape).astype("float32") for w in weights])
        make_run(tmp_path / name, start)
    return [str(tmp_path / name) for name in "abc"]


def test_every_weight_is_the_mean_of_all_networks(networks, tmp_path):
    main([*networks, "-o", str(tmp_path / "average")])

    a, b, c = (load_model(name).get_weights() for name in networks)
    averaged = load_model(tmp_path / "average").get_weights()
    assert len(averaged) == len(a)
    for i, weight in enumerate(averaged):
        expected = (a[i].astype("float64") + b[i] + c[i]) / 3
        np.testing.assert_allclose(weight, expected, atol=1e-7)
        assert not np.array_equal(weight, a[i])


def test_the_average_tells_what_each_network_came_from(networks, tmp_path):
    models = [networks[0], str(tmp_path / "b/model.keras"), "awsrn_sd_x2"]
    main([*models, "-o", str(tmp_path / "average")])

    found = lineage(tmp_path / "average", load_model(tmp_path / "average"))
    assert [node.get("run") for node in found["average"]] == ["a", "b", None]
    assert found["average"][2]["preset"] == "awsrn_sd_x2"
    assert found["average"][0]["steps"] == 30
    config = json.loads((tmp_path / "average/config.json").read_text())
    assert (config["variant"], config["scale"]) == ("awsrn_sd", 2)


def test_what_has_no_average_is_refused_and_nothing_written(networks, tmp_path):
    AWSRN("awsrn_sd", 3).save(tmp_path / "x3.keras")
    refused = {
        r"x3\.keras and .*a are different networks": [*networks, tmp_path / "x3.keras"],
        "give two or more": networks[:1],
        "no such model": [*networks, tmp_path / "missing.keras"],
    }
    for message, models in refused.items():
        with pytest.raises(InputError, match=message):
            main([*map(str, models), "-o", str(tmp_path / "out")])
    assert not list(tmp_path.glob("*out*"))
    with pytest.raises(InputError, match=r"b exists: choose the name of a new folder"):
        main([*networks, "-o", networks[1]])
