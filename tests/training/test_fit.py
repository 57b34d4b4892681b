import contextlib
import csv
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from training_runs import arguments, make_photographs

from awsrn_keras.command_line import run_command
from awsrn_keras.network.loading import load_model
from awsrn_keras.network.model import AWSRN
from training.fit import main
from training.fitting import tail
from training.fitting.callbacks import ValidationPSNR
from training.fitting.config import RECIPES, Config
from training.fitting.run_folder import RunFolder
from training.fitting.trainer import learning_rate_schedule


@pytest.fixture
def photographs(tmp_path) -> Path:
    return make_photographs(tmp_path / "photographs")


def refused(capsys, arguments) -> str:
    """The one line on stderr with which `fit.py` refuses, after checking status 2."""
    with pytest.raises(SystemExit) as stopped:
        run_command(lambda: main(arguments))
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


def test_a_run_leaves_everything_needed_to_judge_and_repeat_it(photographs, tmp_path, capsys):
    run = tmp_path / "run"
    main(arguments(photographs, run, "--ema", "0.5"))

    config = json.loads((run / "config.json").read_text())
    assert (config["variant"], config["scale"], config["total_steps"]) == ("awsrn_s", 2, 6)
    assert config["versions"]["keras"] == keras.__version__
    with open(run / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["steps"] for row in rows] == ["3", "6"]
    assert float(rows[0]["val_psnr"]) != float(rows[1]["val_psnr"])
    for picture in ("curves.png", "preview.png"):
        assert np.asarray(Image.open(run / picture)).std() > 10
    assert list((run / "tensorboard").rglob("events*"))
    assert not list(run.rglob("*.part*"))
    out = capsys.readouterr().out
    assert out.startswith("Computing on ")
    assert "bicubic" in out
    assert str(run / "model.keras") in out

    model, best = load_model(run), AWSRN("awsrn_s", 2)
    best.load_weights(run / "best.weights.h5")
    for saved, expected in zip(model.get_weights(), best.get_weights(), strict=True):
        np.testing.assert_array_equal(saved, expected)
    first = AWSRN("awsrn_s", 2).get_layer("head").bias.numpy()
    assert np.abs(model.get_layer("head").bias.numpy() - first).max() > 1e-4


def test_a_finished_run_is_neither_overwritten_nor_resumed_otherwise(photographs, tmp_path, capsys):
    run = tmp_path / "run"
    main(arguments(photographs, run))
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}

    assert "--resume" in refused(capsys, arguments(photographs, run))
    error = refused(capsys, ["--run-dir", str(run), "--resume", "--batch-size", "4"])
    assert "--batch-size 2" in error

    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_two_runs_in_one_folder_are_refused(photographs, tmp_path, capsys):
    with contextlib.closing(RunFolder(tmp_path / "run")) as first:
        first.start(Config(), "tensorflow", ["cpu:0"])
        error = refused(capsys, ["--run-dir", str(tmp_path / "run"), "--resume"])
    assert "another run" in error


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--variant", "edsr"], "awsrn_sd"),
        (["--scale", "5"], "2, 3, 4, 8"),
        (["--batch-size", "0"], "--batch-size"),
        (["--patch-size", "100"], "200 of a patch"),
        (["--ema", "1.5"], "--ema"),
        (["--precision", "int8"], "mixed_bfloat16"),
        (["--loss", "ssim"], "--loss must be one of l1, mse, charbonnier, log_mse"),
        (["--optimizer", "sgd"], "--optimizer must be one of adam, muon"),
        (["--init", "nothing.keras"], "nothing.keras"),
        (["--init", "awsrn_sd_x2"], "awsrn_sd"),
        (["--data", "no/such/folder"], "no/such/folder"),
        (["--lr-dir", "no/such/folder"], "no/such/folder"),
        (["--resume"], "no run to resume"),
    ],
)
def test_a_mistake_is_named_and_leaves_nothing_behind(
    photographs, tmp_path, capsys, options, named
):
    run = tmp_path / "run"
    given = ["--run-dir", str(run)] if options == ["--resume"] else arguments(photographs, run)
    assert named in refused(capsys, [*given, *options])
    assert not run.exists()


def test_another_scale_starts_from_a_solved_tail(photographs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tail, "LR_PIXELS", 4000)
    network = ("--variant", "awsrn_sd", "--scale", "3", "--loss", "log_mse")
    scores = []
    for init in ("scratch", "awsrn_sd_x2"):
        run = tmp_path / init
        main(arguments(photographs, run, *network, "--init", init))
        assert json.loads((run / "config.json").read_text())["loss"] == "log_mse"
        assert ("Solving for the tail of x3" in capsys.readouterr().out) == (init != "scratch")
        with open(run / "metrics.csv") as file:
            scores.append(float(next(csv.DictReader(file))["val_psnr"]))
    assert scores[1] > scores[0] + 3


def test_validation_crops_show_the_same_place_in_lr_and_hr():
    hr = np.random.default_rng(0).integers(0, 256, (46, 66, 3), dtype="uint8")  # LR 23x33
    lr = hr[::2, ::2]
    validation = ValidationPSNR([(lr, hr), (lr[:, :21], hr[:, :42])], scale=2, crop=16)
    assert validation.lr.shape == (2, 16, 16, 3)
    np.testing.assert_array_equal(validation.lr, validation.hr[:, ::2, ::2])


def test_a_truncated_photograph_is_named(photographs, tmp_path, capsys):
    whole = (photographs / "wave_2.png").read_bytes()
    (photographs / "wave_2.png").write_bytes(whole[: len(whole) // 2])
    assert "wave_2.png" in refused(capsys, arguments(photographs, tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_halving_follows_the_paper_and_cosine_ends_low():
    paper = RECIPES["paper"]
    assert (paper.loss, paper.optimizer) == ("l1", "adam")
    rate = learning_rate_schedule(paper, paper.total_steps)
    steps = [0, 199_999, 200_000, 999_999]
    np.testing.assert_allclose([rate(s) for s in steps], [1e-3, 1e-3, 5e-4, 6.25e-5], rtol=1e-6)

    rate = learning_rate_schedule(Config(learning_rate=1e-3), 1000)
    np.testing.assert_allclose(rate(100), 1e-3, rtol=1e-6)
    np.testing.assert_allclose(rate(550), 1e-3 * (0.5 + 0.5e-3), rtol=1e-3)
    np.testing.assert_allclose(rate(1000), 1e-6, rtol=1e-3)
