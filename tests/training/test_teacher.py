import csv
import json

import numpy as np
import pytest
from training_runs import arguments, make_photographs

from awsrn_keras.data import PairBank, load_pairs
from awsrn_keras.errors import InputError
from awsrn_keras.network.loading import load_model
from training.fit import main
from training.fitting.teacher import taught


def eight_views_averaged(model, lr: np.ndarray) -> np.ndarray:
    """What the network as it was trained makes of each flip and rotation, turned back."""
    results = []
    for turns in range(4):
        for flip in (slice(None), slice(None, None, -1)):
            view = np.rot90(lr, turns)[:, flip]
            result = np.asarray(model(view[None].astype("float32")))[0]
            results.append(np.rot90(result[:, flip], -turns))
    return np.clip(np.mean(results, 0), 0, 255)


def test_the_results_of_the_teacher_replace_the_photographs(photographs):
    data = load_pairs(photographs, 2)
    bank = taught(data, "awsrn_sd_x2")
    assert (bank.names, bank.scale) == (data.names, 2)
    model = load_model("awsrn_sd_x2")
    for i in range(len(data)):
        np.testing.assert_array_equal(bank.lr(i), data.lr(i))
        assert np.abs(bank.hr(i) - eight_views_averaged(model, data.lr(i))).max() < 0.51
        assert np.abs(bank.hr(i).astype(int) - data.hr(i)).mean() > 2


def test_results_are_kept_for_the_same_teacher_and_pictures(photographs, tmp_path):
    data = load_pairs(photographs, 2)
    bank = taught(data, "awsrn_sd_x2")
    made = bank.path.stat().st_mtime_ns
    assert taught(data, "awsrn_sd_x2").path.stat().st_mtime_ns == made
    other = taught(data, "awsrn_s_x2")
    assert other.path != bank.path
    assert np.any(other.hr(0) != bank.hr(0))
    fewer = make_photographs(tmp_path / "others")
    (fewer / "wave_1.png").unlink()
    assert len(taught(load_pairs(fewer, 2), "awsrn_sd_x2")) == 1


def test_other_pixels_under_the_same_names_have_other_results(photographs):
    """Pictures without files, as the sample is, are told apart by their pixels."""
    whole = load_pairs(photographs, 2)
    first = [(name, *pair) for name, pair in zip(whole.names, whole.pairs(), strict=True)]
    second = [(name, 255 - lr, 255 - hr) for name, lr, hr in first]
    banks = [taught(PairBank.from_pairs(pairs, 2), "awsrn_sd_x2") for pairs in (first, second)]
    assert [bank.names for bank in banks] == [whole.names] * 2
    assert banks[0].path != banks[1].path
    for i in range(len(whole)):
        np.testing.assert_array_equal(banks[1].lr(i), 255 - whole.lr(i))
        assert np.any(banks[1].hr(i) != banks[0].hr(i))


def test_a_teacher_of_another_scale_is_refused(photographs):
    with pytest.raises(InputError, match="awsrn_sd_x3 has scale 3: choose one of scale 2"):
        taught(load_pairs(photographs, 2), "awsrn_sd_x3")


def test_a_run_learns_from_its_teacher_and_is_judged_by_photographs(photographs, tmp_path):
    network = (
        "--variant",
        "awsrn_sd",
        "--init",
        "awsrn_sd_x2",
        "--learning-rate",
        "1e-9",
        "--epochs",
        "1",
    )
    means = []
    for teacher in ([], ["--teacher", "awsrn_sd_x2"]):
        run = tmp_path / f"run{len(teacher)}"
        main(arguments(photographs, run, *network, *teacher))
        with open(run / "metrics.csv") as file:
            means.append({key: float(value) for key, value in next(csv.DictReader(file)).items()})
    assert json.loads((run / "config.json").read_text())["teacher"] == "awsrn_sd_x2"
    assert means[1]["psnr"] > means[0]["psnr"] + 3
    assert means[1]["val_psnr"] == pytest.approx(means[0]["val_psnr"], abs=1e-3)
