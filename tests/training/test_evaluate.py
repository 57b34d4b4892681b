"""`evaluate.py`: its tables, its JSON, the paper's figures and its refusals."""

import json
import math
import re

import keras
import numpy as np
import pytest
from PIL import Image

from awsrn_keras import AWSRN, presets, psnr_y, ssim_y, upscale
from awsrn_keras.command_line import run_command
from awsrn_keras.errors import InputError
from awsrn_keras.network.presets import WEIGHTS
from awsrn_keras.scoring.image_sets import load_image_sets
from awsrn_keras.scoring.published import published
from awsrn_keras.scoring.score import Score, bicubic
from awsrn_keras.scoring.scoreboard import SetScores, image_table, mean_table, measure
from training.evaluate import main


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def benchmark(tmp_path):
    """A folder Set5 with two pictures of noise at x2."""
    random = np.random.default_rng(0)
    for side, factor in (("LR", 1), ("HR", 2)):
        for name, size in (("a.png", (10, 14)), ("b.png", (12, 9))):
            path = tmp_path / "Set5/x2" / side / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shape = (size[0] * factor, size[1] * factor, 3)
            Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)).save(path)
    return tmp_path / "Set5"


@pytest.fixture
def network(tmp_path):
    """An untrained network and the file it is saved in."""
    keras.utils.set_random_seed(0)
    model = AWSRN("awsrn_s", 2)
    path = tmp_path / "network.keras"
    model.save(path)
    return model, str(path)


def scores_by_hand(folder, upscaler):
    scores = []
    for path in sorted((folder / "x2/LR").iterdir()):
        sr = upscaler(np.asarray(Image.open(path)))
        hr = np.asarray(Image.open(folder / "x2/HR" / path.name))
        scores.append((psnr_y(sr, hr, 2), ssim_y(sr, hr, 2)))
    return scores


def strict_json(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_table_and_the_json_hold_the_measured_scores(benchmark, network, tmp_path, capsys):
    model, file = network
    output = tmp_path / "scores" / "out.json"
    main([file, "--data", str(benchmark), "--per-image", "--json", str(output)])
    out = capsys.readouterr().out

    expected = scores_by_hand(benchmark, lambda lr: upscale(lr, model))
    by_bicubic = scores_by_hand(benchmark, lambda lr: bicubic(lr, 2))
    assert abs(expected[0][0] - by_bicubic[0][0]) > 0.02  # else mixed-up columns would pass
    mean = np.mean(expected, axis=0)
    assert out.startswith("Computing on ")
    assert "x2, PSNR in dB / SSIM on luma, 2 border pixels left out\n" in out
    assert f"{file}  {mean[0]:.2f} / {mean[1]:.4f}\n" in out
    assert re.search(r"awsrn_s in the paper +37\.75 / 0\.9596\n", out)
    first = [f"{psnr:.2f} / {ssim:.4f}" for psnr, ssim in (by_bicubic[0], expected[0])]
    assert re.search(rf"a\.png +{first[0]} +{first[1]}\n", out)

    record = strict_json(output.read_text())
    assert (record["scale"], record["border"], record["self_ensemble"]) == (2, 2, False)
    assert record["models"] == {
        file: {
            "variant": "awsrn_s",
            "parameters": 397482,
            "engine": "keras",
            "precision": "float",
        }
    }
    (image_set,) = record["sets"]
    assert image_set["name"] == "Set5"
    assert image_set["published"] == {"awsrn_s": {"psnr": 37.75, "ssim": 0.9596}}
    for method, scores in (("bicubic", by_bicubic), (file, expected)):
        recorded = image_set["scores"][method]
        assert [row["image"] for row in recorded["per_image"]] == ["a.png", "b.png"]
        rows = [(row["psnr"], row["ssim"]) for row in recorded["per_image"]]
        np.testing.assert_allclose(rows, scores, rtol=1e-6)
        means = (recorded["psnr"], recorded["ssim"])
        np.testing.assert_allclose(means, np.mean(scores, axis=0), rtol=1e-6)


def test_float_and_eight_bits_stand_beside_each_other(benchmark, tmp_path, capsys):
    name, output = "awsrn_nano_x2", tmp_path / "out.json"
    options = ["--precision", "float", "int8", "--degrade", "clean", "noise10"]
    main([name, *options, "--data", str(benchmark), "--json", str(output)])

    printed, record = capsys.readouterr().out, strict_json(output.read_text())
    clean, noisy = (image_set["scores"] for image_set in record["sets"])
    exact = scores_by_hand(benchmark, lambda lr: upscale(lr, name, engine="keras"))
    eight = scores_by_hand(benchmark, lambda lr: upscale(lr, name, precision="int8"))
    assert abs(exact[0][0] - eight[0][0]) > 1e-3
    rows = {name: exact, f"{name} int8": eight}
    assert list(clean) == list(noisy) == ["bicubic", *rows]
    for row, scores in rows.items():
        psnr, ssim = np.mean(scores, axis=0)
        assert clean[row]["psnr"] == pytest.approx(psnr)
        assert re.search(rf"^{row} +{psnr:.2f} / {ssim:.4f} ", printed, re.MULTILINE)
        assert noisy[row]["psnr"] != clean[row]["psnr"]
    engines = {row: facts["engine"] for row, facts in record["models"].items()}
    assert engines == {name: "keras", f"{name} int8": "litert"}
    assert ", LiteRT " in printed


@pytest.mark.slow
@pytest.mark.parametrize(
    "preset", [name for name in presets() if (WEIGHTS / f"{name}_int8.tflite").is_file()]
)
def test_eight_bits_lose_at_most_0_08_db_over_both_sets(preset, shared, tmp_path):
    output = tmp_path / "out.json"
    folders = [str(shared / "data/benchmarks" / name) for name in ("Set5", "Set14")]
    main([preset, "--precision", "int8", "--data", *folders, "--json", str(output)])
    lost = {}
    for image_set in strict_json(output.read_text())["sets"]:
        eight = image_set["scores"][f"{preset} int8"]["psnr"]
        lost[image_set["name"]] = presets()[preset]["psnr"][image_set["name"]] - eight
    assert 0.01 < (5 * lost["Set5"] + 14 * lost["Set14"]) / 19 <= 0.08


@pytest.mark.slow
def test_self_ensemble_averages_the_models_alone(benchmark, network, tmp_path, capsys):
    model, file = network
    output = tmp_path / "out.json"
    main([file, "--data", str(benchmark), "--self-ensemble", "--json", str(output)])
    assert "eight flips and rotations" in capsys.readouterr().out

    record = strict_json(output.read_text())
    scores = record["sets"][0]["scores"]
    expected = scores_by_hand(benchmark, lambda lr: upscale(lr, model, self_ensemble=True))
    plain = scores_by_hand(benchmark, lambda lr: upscale(lr, model))
    assert abs(expected[0][0] - plain[0][0]) > 1e-3
    assert record["self_ensemble"]
    assert scores[file]["psnr"] == pytest.approx(np.mean(expected, axis=0)[0], rel=1e-6)
    by_bicubic = scores_by_hand(benchmark, lambda lr: bicubic(lr, 2))
    assert scores["bicubic"]["psnr"] == pytest.approx(np.mean(by_bicubic, axis=0)[0])


def test_tables_align_several_methods_sets_and_figures_that_are_missing():
    two = {"bicubic": [Score(30, 0.5), Score(31, 0.75)], "a/long/name": [Score(32.126, 1)] * 2}
    one = {"bicubic": [Score(9, 0.1)], "a/long/name": [Score(math.inf, 1)]}
    results = [
        SetScores("mine", ["x.png", "y.png"], two, {}),
        SetScores("B100", ["z.png"], one, {"awsrn": Score(32.26, 0.9006)}),
    ]
    assert mean_table(results).splitlines() == [
        "                    mine, 2 pictures  B100, 1 picture",
        "bicubic             30.50 / 0.6250     9.00 / 0.1000",
        "a/long/name         32.13 / 1.0000      inf / 1.0000",
        "awsrn in the paper  -                 32.26 / 0.9006",
    ]
    assert image_table(results[0]).splitlines() == [
        "mine   bicubic         a/long/name",
        "x.png  30.00 / 0.5000  32.13 / 1.0000",
        "y.png  31.00 / 0.7500  32.13 / 1.0000",
    ]
    record = strict_json(json.dumps(results[1].to_json()))
    assert record["scores"]["a/long/name"]["psnr"] is None


def test_published_figures_are_those_of_the_paper(shared):
    text = (shared / "PAPER.md").read_text()
    rows = re.findall(r"^\| (\d) \| (awsrn\w*) \|(.*)\|$", text, re.MULTILINE)
    assert len(rows) == 13
    for scale, variant, cells in rows:
        names = ("Set5", "Set14", "B100", "Urban100", "Manga109")
        for name, cell in zip(names, cells.split("|"), strict=True):
            figures = tuple(float(figure) for figure in cell.split("/"))
            assert published(variant, int(scale), name) == figures


def test_a_set_is_known_by_its_other_names_and_others_are_not():
    assert published("awsrn", 4, "BSDS100") == published("awsrn", 4, "b100") == (27.64, 0.7385)
    assert published("awsrn", 4, "Kodak24") is None
    assert published("awsrn_s", 8, "Set5") is None


def test_bicubic_scores_33_68_db_on_set5(shared):
    (set5,) = load_image_sets([str(shared / "data/benchmarks/Set5")], 2)
    result = measure(set5, {"bicubic": lambda lr: bicubic(lr, 2)}, ["awsrn_sd"])
    assert re.search(r"bicubic +33\.68 / 0\.930\d\n", mean_table([result]))
    assert result.published == {"awsrn_sd": (37.86, 0.96)}


@pytest.mark.slow
def test_the_trained_checkpoint_scores_as_recorded_beside_it(shared, tmp_path):
    pytest.importorskip("torch")
    output = tmp_path / "out.json"
    folder = shared / "data/benchmarks"
    main([str(shared / "weights/awsrn_sd_x2.pt"), "--data", str(folder), "--json", str(output)])
    scores = {
        each["name"]: list(each["scores"].values())[1]["psnr"]
        for each in strict_json(output.read_text())["sets"]
    }
    assert scores == {
        "Set14": pytest.approx(33.07, abs=0.005),
        "Set5": pytest.approx(37.56, abs=0.005),
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{network}", "--data", "{folder}/gone"], "gone: no such folder"),
        (["{network}", "--data", "{folder}/Set5", "--scale", "3"], "network.keras is x2; give"),
        (["{network}", "{other}", "--data", "{folder}/Set5"], "other.keras x3: one table has one"),
        (["{other}", "--data", "{folder}/Set5"], "pictures of scale 2, not 3"),
        (["{network}", "--json", "{folder}"], "is a folder: name the JSON file"),
        (["nothing", "--data", "{folder}/Set5"], "nothing: no such model"),
        (["awsrn_s_x2", "--precision", "int8"], "awsrn_s_x2 comes without a"),
        (["{network}", "--precision", "int8"], "Precision int8 is for presets on LiteRT"),
        (["awsrn_sd_x2", "--precision", "int8", "--engine", "keras"], "leave out the engine"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    arguments, message, benchmark, network, tmp_path, capsys
):
    AWSRN("awsrn_s", 3).save(tmp_path / "other.keras")
    names = {"network": network[1], "other": tmp_path / "other.keras", "folder": tmp_path}
    output = tmp_path / "out.json"
    arguments = [argument.format(**names) for argument in arguments]
    with pytest.raises(SystemExit) as stopped:
        run_command(lambda: main(["--json", str(output), *arguments]))
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error
    assert not output.exists()


def test_pictures_are_scored_under_the_conditions_asked_for(benchmark, network, tmp_path, capsys):
    _, path = network
    names = ["clean", "jpeg75", "jpeg30", "noise20"]
    given = [*names, "jpeg75"]  # once is enough
    plot, scores = tmp_path / "plot.png", tmp_path / "scores.json"
    files = ["--plot", str(plot), "--json", str(scores)]
    main([path, "--data", str(benchmark), "--degrade", *given, *files])

    header = capsys.readouterr().out.splitlines()[3]
    sets = json.loads(scores.read_text())["sets"]
    assert [each["name"] for each in sets] == ["Set5", *(f"Set5 {name}" for name in names[1:])]
    assert "Set5 jpeg30, 2 pictures" in header
    psnr = [each["scores"]["bicubic"]["psnr"] for each in sets]
    assert len(set(psnr)) == 4
    lr, hr = (np.asarray(Image.open(benchmark / "x2" / s / "a.png")) for s in ("LR", "HR"))
    noisy = np.clip(np.round(lr + np.random.default_rng(0).normal(0, 20, lr.shape)), 0, 255)
    expected = psnr_y(bicubic(noisy.astype("uint8"), 2), hr, 2)
    by_hand = sets[3]["scores"]["bicubic"]["per_image"][0]["psnr"]
    assert by_hand == pytest.approx(expected)
    with Image.open(plot) as drawn:
        assert drawn.width > 300


def test_an_unknown_condition_is_one_line(benchmark, network):
    with pytest.raises(InputError, match="fog: choose conditions such as jpeg90"):
        main([network[1], "--data", str(benchmark), "--degrade", "fog"])
    with pytest.raises(InputError, match="--plot needs two or more of --degrade"):
        main([network[1], "--data", str(benchmark), "--plot", "x.png"])
    both = ["--degrade", "clean", "jpeg75"]
    with pytest.raises(InputError, match=r"--plot x\.xyz: name a \.png file"):
        main([network[1], "--data", str(benchmark), *both, "--plot", "x.xyz"])


def test_conditions_are_checked_before_models_and_pictures():
    with pytest.raises(InputError, match="jpeg101: the quality of JPEG is a whole number"):
        main(["nothing", "--data", "nowhere", "--degrade", "clean", "jpeg101"])
    with pytest.raises(InputError, match="--plot needs two or more"):
        main(["nothing", "--data", "nowhere", "--degrade", "clean", "clean", "--plot", "x.png"])
