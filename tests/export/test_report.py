"""The report on an export folder: its figures, and what it refuses."""

import json

import numpy as np
import pytest
from PIL import Image

from awsrn_keras.data import load_pairs
from awsrn_keras.errors import InputError
from awsrn_keras.scoring.metrics import psnr_y
from export import to_tflite
from export.measure.speed import Upscaler, picture_sets
from export.report import main
from export.tflite.runtime import LiteRTModel


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    names = ["--precision", "float32", "dynamic_range"]
    to_tflite.main(["--height", "72", "--width", "64", *names, "-o", str(folder)])
    return folder


@pytest.fixture
def benchmark_folder(tmp_path):
    """A benchmark of one picture, `x2/HR` and `x2/LR`."""
    bank = load_pairs("sample", 2, "validation")
    folder = tmp_path / "OnePicture"
    for side, image in (("HR", bank.hr(0)[:124, :180]), ("LR", bank.lr(0)[:62, :90])):
        (folder / "x2" / side).mkdir(parents=True)
        Image.fromarray(image).save(folder / "x2" / side / "picture.png")
    return folder


@pytest.mark.slow
def test_windows_give_the_picture_away_from_its_border(exported):
    lr = load_pairs("sample", 2, "validation").lr(1)[:81, :110]
    path = exported / "tflite/float32.tflite"
    whole = LiteRTModel(path)(lr[None])[0]
    windows = Upscaler(path, windows=True)(lr)
    assert windows.shape == whole.shape == (162, 220, 3)
    inner = slice(44, -44)
    np.testing.assert_allclose(windows[inner, inner], whole[inner, inner], atol=2e-3)
    assert np.abs(windows - whole).max() > 0.1  # the border sees a mirror, not zeros
    np.testing.assert_array_equal(Upscaler(path)(lr), whole)


@pytest.mark.slow
def test_the_report_holds_what_was_measured(
    exported, benchmark_folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "report"
    main([str(exported), "--data", str(benchmark_folder), "--runs", "2", "-o", str(out)])

    report = json.loads((out / "report.json").read_text())
    assert report["sets"] == {"OnePicture": 1}
    assert list(report["files"]) == ["float32", "dynamic_range"]
    bank = picture_sets([str(benchmark_folder)], 2)["OnePicture"]
    for name, row in report["files"].items():
        path = exported / f"tflite/{name}.tflite"
        sr = LiteRTModel(path)(bank.lr(0)[None])[0]
        assert row["psnr"]["OnePicture"] == pytest.approx(psnr_y(sr, bank.hr(0), 2), abs=1e-4)
        assert row["bytes"] == path.stat().st_size
        assert row["input"] == [1, 72, 64, 3]
        assert row["ms_1_threads"] > 0.5
        assert 20 < row["peak_mb"] < 2000
    drop = report["files"]["dynamic_range"]["psnr_drop"]["all"]
    psnr = {name: row["psnr"]["all"] for name, row in report["files"].items()}
    assert drop == pytest.approx(psnr["float32"] - psnr["dynamic_range"], abs=2e-4)
    assert drop != 0

    text = (out / "report.md").read_text()
    assert text in capsys.readouterr().out
    assert f"| float32 | 1.34 | {psnr['float32']:.2f} / " in text
    assert "licence Apache-2.0" in text
    with Image.open(out / "report.png") as picture:
        assert picture.width > 800


def test_a_folder_without_float32_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has no tflite/float32.tflite to compare with"):
        main([str(tmp_path)])
    with pytest.raises(InputError, match="--runs 0: give at least 1"):
        main([str(tmp_path), "--runs", "0"])


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "tflite").mkdir()
    (tmp_path / "tflite/float32.tflite").write_bytes(b"no flatbuffer at all")
    with pytest.raises(InputError, match="tflite: damaged or not files of export/to_tflite"):
        main([str(tmp_path)])
