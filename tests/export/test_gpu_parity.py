"""Exported files on a GPU: whole, with the same pixels, and what is said where they are not."""

import json

import numpy as np
import pytest
from keras import ops
from tflite_files import SHIPPED, changed, write_file

from awsrn_keras import AWSRN, VARIANTS
from awsrn_keras.command_line import run_command
from awsrn_keras.data import load_pairs
from awsrn_keras.errors import InputError
from awsrn_keras.upscaling.litert_model import LiteRTModel
from export.gpu_parity import main
from export.measure.parity import Difference, compare, judged
from export.precisions import CONVERTED, PRECISIONS
from export.tflite.calibration import held_out_picture
from export.tflite.exported import exported_files
from export.tflite.writing import write_tflite

# A graph's operators depend on the variant, its ends on the scale: each of them once here, and
# awsrn_sd x2 below.
ON_GPU = {("awsrn_nano", 2), ("awsrn_s", 3), ("awsrn_m", 4), ("awsrn", 8)}
NETWORKS = [(name, scale) for name in VARIANTS for scale in (2, 3, 4)] + [("awsrn", 8)]
LARGEST = {"float32": 1e-2, "float16": 0.6}


@pytest.fixture(scope="module")
def bank():
    return load_pairs("sample", 2, "validation")


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "scale"), NETWORKS)
def test_every_network_gives_keras_s_pixels_and_every_kind_runs_whole_on_the_gpu(
    request, bank, tmp_path, variant, scale
):
    model, height, width = AWSRN(variant, scale), 24, 32
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(variable + random.normal(0, 0.02, variable.shape))
    picture = held_out_picture(bank, height, width)
    expected = ops.convert_to_numpy(model(picture))
    assert expected.std() > 20
    assert np.mean((expected > 0) & (expected < 255)) > 0.9  # clipping does not hide errors
    for name in LARGEST:
        path = tmp_path / f"{name}.tflite"
        write_tflite(model, path, name, (height, width), bank, "random")
        difference = LiteRTModel(path)(picture) - np.clip(expected, 0, 255)
        assert 0 < np.abs(difference).max() < LARGEST[name]
    if (variant, scale) in ON_GPU:
        gpu = request.getfixturevalue("gpu")
        for file in exported_files(tmp_path):
            result = compare(file, model, gpu, picture)
            assert (result.whole, result.faults) == (True, ())
            assert 0 < result.device.largest < LARGEST[file.path.stem]


def test_every_variant_and_scale_is_among_those_on_the_gpu():
    kinds = ON_GPU | {("awsrn_sd", 2)}
    assert set(NETWORKS) > ON_GPU
    assert {variant for variant, _ in kinds} == set(VARIANTS)
    assert {scale for _, scale in kinds} == {2, 3, 4, 8}


@pytest.mark.slow
def test_every_precision_of_the_default_preset(gpu, exported_tflite, tmp_path, capsys):
    assert main([str(exported_tflite), "--json", str(tmp_path / "parity.json")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Computing on ")
    assert f"GPU: {gpu}\n" in said
    assert said.endswith("5 of 5 files pass\n")

    facts = json.loads((tmp_path / "parity.json").read_text())
    assert (facts["device"], facts["stand_in"]) == (gpu.name, gpu.stand_in)
    files = {file["file"]: file for file in facts["files"]}
    assert set(files) == set(CONVERTED)
    limits = {"float32": 1e-2, "float16": 0.6, "dynamic_range": 0.6, "int8": 2}
    for name, limit in limits.items():
        assert files[name]["whole"]
        assert files[name]["device_to_cpu"]["largest"] <= limit
        assert files[name]["device"]["psnr"] > 40
    assert files["float32"]["device"]["largest"] <= 1e-2
    assert files["int8"]["device"]["mean"] > 0.1  # 8 bits do differ from the network
    assert "no GPU format" in files["int16x8"]["note"]
    assert files["int16x8"]["device"] is None
    assert 50 < files["int16x8"]["cpu"]["psnr"] < 80


@pytest.mark.slow
def test_a_file_that_is_not_delegated_whole_fails(gpu, exported_tflite, tmp_path, capsys):
    content = (exported_tflite / "tflite/int16x8.tflite").read_bytes()
    facts = {"precision": "dynamic_range"}  # as if it were for GPUs
    write_file(tmp_path / "wrong.tflite", (48, 56), facts, content)
    assert main([str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "wrong: FAILS, whole on the GPU: no\n" in said
    assert "on the GPU: 3 operators run on the GPU and 42 do not" in said
    assert "0 of 1 files pass" in said


def test_a_folder_of_files_is_compared_with_the_preset_that_they_name(gpu, tmp_path, capsys):
    write_file(tmp_path / "tflite/float16.tflite", (24, 20))
    assert main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "float16: passes, whole on the GPU: yes\n" in said
    assert "  GPU - Keras        largest 0." in said


@pytest.mark.slow
def test_a_file_with_other_weights_than_the_network_s_fails(gpu, tmp_path, capsys):
    write_file(tmp_path / "tflite/float16.tflite", (24, 20))
    model = AWSRN.from_preset("awsrn_sd_x2")
    model.get_layer("skip").trainable_variables[-1].assign_add([9.0] * 12)
    model.save(tmp_path / "other.keras")
    assert main([str(tmp_path), "--model", str(tmp_path / "other.keras")]) == 1
    said = capsys.readouterr().out
    assert "float16: FAILS, whole on the GPU: yes\n" in said
    assert "gives other pictures than the network (rms " in said


def test_a_file_of_free_size_is_compared_on_the_processor(gpu, tmp_path, capsys):
    (tmp_path / "float16_resizable.tflite").write_bytes(SHIPPED.read_bytes())
    assert main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "processor - Keras  largest 0." in said
    assert "no GPU format: GPUs need a fixed size" in said


def test_without_a_driver_the_packages_are_named_with_status_3(tmp_path, monkeypatch, capsys):
    for name in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES"):
        monkeypatch.setenv(name, str(tmp_path / "no_driver.json"))
    write_file(tmp_path / "float16.tflite", (24, 20))
    with pytest.raises(SystemExit) as exit:
        run_command(lambda: main([str(tmp_path)]))
    assert exit.value.code == 3
    error = capsys.readouterr().err
    assert error.endswith("apt-get install libvulkan1 chromium\n")
    assert error.count("\n") == 1
    assert main([]) == 3
    assert capsys.readouterr().out == ""  # nothing was exported first


def test_a_rounded_file_beyond_its_limit_has_to_be_as_near_to_keras_as_the_processor():
    near, far = Difference(6.2, 0.7, 0.9, 48.5), Difference(8.0, 0.7, 0.9, 48.5)
    apart = Difference(3.0, 0.1, 0.3, 57.0)
    int8 = PRECISIONS["int8"]
    assert judged(int8, "GPU", near, near, apart) == (
        (),
        "GPU to processor 3, limit 2.0, but as near to Keras as the processor is",
    )
    assert judged(int8, "GPU", near, far, apart) == (("GPU to processor 3, limit 2.0",), None)
    assert judged(PRECISIONS["float16"], "GPU", near, near, apart) == (
        ("GPU to processor 3, limit 0.6",),
        None,
    )
    assert judged(int8, "GPU", near, far, Difference(2.0, 0.1, 0.2, 60.0)) == ((), None)
    faults, _ = judged(PRECISIONS["float32"], "GPU", near, near, apart)
    assert faults == ("processor to Keras 6.2, limit 0.01", "GPU to Keras 6.2, limit 0.01")


def test_differences_are_those_of_hand_arithmetic():
    picture = np.array([[10, 200], [30, 40]], "uint8")
    difference = Difference.of(picture, picture - np.array([[3.0, -4.0], [0.0, 0.0]]))
    assert (difference.largest, difference.mean, difference.rms) == (4, 1.75, 2.5)
    assert difference.psnr == pytest.approx(20 * np.log10(255 / 2.5), abs=0.005)
    assert Difference.of(picture, picture).psnr is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nowhere", r"nowhere: no such folder; run export/to_tflite.py first"),
        ("empty", r"empty: holds no .tflite files"),
        ("damaged", r"cut.tflite: damaged or not a file of export/to_tflite.py"),
        ("text", r"text.tflite: damaged or not a file of export/to_tflite.py \(not in the format"),
        ("foreign", r"foreign.tflite: has no metadata entry 'awsrn'"),
        ("run", r"float16.tflite: made from best.weights.h5, which is no preset; .* with --model"),
        ("other", r"int4.tflite: says it is of precision 'int4'; known are float32, "),
    ],
)
def test_mistakes_are_one_line(tmp_path, given, message):
    for name in ("empty", "damaged", "text"):
        (tmp_path / name).mkdir()
    (tmp_path / "damaged/cut.tflite").write_bytes(SHIPPED.read_bytes()[:3000])
    (tmp_path / "text/text.tflite").write_text("no flatbuffer")
    write_file(tmp_path / "foreign/foreign.tflite", (24, 20), {})
    write_file(
        tmp_path / "run/float16.tflite", (24, 20), {"origin": {"weights": "best.weights.h5"}}
    )
    write_file(tmp_path / "other/int4.tflite", (24, 20), {"precision": "int4"})
    with pytest.raises(InputError, match=message) as error:
        main([str(tmp_path / given)])
    assert "\n" not in str(error.value)


def test_another_network_than_the_files_is_named(gpu, tmp_path):
    write_file(tmp_path / "float16.tflite", (24, 20))
    with pytest.raises(InputError, match=r"holds awsrn_sd x2, not awsrn_s x2; name its weights"):
        main([str(tmp_path), "--model", "awsrn_s_x2"])
    with pytest.raises(InputError, match="--model needs the EXPORT_FOLDER"):
        main(["--model", "awsrn_s_x2"])


def test_a_file_that_litert_cannot_load_fails_with_its_reason(gpu, tmp_path, capsys):
    path = write_file(tmp_path / "float16.tflite", (24, 20))

    def spoil(model):
        model.subgraphs[0].operators[0].inputs = [9999, 1]  # no such tensor

    path.write_bytes(changed(path.read_bytes(), spoil))
    assert main([str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "float16: FAILS\n  on the processor: LiteRT cannot load it (model_load.cc:" in said
    assert "0 of 1 files pass" in said
