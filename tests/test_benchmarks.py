"""The programs of benchmarks/ run and print figures; what the figures are is not for tests."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def run(name, *options, cwd=None):
    command = [sys.executable, BENCHMARKS / f"{name}.py", *map(str, options)]
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.slow
def test_upscale_measures_whole_commands(tmp_path):
    options = ["--megapixels", 0.1, "--preset", "awsrn_sd_x2", "--pictures", 3, "--runs", 1]
    printed = run("upscale", *options, "--json", tmp_path / "figures.json")

    figures = json.loads((tmp_path / "figures.json").read_text())
    rows = {row["command"]: row for row in figures["photographs"]}
    names = ["float, keras", "float, litert", "int8, litert"]
    assert list(rows) == ["bicubic, Pillow", *(f"awsrn_sd_x2 {name}" for name in names)]
    assert rows["awsrn_sd_x2 float, keras"]["ratio"] == 1
    assert 0 < rows["bicubic, Pillow"]["ratio"] < rows["awsrn_sd_x2 int8, litert"]["ratio"] < 1
    assert all(10 < row["peak_mb"] < 1500 for row in rows.values())
    folder = figures["folder"]
    assert 0 < folder["rate"] < folder["bare_rate"]
    assert f"{folder['share']:.0%}" in printed


@pytest.mark.slow
def test_cluster_measures_rates_beside_one_process(tmp_path):
    options = ["--pictures", 6, "--tiny", 6, "--runs", 1, "--preset", "awsrn_nano_x2"]
    printed = run("cluster", *options, "--json", tmp_path / "figures.json")

    figures = json.loads((tmp_path / "figures.json").read_text())
    alone, cluster = figures["small"]["one process"], figures["small"]["cluster"]
    assert figures["ratio"] == cluster["rate"] / alone["rate"] > 0
    assert 0 < alone["start_seconds"] < cluster["start_seconds"]
    assert f"cluster to one process: {figures['ratio']:.3f}" in printed
    assert f"{figures['overhead_ms']:.1f} ms" in printed


@pytest.mark.slow
def test_nano_front_keeps_what_is_trained_and_draws_it(tmp_path):
    out, plot = ["-o", tmp_path / "front"], tmp_path / "front.png"
    train = ["--data", "sample", "--val", "sample", "--steps", 5, "--shape", "kernels_3"]
    run("nano_front", *train, "awsrn_nano", *out)
    record = tmp_path / "front/front.json"
    rows = json.loads(record.read_text())
    assert {name: row["kernel_sizes"] for name, row in rows.items()} == {
        "kernels_3": [3],
        "awsrn_nano": [3, 5],
    }
    assert rows["awsrn_nano"]["parameters"] - rows["kernels_3"]["parameters"] == 12 * 16 * 16
    assert all(row["psnr"]["float"] != row["psnr"]["int8"] > 5 for row in rows.values())

    assert "Best epoch" not in run("nano_front", *train, *out)  # it is there
    assert json.loads(record.read_text()) == rows
    run("nano_front", "--time", "--runs", 1, "--plot", plot, *out)
    timed = json.loads(record.read_text())
    assert all(row["ms"]["float"] > 0 < row["ms"]["int8"] for row in timed.values())
    with Image.open(plot) as drawn:
        assert drawn.width > 300


@pytest.mark.slow
def test_training_step_measures_both_frameworks():
    printed = run("training_step", "--rounds", 1, "--batch-size", 1)

    steps = re.findall(r"(\d+) ms a step", printed)
    assert len(steps) == 3
    assert all(float(step) > 0 for step in steps)


def test_recipe_judges_differences_by_the_spread_of_the_baselines(tmp_path):
    recipe = runpy.run_path(str(BENCHMARKS / "recipe.py"))
    names = [*recipe["BASELINES"], *recipe["EXPERIMENTS"]]
    scores = dict.fromkeys(names, 30.0) | {"baseline, other seed": 30.03}
    scores |= {"EMA 0.995": 30.08, "Charbonnier for L1": 29.9, "x3 from the body of x2": 31.0}
    for name, psnr in scores.items():  # as if all had run
        folder = tmp_path / name.replace(" ", "_").replace(",", "")
        folder.mkdir()
        rows = [f"{epoch},{psnr}" for epoch in range(recipe["EPOCHS"])]
        (folder / "metrics.csv").write_text("\n".join(["epoch,val_psnr", *rows]))

    printed = run("recipe", "--data", "photographs", "--val", "kodak24", "-o", tmp_path)

    assert "| EMA 0.995 | 30.080 | +0.070 | baseline | better |" in printed
    assert "| Charbonnier for L1 | 29.900 | -0.110 | baseline | worse |" in printed
    assert "| bfloat16 convolutions | 30.000 | -0.010 | baseline | tie |" in printed
    assert "| x3 from the body of x2 | 31.000 | +1.000 | x3 from scratch | better |" in printed
    assert "Noise: 0.060 dB." in printed


@pytest.mark.slow
def test_video_measures_a_command_and_its_parts(tmp_path):
    run("video", "--seconds", 1, 2, "--json", tmp_path / "figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert list(figures) == ["1 s at 24 frames/s", "1 s, variable", "2 s at 24 frames/s"]
    for row in figures.values():
        assert 0 < row["share"] < 2
        assert 50 < row["peak_mb"] < 2000
        assert 0 < row["encoder"] < row["network"]
