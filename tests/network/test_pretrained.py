"""Presets have the scores that their cards claim; MODEL is found in every form it may have."""

import functools
import json

import keras
import numpy as np
import pytest

import awsrn_keras as awsrn
from awsrn_keras.errors import InputError
from awsrn_keras.network.loading import load_model, official_weights
from awsrn_keras.network.presets import PHOTO, WEIGHTS, preset_path
from awsrn_keras.scoring.image_sets import load_image_sets
from awsrn_keras.scoring.published import published
from awsrn_keras.scoring.score import mean_score, score
from awsrn_keras.upscaling.keras_engine import KerasEngine
from awsrn_keras.upscaling.upscale import upscale

PRESETS = awsrn.presets()
PHOTO_PRESETS = [name for name in PRESETS if name.endswith(PHOTO)]
NAMES = [f"{variant}_x{scale}" for variant in ("awsrn_sd", "awsrn_s") for scale in (2, 3, 4)]


@pytest.fixture
def model():
    return awsrn.AWSRN("awsrn_sd", 3)


def assert_same(loaded, model):
    assert (loaded.variant, loaded.scale) == (model.variant, model.scale)
    for weight, expected in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


def measured(name, image_set):
    upscaler = functools.partial(upscale, model=KerasEngine(name))
    pairs = map(image_set.pairs.pair, range(len(image_set.pairs)))
    return mean_score(score(upscaler, pairs, PRESETS[name]["scale"]))


def assert_scores(name, folder):
    card = PRESETS[name]
    for image_set in load_image_sets([folder], card["scale"]):
        result = measured(name, image_set)
        assert result.psnr == pytest.approx(card["psnr"][image_set.name], abs=0.002)
        assert result.ssim == pytest.approx(card["ssim"][image_set.name], abs=1e-4)


def test_the_small_networks_have_a_preset_at_each_scale():
    assert set(NAMES) <= PRESETS.keys()
    assert awsrn.presets() is not awsrn.presets()  # a caller's change spoils nothing


@pytest.mark.parametrize("name", PRESETS)
def test_a_card_tells_what_its_weights_are(name):
    card, model = PRESETS[name], awsrn.AWSRN.from_preset(name)

    assert (card["variant"], card["scale"]) == (model.variant, model.scale)
    assert card["params"] == model.count_params()
    assert card["license"] == "Apache-2.0"
    needed = ("trained_on", "steps", "hours", "machine", "recipe", "seed", "origin", "why_less")
    for key in needed:
        assert card[key] not in ("", None)
    assert card["psnr"].keys() == card["ssim"].keys() == card["psnr_bicubic"].keys()
    assert {"Set5", "Set14"} < card["psnr"].keys()
    for image_set, psnr in card["psnr"].items():
        assert psnr > card["psnr_bicubic"][image_set] + 1
    for image_set, psnr in card["psnr_paper"].items():
        assert psnr == published(model.variant, model.scale, image_set).psnr
        difference = card["psnr"][image_set] - psnr
        assert card["psnr_less_paper"][image_set] == pytest.approx(difference, abs=0.0051)


def test_every_file_of_the_folder_belongs_to_a_preset():
    assert {file.stem for file in WEIGHTS.glob("*.npz")} == PRESETS.keys()


def test_a_preset_scores_what_its_card_says(shared):
    assert_scores("awsrn_sd_x4", shared / "data/benchmarks/Set5")


@pytest.mark.slow
@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("folder", ["benchmarks", "val/kodak24"])
def test_every_preset_scores_what_its_card_says(name, folder, shared):
    assert_scores(name, shared / "data" / folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", PHOTO_PRESETS)
def test_a_preset_for_photographs_scores_what_its_card_says(name, shared):
    card = PRESETS[name]
    (kodak24,) = load_image_sets([shared / "data/val/kodak24"], card["scale"])
    for condition, psnr in card["psnr_degraded"].items():
        result = measured(name, kodak24.degraded(condition))
        assert result.psnr == pytest.approx(psnr, abs=0.002)
        assert psnr > card["psnr_degraded_bicubic"][condition]


def test_from_preset_gives_the_class_that_is_asked():
    class Mine(awsrn.AWSRN):
        pass

    model = Mine.from_preset("awsrn_sd_x2")
    assert type(model) is Mine
    assert_same(model, awsrn.AWSRN.from_preset("awsrn_sd_x2"))


def test_from_preset_takes_a_dtype():
    model = awsrn.AWSRN.from_preset("awsrn_nano_x2", dtype="mixed_bfloat16")
    assert model.get_layer("lfb_1").compute_dtype == "bfloat16"
    assert_same(model, awsrn.AWSRN.from_preset("awsrn_nano_x2"))


def test_an_unknown_preset_lists_those_there_are():
    with pytest.raises(InputError, match=r"'awsrn_xl_x2': choose one of awsrn_.*awsrn_s_x3"):
        awsrn.AWSRN.from_preset("awsrn_xl_x2")
    with pytest.raises(InputError, match=r"no such model; give a preset \(awsrn_.*\.keras"):
        load_model("awsrn_xl_x2")


def test_a_model_is_loaded_by_preset_name_or_from_any_file(model, tmp_path):
    assert_same(load_model("awsrn_sd_x2"), awsrn.AWSRN.from_preset("awsrn_sd_x2"))
    assert_same(load_model(preset_path("awsrn_sd_x2")), load_model("awsrn_sd_x2"))
    model.save(tmp_path / "a.keras")
    model.save_weights(tmp_path / "a.weights.h5")
    np.savez(tmp_path / "a.npz", **official_weights(model))
    for suffix in ("keras", "weights.h5", "npz"):
        assert_same(load_model(tmp_path / f"a.{suffix}"), model)


def test_a_run_folder_is_loaded_while_it_runs_and_when_it_is_done(tmp_path):
    running = awsrn.AWSRN("awsrn_sd", 2, kernel_sizes=(3, 5))
    running.compile("adam", "mean_absolute_error")  # its weights file has the optimizer too
    running.save_weights(tmp_path / "best.weights.h5")
    config = {"variant": "awsrn_sd", "scale": 2, "kernel_sizes": [3, 5], "epochs": 3}
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert_same(load_model(tmp_path), running)
    assert_same(load_model(tmp_path / "best.weights.h5"), running)

    done = awsrn.AWSRN("awsrn_sd", 2)
    done.save(tmp_path / "model.keras")
    assert_same(load_model(tmp_path), done)


def test_weights_of_no_published_network_need_their_config(tmp_path):
    pruned = awsrn.AWSRN("awsrn_sd", 2, kernel_sizes=(3, 5))
    pruned.save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(InputError, match=r"a\.weights\.h5: its \d+ weights .*config\.json"):
        load_model(tmp_path / "a.weights.h5")
    (tmp_path / "config.json").write_text('{"variant": "awsrn_xl", "scale": 2}')
    with pytest.raises(InputError, match=r"config\.json: not the config\.json .*awsrn_xl"):
        load_model(tmp_path / "a.weights.h5")


@pytest.mark.parametrize("name", ["a.keras", "a.weights.h5"])
@pytest.mark.parametrize("kept", [0, 0.5])
def test_a_damaged_file_is_a_one_line_error(name, kept, model, tmp_path):
    file = tmp_path / name
    model.save(file) if name == "a.keras" else model.save_weights(file)
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(InputError, match=f"{name}: damaged or not") as caught:
        load_model(file)
    assert len(str(caught.value).splitlines()) == 1


def test_a_model_that_diverged_is_refused_by_the_name_of_the_weight(model, tmp_path):
    model.get_layer("head").bias.assign(np.full(16, np.nan))
    model.save(tmp_path / "a.keras")
    with pytest.raises(InputError, match="head/bias holds NaN"):
        load_model(tmp_path / "a.keras")


def test_other_files_and_other_networks_are_refused(tmp_path):
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(tmp_path / "a.keras")
    (tmp_path / "a.tflite").write_bytes(b"anything")
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("a.keras", "holds a Sequential, not an AWSRN"),
        ("a.tflite", "a model file ends in"),
        ("empty", "holds neither"),
    ):
        with pytest.raises(InputError, match=f"{name}: {message}"):
            load_model(tmp_path / name)
