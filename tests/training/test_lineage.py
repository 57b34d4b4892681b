"""Where weights come from: told run by run, or unknown, never made up."""

import json
import shutil

import numpy as np
import pytest
from training_runs import arguments, make_run

from awsrn_keras import AWSRN
from awsrn_keras.network.loading import load_model
from awsrn_keras.network.presets import preset_path, presets
from training.fit import main
from training.lineage import digest, lineage, trainings, unknown_origins


def lineage_of(name) -> dict:
    return lineage(name, load_model(name))


def test_a_run_started_from_another_tells_of_it_and_of_its_teacher(finished, photographs, tmp_path):
    first, second = finished.folder, tmp_path / "second"
    short = ("--epochs", "1", "--steps-per-epoch", "1", "--seed", "3")
    weights = first / "best.weights.h5"  # of the same run as the folder
    parents = ("--init", str(weights), "--teacher", "awsrn_s_x2")
    main(arguments(photographs, second, *short, *parents))

    found = lineage_of(second)
    trained = json.loads((first / "config.json").read_text())["trained"]
    del trained["weights"]
    assert found["init"] == {"run": "run", **trained, "init": None, "teacher": None}
    assert (found["run"], found["steps"], found["seed"]) == ("second", 1, 3)
    assert found["recipe"].endswith("float32, on the results of awsrn_s_x2")
    assert found["teacher"]["preset"] == "awsrn_s_x2"
    assert found["teacher"]["steps"] == presets()["awsrn_s_x2"]["steps"]
    assert unknown_origins(found) == []
    assert trainings(found) == [found["init"], found]  # the teacher's weights are not in it


def other_weights(folder):
    model = load_model(folder)
    model.get_layer("head").bias.assign(np.full(16, 0.5))
    model.save(folder / "model.keras")
    return folder


def older_record(folder):
    config = json.loads((folder / "config.json").read_text())
    del config["lineage"]
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def damaged_record(folder):
    (folder / "config.json").write_text("[]")
    return folder


def a_file_elsewhere(folder):
    return shutil.copy(folder / "model.keras", folder / "best.keras")


def without_record(folder):
    (folder / "config.json").unlink()
    return folder


@pytest.mark.parametrize(
    "change", [other_weights, older_record, damaged_record, a_file_elsewhere, without_record]
)
def test_an_origin_that_no_record_tells_is_unknown(change, tmp_path):
    folder = make_run(tmp_path / "run", AWSRN("awsrn_sd", 2))
    assert unknown_origins(lineage_of(folder)) == []
    named = change(folder)
    assert unknown_origins(lineage_of(named)) == [named.name]


def test_a_copy_of_a_preset_says_nothing_of_its_origin(tmp_path):
    copy = shutil.copy(preset_path("awsrn_sd_x2"), tmp_path / "weights.npz")
    assert lineage_of(copy) == {"unknown": "weights.npz"}


def test_an_unknown_origin_is_found_behind_averages_and_teachers():
    run = {"run": "b", "init": None, "teacher": {"unknown": "x.pt"}}
    node = {"average": [{"preset": "p"}, {"run": "a", "init": run, "teacher": None}]}
    assert unknown_origins(node) == ["x.pt"]


def test_a_training_that_averaged_networks_share_counts_once():
    first = {"run": "a", "steps": 5, "init": {"preset": "p"}, "teacher": None}
    second = {"run": "b", "steps": 3, "init": first, "teacher": {"preset": "q"}}
    found = trainings({"average": [first, second]})
    assert [each.get("run") or each["preset"] for each in found] == ["p", "a", "b"]


def test_a_digest_tells_weights_and_structure_apart():
    model = AWSRN("awsrn_sd", 2)
    before = digest(model)
    assert len(before) == 64
    assert digest(model) == before
    model.get_layer("head").bias.assign(np.full(16, 1e-9))
    assert digest(model) != before
