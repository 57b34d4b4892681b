"""publish_preset.py measures, compares and writes; a worse model changes nothing."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from training_runs import make_run

import awsrn_keras as awsrn
from awsrn_keras.data.degradations import CONDITIONS
from awsrn_keras.errors import InputError
from awsrn_keras.network.loading import from_pytorch, official_weights
from awsrn_keras.network.tensor_files import read_tensors
from awsrn_keras.pictures.resize import imresize
from awsrn_keras.scoring.metrics import psnr_y
from awsrn_keras.scoring.scoreboard import SetScores
from training.publish_preset import check_cost, main, training_facts


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
    sets = ["--validation", str(pictures[0]), "--benchmarks", str(pictures[1])]
    main([str(model), *sets, "--why-less", "three steps", "-o", str(output)])


@pytest.mark.slow
def test_a_preset_is_written_with_the_scores_of_its_stored_weights(pictures, tmp_path):
    run = make_run(tmp_path / "run", awsrn.AWSRN.from_preset("awsrn_sd_x2"))
    publish(run, pictures, tmp_path / "out")

    tensors = np.load(tmp_path / "out/awsrn_sd_x2.npz")
    card = json.loads((tmp_path / "out/awsrn_sd_x2.json").read_text())
    model = from_pytorch(tmp_path / "out/awsrn_sd_x2.npz")
    hr = np.asarray(Image.open(pictures[0] / "hr.png"))
    lr = imresize(hr, 1 / 2)
    expected = psnr_y(np.asarray(model(lr[None].astype("float32")))[0], hr, 2)

    assert card["psnr"]["validation"] == pytest.approx(expected, abs=1e-3)
    assert card["psnr"].keys() == {"validation", "other"}
    assert (card["steps"], card["hours"], card["machine"]) == (30, 0.5, "a clock")
    assert (card["recipe"], card["why_less"]) == ("30 steps: patience", "three steps")
    assert (card["trained_on"], card["seed"]) == ("waves", 7)
    assert card["lineage"]["init"] is None
    assert (card["variant"], card["params"]) == ("awsrn_sd", 348_098)
    assert {tensors[name].dtype.name for name in tensors if "weight_v" in name} == {"float16"}
    assert {tensors[name].dtype.name for name in tensors if "weight_v" not in name} == {"float32"}


def test_a_preset_for_photographs_is_judged_by_degraded_pictures(pictures, tmp_path):
    model = awsrn.AWSRN.from_preset("awsrn_nano_x2")
    run = make_run(tmp_path / "run", model)
    sets = ["--validation", str(pictures[0]), "--benchmarks", str(pictures[1])]
    command = [str(run), *sets, "--why-less", "noise", "-o", str(tmp_path / "out"), "--photo"]
    main(command)

    card = json.loads((tmp_path / "out/awsrn_nano_x2_photo.json").read_text())
    hr = np.asarray(Image.open(pictures[0] / "hr.png"))
    encoded = io.BytesIO()
    Image.fromarray(imresize(hr, 1 / 2)).save(encoded, "JPEG", quality=30)
    lr = np.asarray(Image.open(encoded))
    expected = psnr_y(np.asarray(model(lr[None].astype("float32")))[0], hr, 2)
    assert card["psnr_degraded"]["jpeg30"] == pytest.approx(expected, abs=2e-3)
    assert card["psnr_degraded"].keys() == card["psnr_degraded_bicubic"].keys() == set(CONDITIONS)
    assert card["validation_set"] == "validation"
    assert card["psnr_degraded"]["jpeg30"] < card["psnr"]["validation"]

    # Better by the mean over all conditions replaces it, although it is worse on clean pictures.
    path = tmp_path / "out/awsrn_nano_x2_photo.json"
    with pytest.raises(InputError, match=r"awsrn_nano_x2_photo has .* the preset is kept"):
        main(command)
    card["psnr"]["validation"] += 1
    card["psnr_degraded"]["noise10"] -= 1.1
    path.write_text(json.dumps(card))
    main(command)
    assert json.loads(path.read_text())["psnr"]["validation"] < card["psnr"]["validation"]


def test_a_model_that_is_not_better_leaves_the_preset_alone(pictures, tmp_path):
    publish("awsrn_sd_x2", pictures, tmp_path / "out")
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}
    worse = awsrn.AWSRN.from_preset("awsrn_sd_x2")
    worse.get_layer("head").bias.assign(np.full(16, 0.3))
    make_run(tmp_path / "worse", worse)

    for model in (tmp_path / "worse", "awsrn_sd_x2"):  # the same is not better either
        with pytest.raises(InputError, match="the preset is kept"):
            publish(model, pictures, tmp_path / "out")
    assert before == {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}


@pytest.mark.slow
def test_a_better_model_replaces_the_preset(pictures, tmp_path):
    worse = awsrn.AWSRN.from_preset("awsrn_sd_x2")
    worse.get_layer("head").bias.assign(worse.get_layer("head").bias + 0.3)
    publish(make_run(tmp_path / "worse", worse), pictures, tmp_path / "out")
    publish("awsrn_sd_x2", pictures, tmp_path / "out")
    stored = read_tensors(tmp_path / "out/awsrn_sd_x2.npz")
    assert not np.array_equal(stored["head.0.bias"], worse.get_layer("head").bias)


@pytest.mark.parametrize("name", ["weights.npz", "model.keras"])
def test_weights_of_unknown_origin_become_no_preset(name, pictures, tmp_path):
    model = awsrn.AWSRN("awsrn_sd", 2)
    if name == "weights.npz":
        np.savez(tmp_path / name, **official_weights(model))
    else:
        model.save(tmp_path / name)
    with pytest.raises(InputError, match=f"the origin of {name} is not known"):
        publish(tmp_path / name, pictures, tmp_path / "out")
    taught = make_run(tmp_path / "taught", model, teacher={"unknown": "theirs.pt"})
    with pytest.raises(InputError, match=r"taught: the origin of theirs\.pt is not known"):
        publish(taught, pictures, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_card_of_an_average_counts_every_training_once():
    def run(name, steps, init):
        facts = {"hours": steps / 8, "machine": "a clock", "recipe": f"way {name}", "seed": steps}
        data = {"trained_on": "waves" if name == "a" else "lines"}
        return {"run": name, "steps": steps, **facts, **data, "init": init, "teacher": None}

    first = run("a", 4, None)
    facts = training_facts({"average": [first, run("b", 2, first)]})
    assert (facts["steps"], facts["hours"], facts["seed"]) == (6, 0.75, 2)
    assert (facts["trained_on"], facts["machine"]) == ("waves; then lines", "a clock")
    recipe = "4 steps: way a; then 2 steps: way b; then average of the weights of 2 networks"
    assert facts["recipe"] == recipe


def test_storage_that_costs_quality_is_refused():
    scores = [
        SetScores("waves", ["hr.png"], {"mine": [(psnr, 0.9)]}, {}) for psnr in (30.0, 30.0011)
    ]
    check_cost(scores[1], scores[0], "mine")  # better by chance: fine
    with pytest.raises(InputError, match=r"mine: float16 kernels cost 0\.0011 dB"):
        check_cost(scores[0], scores[1], "mine")
