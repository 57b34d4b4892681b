import contextlib
import csv
import json
import platform
import re

import keras
import numpy as np
import pytest
from PIL import Image
from training_runs import arguments, make_photographs

from awsrn_keras import prune_branches
from awsrn_keras.command_line import run_command
from awsrn_keras.data import PairBank, load_pairs
from awsrn_keras.errors import InputError
from awsrn_keras.network.loading import load_model
from awsrn_keras.network.model import AWSRN
from training.fit import main
from training.fitting import callbacks, tail
from training.fitting.advice import on_validation
from training.fitting.callbacks import ValidationPSNR
from training.fitting.config import RECIPES, Config
from training.fitting.plots import plot_curves
from training.fitting.run_folder import RunFolder
from training.fitting.trainer import learning_rate_schedule, length
from training.lineage import digest


def refused(capsys, arguments) -> str:
    """The one line on stderr with which `fit.py` refuses, after checking status 2."""
    with pytest.raises(SystemExit) as stopped:
        run_command(lambda: main(arguments))
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


def test_a_run_leaves_everything_needed_to_judge_and_repeat_it(finished):
    run, printed = finished
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
    assert printed.startswith("Computing on ")
    assert "bicubic" in printed
    assert str(run / "model.keras") in printed

    model, best = load_model(run), AWSRN("awsrn_s", 2)
    best.load_weights(run / "best.weights.h5")
    for saved, expected in zip(model.get_weights(), best.get_weights(), strict=True):
        np.testing.assert_array_equal(saved, expected)
    first = AWSRN("awsrn_s", 2).get_layer("head").bias.numpy()
    assert np.abs(model.get_layer("head").bias.numpy() - first).max() > 1e-4


def test_the_record_of_a_run_tells_what_made_its_best_weights(finished):
    config = json.loads((finished.folder / "config.json").read_text())
    trained = config["trained"]
    with open(finished.folder / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    best = max(rows, key=lambda row: float(row["val_psnr"]))
    seconds = sum(float(row["seconds"]) for row in rows[: int(best["epoch"])])
    assert trained["steps"] == int(best["steps"])
    assert trained["hours"] == pytest.approx(seconds / 3600, abs=1e-4)
    assert trained["weights"] == digest(load_model(finished.folder))
    assert trained["trained_on"] == "2 photographs of photographs"
    assert trained["machine"].endswith(f"({platform.machine()})")
    words = "loss log_mse in RGB, batch 2, LR patches 8x8, Muon 0.01, cosine schedule, float32"
    assert trained["recipe"] == f"{words}, EMA 0.5"
    assert config["lineage"] == {"init": None, "teacher": None}


def test_a_finished_run_is_neither_overwritten_nor_resumed_otherwise(finished, photographs, capsys):
    run = finished.folder
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}

    assert "--resume" in refused(capsys, arguments(photographs, run))
    error = refused(capsys, ["--run-dir", str(run), "--resume", "--batch-size", "4"])
    assert "--batch-size 2" in error

    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


@pytest.mark.parametrize("missing", ["ema", "schedule"])
def test_a_run_whose_record_lacks_an_option_is_not_resumed_with_todays_default(
    missing, run, capsys
):
    config = json.loads((run / "config.json").read_text())
    del config[missing]
    (run / "config.json").write_text(json.dumps(config))
    assert f"it lacks {missing}," in refused(capsys, ["--run-dir", str(run), "--resume"])


def test_a_run_older_than_pruned_networks_can_be_resumed(finished):
    stored = json.loads((finished.folder / "config.json").read_text())
    assert stored.pop("kernel_sizes") is None
    assert Config.from_json(stored).kernel_sizes is None


def test_two_runs_in_one_folder_are_refused(photographs, tmp_path, capsys):
    with contextlib.closing(RunFolder(tmp_path / "run")) as first:
        first.start(Config())
        error = refused(capsys, ["--run-dir", str(tmp_path / "run"), "--resume"])
    assert "another run" in error


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--variant", "edsr"], "awsrn_sd"),
        (["--scale", "5"], "2, 3, 4, 8"),
        (["--batch-size", "0"], "--batch-size"),
        (["--patch-size", "100"], "200x200 is the least"),
        (["--ema", "1.5"], "--ema"),
        (["--ema", "nan"], "--ema"),
        (["--learning-rate", "nan"], "--learning-rate"),
        (["--minutes", "0"], "--minutes"),
        (["--minutes", "3"], "--minutes sets the length of the run: leave out --epochs"),
        (["--minutes", "inf"], "--minutes must be a number above 0, got inf"),
        (["--minutes", "nan"], "--minutes"),
        (["--seed", "-1"], "--seed"),
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


def test_another_scale_starts_from_a_solved_tail(
    finished, photographs, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(tail, "LR_PIXELS", 4000)
    run = tmp_path / "run"
    network = ("--variant", "awsrn_sd", "--scale", "3", "--init", "awsrn_sd_x2", "--epochs", "1")
    main(arguments(photographs, run, *network))
    assert "Solving for the tail of x3" in capsys.readouterr().out
    assert "Solving" not in finished.printed

    untrained = ValidationPSNR(AWSRN("awsrn_sd", 3), load_pairs(photographs, 3, "validation"))
    with open(run / "metrics.csv") as file:
        assert float(next(csv.DictReader(file))["val_psnr"]) > untrained.mean_psnr() + 3


@pytest.mark.parametrize(
    ("minutes", "step"), [(0.3, 0.01), (1.42, 0.4), (1.5, 7), (600, 0.3), (5, 45), (3, 130)]
)
def test_minutes_become_epochs_of_at_most_a_minute(minutes, step):
    epochs, steps = length(minutes, step)
    assert steps == 1 or steps * step <= 60
    assert epochs * steps * step <= max(60 * minutes, step)
    assert epochs * steps * step > 0.8 * 60 * minutes or steps < 6


def test_the_release_recipe_is_what_won():
    release = RECIPES["release"]
    release.check()
    assert (release.loss, release.optimizer, release.schedule) == ("log_mse", "muon", "cosine")
    assert (release.ema, release.precision) == (0.999, "mixed_bfloat16")


def test_the_curve_of_the_loss_bears_its_name():
    rows = [{"steps": 3, "loss": 2.5, "val_psnr": 30.0, "learning_rate": 1e-3}]
    figure = plot_curves(rows, 28.0, "charbonnier")
    assert figure.axes[0].get_ylabel() == "charbonnier (RGB, 0..255)"


def test_a_validation_picture_too_small_for_a_score_is_found_before_the_training(
    photographs, tmp_path, capsys
):
    small = tmp_path / "small"
    small.mkdir()
    Image.fromarray(np.zeros((14, 40, 3), "uint8")).save(small / "low.png")
    given = [*arguments(photographs, tmp_path / "run"), "--val", str(small)]
    assert "low.png: 40x14 pixels are too few, 15x15 is the least" in refused(capsys, given)
    assert not (tmp_path / "run").exists()


def test_a_pruned_network_keeps_its_branches(photographs, tmp_path):
    pruned = prune_branches(AWSRN.from_preset("awsrn_s_x2"), keep=(3, 7))
    pruned.save(tmp_path / "pruned.keras")
    run = tmp_path / "run"
    few = ("--epochs", "1", "--steps-per-epoch", "1", "--learning-rate", "1e-9")
    main(arguments(photographs, run, "--init", str(tmp_path / "pruned.keras"), *few))

    assert json.loads((run / "config.json").read_text())["kernel_sizes"] == [3, 7]
    (run / "model.keras").rename(tmp_path / "model.keras")
    for path in (run, tmp_path / "model.keras"):  # from best.weights.h5, and the archive
        trained = load_model(path)
        assert trained.kernel_sizes == (3, 7)
        weights = zip(trained.get_weights(), pruned.get_weights(), strict=True)
        assert max(np.abs(a - b).max() for a, b in weights) < 1e-4


def test_validation_crops_show_the_same_place_in_lr_and_hr():
    hr = np.random.default_rng(0).integers(0, 256, (46, 66, 3), dtype="uint8")  # LR 23x33
    lr = hr[::2, ::2]
    pairs = [("whole", lr, hr), ("narrow", lr[:, :21], hr[:, :42]), ("low", lr[:9], hr[:18])]
    crops = ValidationPSNR(AWSRN("awsrn_s", 2), PairBank.from_pairs(pairs, 2), crop=16).crops
    assert crops.names == ["whole", "narrow", "low"]
    assert [small.shape for small, _ in crops.pairs()] == [(16, 16, 3), (16, 16, 3), (9, 9, 3)]
    for small, large in crops.pairs():
        np.testing.assert_array_equal(small, large[::2, ::2])
    np.testing.assert_array_equal(crops.lr(0), lr[3:19, 8:24])


def add_unusable(folder) -> list[str]:
    """Pictures that neither training nor validation can use, by name."""
    whole = (folder / "wave_2.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").write_bytes(b"")
    for name, width in (("dot.png", 1), ("small.png", 14)):
        Image.fromarray(np.zeros((14, width, 3), "uint8")).save(folder / name)
    return ["cut.png", "dot.png", "empty.png", "small.png"]


def test_pictures_that_cannot_be_used_are_left_out_by_name(tmp_path, capsys):
    photographs = make_photographs(tmp_path / "photographs")
    names = add_unusable(photographs)

    main(arguments(photographs, tmp_path / "run"))

    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("Left out")]
    assert len(lines) == 2  # of training and of validation
    for line in lines:
        assert line.startswith("Left out 4 of 6 images: ")
        for name in names:
            assert f"photographs/{name}: " in line
    assert "2 training and 2 validation images" in captured.out


@pytest.mark.parametrize("option", ["--data", "--val"])
def test_strict_refuses_them_before_anything_is_written(photographs, tmp_path, capsys, option):
    unusable = make_photographs(tmp_path / "unusable")
    names = add_unusable(unusable)
    run = tmp_path / "run"

    error = refused(capsys, arguments(photographs, run, option, str(unusable), "--strict"))

    assert all(f"unusable/{name}: " in error for name in names)
    assert not run.exists()


def test_what_is_validated_on_is_said(tmp_path):
    (tmp_path / "DIV2K_valid_HR").mkdir()
    root, mine = str(tmp_path), "my/photographs"
    for config, expected in (
        (Config(), "sample, held out from training"),
        (Config(data=("div2k",)), "div2k, held out from training"),
        (Config(data=(root,)), f"{root}, held out from training"),
        (Config(data=(mine,), val=("other",)), "other"),
        (Config(data=(mine,)), "sample, none of them yours: give --val DIR with pictures like"),
    ):
        assert on_validation(config).startswith(f"validating on images of {expected}")
    assert on_validation(Config(data=(mine,), val=("other",))).endswith(" other")


def test_a_model_worse_than_bicubic_is_said_after_a_minute_and_at_the_end(
    photographs, tmp_path, capsys, monkeypatch
):
    def advice(run, *options):
        main(arguments(photographs, tmp_path / run, *options))
        lines = capsys.readouterr().out.splitlines()
        text = "dB below bicubic on the validation images: train longer (--minutes)"
        return [line.split()[0] for line in lines if text in line]

    assert advice("short") == ["awsrn_s_x2"]
    monkeypatch.setattr(callbacks, "ADVICE_AFTER", 0)
    assert advice("long") == ["so", "awsrn_s_x2"]
    assert advice("averaged", "--ema", "0.999") == ["awsrn_s_x2"]  # the average is not there yet
    trained = ("--variant", "awsrn_sd", "--init", "awsrn_sd_x2", "--learning-rate", "1e-6")
    assert advice("trained", *trained) == []


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


def test_a_degraded_run_records_how_and_is_judged_by_degraded_pictures(
    photographs, tmp_path, capsys
):
    setting = tmp_path / "mine.json"
    setting.write_text('{"clean": 0.5, "jpeg_quality": [60, 80]}')
    folder = tmp_path / "run"
    main(arguments(photographs, folder, "--degrade", str(setting)))

    config = json.loads((folder / "config.json").read_text())
    assert (config["degrade"]["clean"], config["degrade"]["jpeg_quality"]) == (0.5, [60, 80])
    assert "quality 60 to 80" in config["trained"]["recipe"]
    trained = load_model(folder), load_pairs([photographs], 2)
    clean, degraded = (ValidationPSNR(*trained, c) for c in (("clean",), ("clean", "jpeg30")))
    assert len(degraded.crops) == 2 * len(clean.crops) == 4
    assert degraded.bicubic_psnr < clean.bicubic_psnr - 0.1
    setting.write_text('{"clean": 0.4, "jpeg_quality": [60, 80]}')
    stored = 'was started with --degrade {"clean": 0.5, "jpeg_quality": [60, 80]}, not '
    with pytest.raises(InputError, match=re.escape(stored + '{"clean": 0.4, "jpeg_')):
        main(["--resume", "--run-dir", str(folder), "--degrade", str(setting)])
    with pytest.raises(InputError, match=re.escape(stored + "photo: leave")):
        main(["--resume", "--run-dir", str(folder), "--degrade", "photo"])


def test_an_unknown_degradation_leaves_nothing_behind(photographs, tmp_path):
    with pytest.raises(InputError, match="fog: choose photo or name a JSON file"):
        main(arguments(photographs, tmp_path / "run", "--degrade", "fog"))
    assert not (tmp_path / "run").exists()
