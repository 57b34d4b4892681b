"""AWMS branches left out, and the command that says what each is worth."""

import argparse
import json

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image

from awsrn_keras import AWSRN, branch_weights, prune_branches
from awsrn_keras.commands import branches
from awsrn_keras.errors import InputError
from awsrn_keras.network.pruning import branch_worth


def small_model(seed=0):
    keras.utils.set_random_seed(seed)
    model = AWSRN("awsrn_s", 3)
    for alpha, value in zip(model.get_layer("awms").alphas, (0.9, -0.4, 0.3, 0.05), strict=True):
        alpha.assign(value)
    return model


def picture():
    return np.random.default_rng(1).uniform(0, 255, (1, 9, 12, 3)).astype("float32")


def test_a_pruned_network_lacks_exactly_what_the_branch_gave():
    model = small_model()
    pruned = prune_branches(model, keep=(9, 3))
    assert pruned.kernel_sizes == (3, 9)

    silenced = small_model()
    awms = silenced.get_layer("awms")
    awms.alphas[1].assign(0)
    awms.alphas[2].assign(0)
    expected = ops.convert_to_numpy(silenced(picture()))
    assert np.abs(expected - ops.convert_to_numpy(model(picture()))).max() > 1
    np.testing.assert_allclose(pruned(picture()), expected, atol=1e-3)
    assert branch_weights(pruned)["awms/alpha_9"] == pytest.approx(0.05)
    np.testing.assert_allclose(branch_weights(model)["awms/alpha_5"], -0.4, rtol=1e-6)


def test_a_pruned_network_survives_saving(tmp_path):
    pruned = prune_branches(small_model(), keep=[5])
    pruned.save(tmp_path / "pruned.keras")
    loaded = keras.models.load_model(tmp_path / "pruned.keras")
    np.testing.assert_array_equal(loaded(picture()), pruned(picture()))


@pytest.mark.parametrize("keep", [(), (3, 4), (11,)])
def test_only_branches_that_exist_can_be_kept(keep):
    with pytest.raises(ValueError, match=r"some of \(3, 5, 7, 9\), got"):
        prune_branches(AWSRN("awsrn_s", 2), keep)


def test_branch_worth_is_what_is_lost_without_each_branch():
    score = {(3, 5, 7, 9): 30.0, (5, 7, 9): 29.0, (3, 7, 9): 29.5, (3, 5, 9): 29.7, (3, 5, 7): 29.9}

    rows = branch_worth(small_model(), lambda network: score[network.kernel_sizes])

    assert [row.kernel_size for row in rows] == [3, 5, 7, 9]
    np.testing.assert_allclose([row.psnr_loss for row in rows], [1, 0.5, 0.3, 0.1])
    assert sum(row.strength for row in rows) == pytest.approx(1)
    # Head, units, fusion and skip hold 333369 kernel weights, the tail 32 x 27 per tap.
    assert rows[3].saved == pytest.approx(81 * 864 / (333369 + 164 * 864))
    assert rows[3].saved_fused == pytest.approx((81 - 49) * 864 / (333369 + 81 * 864))
    assert rows[0].saved_fused == 0


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    branches.add_arguments(parser)
    return parser.parse_args([str(argument) for argument in arguments])


def write_pictures(folder, *sizes):
    folder.mkdir()
    for number, size in enumerate(sizes):
        noise = np.random.default_rng(number).integers(0, 256, (size, size + 6, 3), "uint8")
        Image.fromarray(noise).save(folder / f"{number}.png")
    return folder


@pytest.mark.slow
def test_the_command_prints_draws_and_writes_every_scalar(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "cache"))
    model = small_model()
    model.get_layer("awms").alphas[3].assign(0.5)  # so that every branch counts
    model.save(tmp_path / "model.keras")
    plot, figures = tmp_path / "out/branches.png", tmp_path / "branches.json"
    few = ["--data", write_pictures(tmp_path / "val", 48, 60)]
    branches.run(parsed(tmp_path / "model.keras", "-o", plot, "--json", figures, *few))

    printed = capsys.readouterr().out
    written = json.loads(figures.read_text())
    assert written["scalars"] == branch_weights(model)
    for name, value in written["scalars"].items():
        assert f"{name:32} {value:9.4f}" in printed
    assert [row["kernel_size"] for row in written["branches"]] == [3, 5, 7, 9]
    assert all(abs(row["psnr_loss"]) > 1e-3 for row in written["branches"])
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_the_command_refuses_a_lone_branch_and_pictures_too_small(tmp_path, monkeypatch):
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "cache"))
    AWSRN("awsrn_s", 2, kernel_sizes=(3,)).save(tmp_path / "one.keras")
    with pytest.raises(InputError, match=r"x\.xyz: name a \.png file"):
        branches.run(parsed("nothing", "-o", "x.xyz"))
    with pytest.raises(InputError, match="one AWMS branch only"):
        branches.run(parsed(tmp_path / "one.keras"))
    few = ["--data", write_pictures(tmp_path / "val", 14)]
    with pytest.raises(InputError, match=r"0\.png: 20x14 pixels are too few, 15x15 is the least"):
        branches.run(parsed("awsrn_sd_x2", "-o", tmp_path / "branches.png", *few))
    assert not (tmp_path / "branches.png").exists()
