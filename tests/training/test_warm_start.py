import keras
import numpy as np
import pytest

from awsrn_keras import prune_branches
from awsrn_keras.errors import InputError
from awsrn_keras.network.model import AWSRN
from training.optimizers import Muon
from training.warm_start import copy_weights

PICTURE = np.random.default_rng(0).uniform(0, 255, (1, 9, 14, 3)).astype("float32")


def network(variant: str, scale: int, seed: int) -> AWSRN:
    keras.utils.set_random_seed(seed)
    return AWSRN(variant, scale)


def test_weights_of_another_scale_start_the_body_and_leave_the_tail():
    source, target = network("awsrn_s", 2, seed=0), network("awsrn_s", 3, seed=1)
    tail = target.get_layer("awms").get_weights()
    copy_weights(source, target)
    for name in ("head", "lfb_1"):
        for a, b in zip(
            source.get_layer(name).get_weights(), target.get_layer(name).get_weights(), strict=True
        ):
            np.testing.assert_array_equal(a, b)
    for a, b in zip(tail, target.get_layer("awms").get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("deeper", ["awsrn_m", "awsrn"])
def test_a_deeper_network_starts_with_the_pictures_of_the_shallow_one(deeper):
    source, target = network("awsrn_s", 2, seed=0), network(deeper, 2, seed=1)
    assert np.abs(source(PICTURE) - target(PICTURE)).max() > 10
    copy_weights(source, target)
    np.testing.assert_array_equal(source(PICTURE), target(PICTURE))


def test_every_weight_that_a_deeper_network_has_more_learns():
    source, target = network("awsrn_s", 2, seed=0), network("awsrn_m", 2, seed=1)
    copy_weights(source, target)
    added = [w for i in (2, 3) for w in target.get_layer(f"lfb_{i}").trainable_variables]
    before = [np.array(w) for w in added]
    target.compile(keras.optimizers.Adam(1e-2), loss="mae")
    goal = np.random.default_rng(1).uniform(0, 255, (1, 18, 28, 3))
    target.fit(PICTURE, goal, epochs=3, verbose=0)
    assert all(np.any(np.array(w) != old) for w, old in zip(added, before, strict=True))


@pytest.mark.parametrize("wider", ["awsrn_m", "awsrn"])
def test_a_wider_network_starts_with_the_pictures_of_the_narrow_one(wider):
    source, target = network("awsrn_sd", 3, seed=0), network(wider, 3, seed=1)
    scalars = [w for w in source.trainable_variables if w.shape == ()]
    for i, scalar in enumerate(scalars):  # none of them 1, as in a trained network
        scalar.assign(0.7 + 0.6 * ((7 * i) % len(scalars)) / len(scalars))
    assert np.abs(source(PICTURE) - target(PICTURE)).max() > 10
    copy_weights(source, target)
    np.testing.assert_allclose(source(PICTURE), target(PICTURE), atol=0.01)


def test_a_wider_network_turns_its_filters_as_slowly_as_the_narrow_one():
    source, target = network("awsrn_sd", 2, seed=0), network("awsrn", 2, seed=1)
    old = source.get_layer("lfb_1").units[5].reduce
    old.v.assign(5 * old.v)  # as long training does; the kernel stays
    copy_weights(source, target)
    v = np.array(target.get_layer("lfb_2").units[1].reduce.v)
    length = np.sqrt(np.mean(np.sum(np.square(old.v), axis=(0, 1, 2))))
    np.testing.assert_allclose(np.sqrt(np.sum(v**2, axis=(0, 1, 2))), length, rtol=0.05)


def test_every_weight_that_a_wider_network_has_more_learns():
    source, target = network("awsrn_sd", 2, seed=0), network("awsrn_m", 2, seed=1)
    copy_weights(source, target)
    before = [np.array(w) for w in target.trainable_variables]
    target.compile(Muon(1e-3), loss="mae")
    goal = np.random.default_rng(1).uniform(0, 255, (1, 18, 28, 3))
    target.fit(PICTURE, goal, epochs=3, verbose=0)
    for weight, old in zip(target.trainable_variables, before, strict=True):
        assert np.all(np.isfinite(weight))
        filters = np.reshape(np.array(weight) != old, (-1, *old.shape[-1:]))
        assert np.all(filters.any(axis=0)), weight.path


def test_the_body_of_a_narrow_network_starts_a_wider_one_of_another_scale():
    source, target = network("awsrn_sd", 2, seed=0), network("awsrn_m", 3, seed=1)
    tail = target.get_layer("awms").get_weights()
    copy_weights(source, target)
    for a, b in zip(tail, target.get_layer("awms").get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    features = [keras.Model(m.input, m.get_layer("awms").input)(PICTURE) for m in (source, target)]
    np.testing.assert_allclose(features[0], features[1][..., 16:], atol=1e-3)


@pytest.mark.parametrize(
    ("source", "target"), [("awsrn_sd", "awsrn_s"), ("awsrn_m", "awsrn_s"), ("awsrn_s", "awsrn_sd")]
)
def test_other_blocks_or_fewer_are_refused_and_nothing_is_copied(source, target):
    network_ = network(target, 2, seed=1)
    before = network_.get_weights()
    with pytest.raises(InputError, match=f"--init holds {source}, .* into {target}: choose"):
        copy_weights(network(source, 2, seed=0), network_)
    for a, b in zip(before, network_.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("variant", ["awsrn_sd", "awsrn_m"])
def test_a_pruned_network_starts_one_with_its_branches_only(variant):
    source = prune_branches(network("awsrn_sd", 2, seed=0), keep=(3, 9))
    target = AWSRN(variant, 2, kernel_sizes=(3, 9))
    copy_weights(source, target)
    np.testing.assert_allclose(source(PICTURE), target(PICTURE), atol=0.01)

    whole = network(variant, 2, seed=1)
    before = whole.get_weights()
    with pytest.raises(InputError, match=r"--init has AWMS branches of \(3, 9\), not of \(3, 5,"):
        copy_weights(source, whole)
    for a, b in zip(before, whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
