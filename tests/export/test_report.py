"""The report on an export folder: its figures, and what it refuses."""

import json

import numpy as np
import pytest
from PIL import Image
from tflite_files import write_file

from awsrn_keras.data import load_pairs
from awsrn_keras.errors import InputError
from awsrn_keras.scoring.image_sets import load_image_sets
from awsrn_keras.scoring.metrics import psnr_y
from awsrn_keras.upscaling.litert_model import LiteRTModel
from export.measure.report_figures import measure_files, upscale_by
from export.report import main
from export.tflite.exported import exported_files


def benchmark_folder(folder, top):
    """A benchmark of one picture, `x2/HR` and `x2/LR`."""
    bank = load_pairs("sample", 2, "validation")
    hr, lr = bank.hr(0)[2 * top :][:100, :120], bank.lr(0)[top:][:50, :60]
    for side, image in (("HR", hr), ("LR", lr)):
        (folder / "x2" / side).mkdir(parents=True)
        Image.fromarray(image).save(folder / "x2" / side / "picture.png")
    return folder


@pytest.fixture
def files(exported_tflite):
    return {file.path.stem: file for file in exported_files(exported_tflite)}


@pytest.mark.slow
def test_windows_give_the_picture_away_from_its_border(files):
    lr = load_pairs("sample", 2, "validation").lr(1)[:61, :90]
    whole = LiteRTModel(files["float32"].path)(lr[None])[0]
    windows = upscale_by(files["float32"], files["float32"].size)(lr)
    assert windows.shape == whole.shape == (122, 180, 3)
    np.testing.assert_allclose(windows, whole, atol=2e-3)
    np.testing.assert_array_equal(upscale_by(files["float32"], None)(lr), whole)


@pytest.mark.slow
def test_a_picture_smaller_than_a_window_is_filled_up_with_its_mirror_image(files):
    lr = load_pairs("sample", 2, "validation").lr(1)[:30, :90]
    mirrored = np.pad(lr, [(0, 18), (0, 0), (0, 0)], mode="symmetric")
    whole = LiteRTModel(files["float32"].path)(mirrored[None])[0]
    windows = upscale_by(files["float32"], files["float32"].size)(lr)
    np.testing.assert_allclose(windows, whole[:60], atol=2e-3)


@pytest.mark.slow
def test_the_report_holds_what_was_measured(exported_tflite, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "cache"))
    out, data = tmp_path / "report", benchmark_folder(tmp_path / "OnePicture", 0)
    options = ["--data", str(data), "--runs", "2", "--leave-out", "float16", "int8"]
    main([str(exported_tflite), *options, "-o", str(out)])

    report = json.loads((out / "report.json").read_text())
    assert report["sets"] == {"OnePicture": 1}
    assert list(report["files"]) == ["float32", "int16x8", "dynamic_range"]
    (image_set,) = load_image_sets([str(data)], 2)
    lr, hr = image_set.pairs.pair(0)
    for name, row in report["files"].items():
        path = exported_tflite / f"tflite/{name}.tflite"
        assert row["bytes"] == path.stat().st_size
        assert row["input"] == [1, 48, 56, 3]
        assert row["ms_1_threads"] > 0
        assert row["peak_mb"] > 10  # Python alone needs as much
        if name != "int16x8":
            sr = LiteRTModel(path)(lr[None])[0]
            assert row["psnr"]["OnePicture"] == pytest.approx(psnr_y(sr, hr, 2), abs=1e-4)
    psnr = {name: row["psnr"]["all"] for name, row in report["files"].items()}
    drop = {name: row["psnr_drop"]["all"] for name, row in report["files"].items()}
    assert drop["dynamic_range"] == pytest.approx(psnr["float32"] - psnr["dynamic_range"], abs=2e-4)
    assert drop["dynamic_range"] != 0
    assert 0 < abs(drop["int16x8"]) < 0.05

    text = (out / "report.md").read_text()
    assert text in capsys.readouterr().out
    assert f"| float32 | 1.34 | {psnr['float32']:.2f} / " in text
    assert "Their sizes are fixed, so pictures go through in windows" in text
    assert "licence Apache-2.0" in text
    with Image.open(out / "report.png") as picture:
        assert picture.width > 800


@pytest.mark.slow
def test_image_sets_of_one_name_are_scored_apart(files, tmp_path, monkeypatch):
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "cache"))
    data = [
        str(benchmark_folder(tmp_path / place / "Set", top)) for place, top in (("a", 0), ("b", 9))
    ]
    report = measure_files([files["float32"]], data, 1)
    assert list(report["sets"].values()) == [1, 1]
    first, second = report["sets"]
    psnr = report["files"]["float32"]["psnr"]
    assert psnr[first] != psnr[second]
    assert psnr["all"] == pytest.approx((psnr[first] + psnr[second]) / 2, abs=1e-3)


def test_a_folder_without_float32_is_refused(tmp_path):
    write_file(tmp_path / "tflite/float16.tflite", (24, 20))
    with pytest.raises(InputError, match=r"has no float32.tflite to compare with"):
        main([str(tmp_path)])
    with pytest.raises(InputError, match="--leave-out float32: the other files are compared"):
        main([str(tmp_path), "--leave-out", "int8", "float32"])
    with pytest.raises(InputError, match="--runs 0: give at least 1"):
        main([str(tmp_path), "--runs", "0"])


def test_a_fixed_size_too_small_for_windows_is_named(tmp_path):
    for name in ("float32", "int16x8"):
        write_file(tmp_path / f"tflite/{name}.tflite", (24, 60), {"precision": name})
    with pytest.raises(InputError, match=r"int16x8\.tflite: at most twice .* --leave-out int16x8"):
        main([str(tmp_path)])


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "tflite").mkdir()
    (tmp_path / "tflite/float32.tflite").write_bytes(b"no flatbuffer at all")
    with pytest.raises(InputError, match=r"float32\.tflite: damaged or not a file of export/to_"):
        main([str(tmp_path)])
