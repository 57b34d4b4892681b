"""publish_preset.py measures, compares and writes; a worse model changes nothing."""

import json

import numpy as np
import pytest
from PIL import Image

import awsrn_keras as awsrn
from awsrn_keras.errors import InputError
from awsrn_keras.network.loading import from_pytorch, official_weights
from awsrn_keras.network.tensor_files import read_tensors
from awsrn_keras.pictures.resize import imresize
from awsrn_keras.scoring.metrics import psnr_y
from awsrn_keras.scoring.scoreboard import SetScores
from training.publish_preset import check_cost, main


@pytest.fixture
def pictures(tmp_path):
    """Two folders of one smooth HR picture each, the validation set first."""
    rows, columns = np.mgrid[:48, :60]
    folders = [tmp_path / "validation", tmp_path / "other"]
    for phase, folder in enumerate(folders):
        wave = 127 + 120 * np.sin(rows / 5 + phase) * np.cos(columns / 7)
        hr = np.stack([wave, wave.T[:48, :48].mean() + wave / 3, 255 - wave], axis=-1)
        folder.mkdir()
        Image.fromarray(np.clip(hr, 0, 255).astype("uint8")).save(folder / "hr.png")
    return folders


def publish(model, pictures, output):
    given = ["--trained-on", "waves", "--steps", "3", "--hours", "0.5", "--machine", "a clock"]
    sets = ["--validation", str(pictures[0]), "--benchmarks", str(pictures[1])]
    words = ["--recipe", "none", "--why-less", "three steps"]
    main([str(model), *sets, *given, *words, "-o", str(output)])


@pytest.mark.slow
def test_a_preset_is_written_with_the_scores_of_its_stored_weights(pictures, tmp_path):
    publish("awsrn_sd_x2", pictures, tmp_path / "out")

    tensors = np.load(tmp_path / "out/awsrn_sd_x2.npz")
    card = json.loads((tmp_path / "out/awsrn_sd_x2.json").read_text())
    model = from_pytorch(tmp_path / "out/awsrn_sd_x2.npz")
    hr = np.asarray(Image.open(pictures[0] / "hr.png"))
    lr = imresize(hr, 1 / 2)
    expected = psnr_y(np.asarray(model(lr[None].astype("float32")))[0], hr, 2)

    assert card["psnr"]["validation"] == pytest.approx(expected, abs=1e-3)
    assert card["psnr"].keys() == {"validation", "other"}
    assert (card["steps"], card["hours"], card["machine"]) == (3, 0.5, "a clock")
    assert (card["recipe"], card["why_less"]) == ("none", "three steps")
    assert (card["variant"], card["params"]) == ("awsrn_sd", 348_098)
    assert {tensors[name].dtype.name for name in tensors if "weight_v" in name} == {"float16"}
    assert {tensors[name].dtype.name for name in tensors if "weight_v" not in name} == {"float32"}


def test_a_model_that_is_not_better_leaves_the_preset_alone(pictures, tmp_path):
    publish("awsrn_sd_x2", pictures, tmp_path / "out")
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    worse = awsrn.AWSRN.from_preset("awsrn_sd_x2")
    worse.get_layer("head").bias.assign(np.full(16, 0.3))
    worse.save(tmp_path / "worse.keras")

    for model in (tmp_path / "worse.keras", "awsrn_sd_x2"):  # the same is not better either
        with pytest.raises(InputError, match="the preset is kept"):
            publish(model, pictures, tmp_path / "out")
    assert before == {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}


@pytest.mark.slow
def test_a_better_model_replaces_the_preset(pictures, tmp_path):
    worse = official_weights(awsrn.AWSRN.from_preset("awsrn_sd_x2"))
    worse["head.0.bias"] = worse["head.0.bias"] + np.float32(0.3)
    np.savez(tmp_path / "worse.npz", **worse)
    publish(tmp_path / "worse.npz", pictures, tmp_path / "out")
    publish("awsrn_sd_x2", pictures, tmp_path / "out")
    stored = read_tensors(tmp_path / "out/awsrn_sd_x2.npz")
    assert not np.array_equal(stored["head.0.bias"], worse["head.0.bias"])


def test_storage_that_costs_quality_is_refused():
    scores = [
        SetScores("waves", ["hr.png"], {"mine": [(psnr, 0.9)]}, {}) for psnr in (30.0, 30.0011)
    ]
    check_cost(scores[1], scores[0], "mine")  # better by chance: fine
    with pytest.raises(InputError, match=r"mine: float16 kernels cost 0\.0011 dB"):
        check_cost(scores[0], scores[1], "mine")
