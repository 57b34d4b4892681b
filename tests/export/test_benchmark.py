"""Timings: by LiteRT here, by a stand-in adb on a phone, by a bundle elsewhere."""

import json
import os
import stat
import subprocess
import sys

import pytest
import stand_in_adb
from PIL import Image
from tflite_files import SHIPPED, write_file

from awsrn_keras.command_line import run_command
from awsrn_keras.errors import InputError
from export.benchmark import main
from export.measure.phone_output import read_output
from export.measure.timings import DidNotRun, read_timings

PHONE = "google Pixel 9 Pro, Android 16"


@pytest.fixture
def exported(tmp_path):
    """An export folder of two files, for pictures of 24x20."""
    folder = tmp_path / "exported"
    for precision in ("float16", "float32"):
        write_file(folder / f"tflite/{precision}.tflite", (24, 20))
    return folder


@pytest.fixture
def phone(tmp_path, monkeypatch):
    """The folder of a phone that is plugged in; the stand-in is the only adb there is."""
    folder = tmp_path / "phone"
    (folder / "storage/data/local/tmp").mkdir(parents=True)
    (folder / "state").write_text("device")
    program = tmp_path / "bin/adb"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {stand_in_adb.__file__} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STAND_IN_PHONE", str(folder))
    return folder


@pytest.fixture
def binary(tmp_path):
    file = tmp_path / "benchmark_model_plus"
    file.write_bytes(bytes(5000))
    return file


def on_phone(exported, binary, *more):
    return [str(exported), "--not-here", "--android", "--benchmark-model", str(binary), *more]


def test_a_phone_is_timed_on_every_accelerator(exported, phone, binary, tmp_path, capsys):
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    (libraries / "libLiteRtDispatch.so").write_bytes(b"a library")
    figures = tmp_path / "figures.json"
    more = ["--threads", "1", "4", "--runs", "7", "--libraries", str(libraries)]
    assert main(on_phone(exported, binary, *more, "--json", str(figures))) == 0

    timings = {(t.file, t.accelerator, t.threads): t for t in read_timings(figures)}
    assert len(timings) == 2 * 4
    cpu = timings["awsrn_sd_x2 float32", "cpu", 4]
    assert (cpu.device, cpu.size, cpu.scale) == (PHONE, (24, 20), 2)
    assert (cpu.median_ms, cpu.p95_ms, cpu.peak_mb) == (42.419, 42.671, 93.2383)
    assert cpu.megapixels_per_second == pytest.approx(48 * 40 / 42.419e-3 / 1e6)
    gpu = timings["awsrn_sd_x2 float16", "gpu", None]
    assert (gpu.median_ms, gpu.p95_ms, gpu.peak_mb) == (7429.95, 7448.86, None)
    npu = timings["awsrn_sd_x2 float16", "npu", None]
    assert (npu.median_ms, npu.failure) == (
        None,
        "Node number 57 (BATCH_MATMUL) failed to prepare.",
    )

    text = (exported / "benchmark.md").read_text()
    printed = capsys.readouterr().out
    assert printed.strip() in text
    assert f"| {PHONE} | awsrn_sd_x2 float32 | 20x24 | CPU, 4 threads | 42.4 | 42.7 |" in printed
    assert f"- {PHONE}, NPU: Node number 57 (BATCH_MATMUL) failed to prepare." in printed
    with Image.open(exported / "benchmark.png") as picture:
        assert picture.width > 800

    commands = (phone / "commands").read_text()
    assert "--use_gpu=true --use_cpu=false --require_full_delegation=true" in commands
    assert "--num_runs=7 " in commands
    assert commands.count("--num_threads=4") == 2
    assert "libLiteRtDispatch.so" in commands
    assert not list((phone / "storage/data/local/tmp").iterdir())  # nothing is left behind


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("", "adb finds no phone: plug it in and switch on its USB debugging"),
        ("unauthorized", "1A2B3C4D: unlock the phone and allow this computer to debug it"),
        ("offline", "1A2B3C4D: adb finds it offline; unplug it"),
    ],
)
def test_a_phone_that_cannot_be_asked_is_one_line(exported, phone, binary, state, message, capsys):
    (phone / "state").write_text(state)
    with pytest.raises(SystemExit) as exit:
        run_command(lambda: main(on_phone(exported, binary)))
    assert exit.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (exported / "benchmark.md").exists()


def test_a_full_phone_is_named_and_left_clean(exported, phone, binary, capsys):
    (phone / "room").write_text(str(binary.stat().st_size + 100))
    assert main(on_phone(exported, binary)) == 1
    assert f"error: {PHONE}: 1A2B3C4D: no space left on it for" in capsys.readouterr().err
    assert not list((phone / "storage/data/local/tmp").iterdir())


def test_an_unplugged_phone_keeps_what_was_measured(exported, phone, binary, tmp_path, capsys):
    (phone / "unplug_after").write_text("2")
    figures = tmp_path / "figures.json"
    options = ["--accelerators", "cpu", "--threads", "1", "2", "4", "--json", str(figures)]
    assert main(on_phone(exported, binary, *options)) == 1
    timings = read_timings(figures)
    assert [(timing.file, timing.threads) for timing in timings] == [
        ("awsrn_sd_x2 float16", 1),
        ("awsrn_sd_x2 float16", 2),
    ]
    assert "adb shell failed: error: closed" in capsys.readouterr().err


def test_ctrl_c_keeps_what_was_measured(exported, phone, binary, tmp_path):
    (phone / "interrupt_after").write_text("3")
    figures = tmp_path / "figures.json"
    options = ["--accelerators", "cpu", "--threads", "1", "2", "--json", str(figures)]
    with pytest.raises(KeyboardInterrupt):
        main(on_phone(exported, binary, *options))
    timings = [("float16", 1), ("float16", 2), ("float32", 1)]
    assert [(t.file.split()[1], t.threads) for t in read_timings(figures)] == timings
    assert (exported / "benchmark.md").read_text().count(f"| {PHONE} |") == 3
    assert not list((phone / "storage/data/local/tmp").iterdir())


def test_two_files_of_one_name_are_not_put_into_one_bundle(exported, tmp_path):
    other = tmp_path / "other"
    write_file(other / "tflite/float16.tflite", (32, 20))
    with pytest.raises(InputError, match=r"float16\.tflite are both awsrn_sd_x2 float16") as error:
        main([str(exported), str(other), "--bundle", str(tmp_path / "bundle")])
    assert str(other) in str(error.value)
    assert not (tmp_path / "bundle").exists()


def test_a_bundle_is_run_elsewhere_and_its_results_are_read(exported, phone, binary, tmp_path):
    bundle = tmp_path / "bundle"
    options = ["--threads", "2", "--benchmark-model", str(binary)]
    main([str(exported), "--bundle", str(bundle), *options])
    assert not (exported / "benchmark.md").exists()
    assert (bundle / "run.sh").stat().st_mode & stat.S_IXUSR
    with pytest.raises(InputError, match=r"bundle: no bundle with results/ in it"):
        main(["--add", str(bundle)])

    script = ["sh", str(bundle / "run.sh"), stand_in_adb.SERIAL]
    environment = {**os.environ, "ANDROID_SERIAL": ""}
    done = subprocess.run(script, cwd="/", env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{PHONE}\n")
    assert not list((phone / "storage/data/local/tmp").iterdir())

    figures, here = tmp_path / "figures.json", tmp_path / "here.json"
    main(["--add", str(bundle), "-o", str(tmp_path), "--json", str(figures)])
    main([*on_phone(exported, binary), "--threads", "2", "--json", str(here)])
    assert read_timings(figures) == read_timings(here)
    assert len(read_timings(figures)) == 6

    with pytest.raises(InputError, match="holds results already; name another folder"):
        main([str(exported), "--bundle", str(bundle)])
    with pytest.raises(InputError, match="is there already and no bundle"):
        main([str(exported), "--bundle", str(exported)])


def test_the_script_of_a_bundle_says_what_is_missing(exported, phone, tmp_path):
    main([str(exported), "--bundle", str(tmp_path / "bundle")])
    done = subprocess.run(["sh", tmp_path / "bundle/run.sh"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "put benchmark_model beside run.sh: https://" in done.stderr
    (tmp_path / "bundle/benchmark_model").write_bytes(b"a program")
    (phone / "state").unlink()
    done = subprocess.run(["sh", tmp_path / "bundle/run.sh"], capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stderr == "error: no devices/emulators found\n"


def test_this_machine_is_timed_by_litert_s_command(exported, tmp_path, capsys):
    (exported / "tflite/float32.tflite").unlink()
    (exported / "tflite/float16_resizable.tflite").write_bytes(SHIPPED.read_bytes())
    figures = tmp_path / "figures.json"
    options = ["--accelerators", "cpu", "npu", "--threads", "1", "--runs", "12"]
    assert main([str(exported), *options, "--json", str(figures)]) == 0
    cpu, npu = read_timings(figures)
    assert (cpu.file, cpu.threads, cpu.failure) == ("awsrn_sd_x2 float16", 1, None)
    assert 0 < cpu.median_ms <= cpu.p95_ms
    assert cpu.peak_mb > 10  # Python alone needs as much
    assert json.loads(figures.read_text())[0]["megapixels_per_second"] == pytest.approx(
        4 * 24 * 20 / cpu.median_ms / 1e3
    )
    assert (npu.median_ms, npu.failure) == (None, "LiteRT finds no NPU")
    assert "float16_resizable.tflite: left out, as its size is free" in capsys.readouterr().err


@pytest.mark.slow
def test_a_driver_in_software_is_timed_on_demand_only(exported, gpu, tmp_path, capsys):
    (exported / "tflite/float32.tflite").unlink()
    figures = tmp_path / "figures.json"
    options = [str(exported), "--threads", "1", "--runs", "2", "--json", str(figures)]
    assert main([*options, "--accelerators", "cpu", "gpu"]) == 0
    cpu, timing = read_timings(figures)
    assert timing.device.endswith(f", {gpu}")
    assert (timing.accelerator, timing.threads, timing.failure) == ("gpu", None, None)
    if gpu.stand_in:
        # The same processor in roundabout ways; less if LiteRT does not wait for the result.
        assert timing.median_ms > cpu.median_ms
        assert main(options) == 0
        assert {timing.accelerator for timing in read_timings(figures)} == {"cpu", "npu"}
        assert f"No GPU here: {gpu.name} computes on the processor" in capsys.readouterr().err


def test_outputs_that_hold_no_time_of_that_place():
    gpu = stand_in_adb.GPU
    partly = gpu.replace("Replacing 75 out of 75", "Replacing 70 out of 75")
    # github.com/tensorflow/tensorflow issue 43541, where there are no percentiles yet
    old = (
        "count=4 first=130565 curr=120829 min=117370 max=130565 avg=122373 std=4930\n"
        "count=50 first=119212 curr=118055 min=113737 max=124776 avg=119375 std=1948\n"
    )
    for output, accelerator, reason in (
        (partly, "gpu", "takes only 70 of 75 operators"),
        ("WARN: Unconsumed cmdline flags: --use_npu=true\n" + gpu, "npu", "knows no NPU"),
        (old, "cpu", "too old: it prints no median"),
        (stand_in_adb.CPU[:600], "cpu", "no times, at the end: INFO: "),
        ("", "gpu", "it printed nothing"),
    ):
        with pytest.raises(DidNotRun, match=reason):
            read_output(output, accelerator)
    once = "count=1 curr=70\ncount=1 curr=50"
    assert read_output(once, "cpu") == (0.05, 0.05, None)
    peak = gpu + "INFO: [benchmark_litert_model.h:132] Peak memory:          427.64 MB"
    assert read_output(peak, "gpu").peak_mb == 427.64


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Name an EXPORT_FOLDER"),
        (["{nowhere}"], "nowhere: no such folder"),
        (["{nowhere}", "--runs", "0"], "--runs 0: give at least 1"),
        (["{nowhere}", "--threads", "0"], "--threads 0: give at least 1"),
        (["{nowhere}", "--android"], r"--android needs --benchmark-model FILE, .*https://"),
        (["{nowhere}", "--benchmark-model", "{nowhere}"], "nowhere: no such file"),
        (["--add", "{damaged}"], "damaged.json: damaged or not results of export/benchmark.py"),
        (["--add", "{other}"], "other.json: damaged or not results of export/benchmark.py"),
    ],
)
def test_mistakes_are_one_line(tmp_path, arguments, message):
    (tmp_path / "damaged.json").write_text("[{")
    (tmp_path / "other.json").write_text('{"float32.tflite": {"bytes": 7}}')
    places = {name: tmp_path / f"{name}.json" for name in ("damaged", "other")}
    places["nowhere"] = tmp_path / "nowhere"
    with pytest.raises(InputError, match=message) as error:
        main([argument.format(**places) for argument in arguments])
    assert "\n" not in str(error.value)


def test_without_adb_its_package_is_named(exported, binary, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="--android needs adb"):
        main(on_phone(exported, binary))
