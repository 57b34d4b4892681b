"""Exported files on a 64-bit Arm: the same pixels, and what is said where there is none."""

import importlib.metadata
import json
import math
import os
import platform
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from keras import ops
from optional import missing
from tflite_files import SHIPPED, changed, write_file

from awsrn_keras import AWSRN
from awsrn_keras.command_line import run_command
from awsrn_keras.data import load_pairs
from awsrn_keras.errors import InputError
from awsrn_keras.network.presets import WEIGHTS
from export import gpu_parity
from export.arm_parity import main
from export.measure.arm import find_arm
from export.measure.parity import Difference, compare, judged
from export.measure.running import Device
from export.measure.timings import DidNotRun
from export.precisions import CONVERTED, PRECISIONS
from export.tflite.calibration import held_out_picture
from export.tflite.exported import exported_files
from export.tflite.writing import write_tflite

ROOT = Path(__file__).parents[2]
EMULATED = platform.machine() not in ("aarch64", "arm64")
needs_emulation = pytest.mark.skipif(not EMULATED, reason="this machine is an Arm")


@pytest.fixture(scope="session")
def arm():
    """An Arm; in CI there must be one on Debian, whose packages QEMU runs."""
    try:
        return find_arm()
    except DidNotRun as reason:
        release = platform.freedesktop_os_release() if sys.platform == "linux" else {}
        if release.get("ID") == "debian":
            missing(str(reason))
        pytest.skip(str(reason))


def tree(device):
    """The folder with Python for Arm."""
    return Path(device.python[device.python.index("-L") + 1])


@pytest.mark.slow
def test_every_precision(arm, tmp_path, capsys):
    preset = "awsrn_nano_x2"
    model, bank = AWSRN.from_preset(preset), load_pairs("sample", 2, "train")
    for name in CONVERTED:
        write_tflite(model, tmp_path / f"{name}.tflite", name, (32, 48), bank, preset)
    assert main([str(tmp_path), "--json", str(tmp_path / "parity.json")]) == 0
    said = capsys.readouterr().out
    assert f"\nArm: {arm}\n" in said
    assert said.endswith("5 of 5 files pass\n")

    facts = json.loads((tmp_path / "parity.json").read_text())
    assert (facts["device"], facts["stand_in"]) == (arm.name, arm.stand_in)
    files = {file["file"]: file for file in facts["files"]}
    assert set(files) == set(CONVERTED)
    limits = {"float32": 1e-2, "float16": 1e-2, "int8": 0, "int16x8": 0, "dynamic_range": 2}
    for name, limit in limits.items():
        assert files[name]["device_to_cpu"]["largest"] <= limit
        assert 40 < files[name]["device"]["psnr"] < 150  # a photograph, as the network gives it
    assert files["int8"]["device"]["mean"] > 0.1  # and the file's own, not the network's


@pytest.mark.slow
def test_files_of_the_package_are_compared_each_with_its_own_preset(arm, tmp_path, capsys):
    for name in ("awsrn_sd_x2", "awsrn_nano_x3_int8"):  # of any height and width
        (tmp_path / f"{name}.tflite").write_bytes((WEIGHTS / f"{name}.tflite").read_bytes())
    assert main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "awsrn_sd_x2: passes\n  processor - Keras  largest 0." in said
    assert "awsrn_nano_x3_int8: passes\n  processor - Keras  largest " in said
    assert said.count("  Arm - processor    largest 0 ") == 2


@pytest.mark.slow
@needs_emulation
def test_it_is_arm_s_python_and_nothing_of_this_one_s_gets_in(arm, monkeypatch, tmp_path):
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong NumPy')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    program = "import numpy, platform, sys; print(platform.machine(), numpy.__file__, sys.path)"
    done = subprocess.run([*arm.python, "-c", program], capture_output=True, text=True, check=True)
    machine, module, *path = done.stdout.split(maxsplit=2)
    assert machine == "aarch64"
    assert module.startswith(str(tree(arm)))
    assert str(tmp_path) not in path[0]


def test_limits_are_those_of_the_precision():
    near, far = Difference(6.2, 0.7, 0.9, 48.5), Difference(8.0, 0.7, 0.9, 48.5)
    one = Difference(1.0, 0.1, 0.3, 57.0)
    for name in ("int8", "int8_qat", "int16x8"):
        assert judged(PRECISIONS[name], "Arm", near, near, one) == (
            ("Arm to processor 1, limit 0.0",),
            None,
        )
    dynamic, apart = PRECISIONS["dynamic_range"], Difference(2.1, 0.1, 0.3, 57.0)
    assert judged(dynamic, "Arm", near, far, one) == ((), None)
    faults, note = judged(dynamic, "Arm", near, near, apart)
    assert not faults
    assert note.startswith("Arm to processor 2.1, limit 2.0, but as near to Keras")
    assert judged(dynamic, "Arm", near, far, apart) == (("Arm to processor 2.1, limit 2.0",), None)
    assert judged(PRECISIONS["float16"], "Arm", near, near, one)[0]
    faults, _ = judged(PRECISIONS["float32"], "Arm", one, near, one)
    assert faults == ("processor to Keras 1, limit 0.01", "Arm to Keras 6.2, limit 0.01")


def test_an_arm_machine_is_taken_as_it_is(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    write_file(tmp_path / "float16.tflite", (24, 20))
    assert main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "(emulated" not in said
    assert "  Arm - processor    largest 0 " in said


def test_a_file_that_does_not_run_there_fails_with_the_reason(tmp_path):
    write_file(tmp_path / "float16.tflite", (24, 20))
    (file,) = exported_files(tmp_path)
    picture = held_out_picture(load_pairs("sample", 2, "validation"), 24, 20)
    broken = Device("Arm", "broken", python=(sys.executable, "-I", "-S"))  # without modules
    result = compare(file, AWSRN.from_preset("awsrn_sd_x2"), broken, picture)
    assert result.cpu.psnr > 60
    assert result.device is None
    (fault,) = result.faults
    assert fault.startswith("on Arm: ")
    assert "No module named 'export'" in fault


def test_a_network_that_computes_in_16_bits_is_compared_in_32(tmp_path):
    write_file(tmp_path / "float16.tflite", (24, 20))
    (file,) = exported_files(tmp_path)
    picture = held_out_picture(load_pairs("sample", 2, "validation"), 24, 20)
    preset = AWSRN.from_preset("awsrn_sd_x2")
    model = AWSRN("awsrn_sd", 2, dtype="mixed_bfloat16")
    model.set_weights(preset.get_weights())
    broken = Device("Arm", "broken", python=(sys.executable, "-I", "-S"))
    exact, result = (compare(file, each, broken, picture).cpu for each in (preset, model))
    assert result == exact
    rounded, expected = (ops.convert_to_numpy(each(picture)) for each in (model, preset))
    assert abs(rounded - expected).max() > 0.5


@pytest.fixture
def without_apt(tmp_path, monkeypatch):
    """A path with QEMU, where it is installed, and no other program."""
    programs = tmp_path / "bin"
    programs.mkdir()
    qemu = shutil.which("qemu-aarch64")
    if qemu:
        (programs / "qemu-aarch64").symlink_to(qemu)
    return str(programs)


@needs_emulation
def test_where_nothing_can_be_fetched_the_status_is_3_and_the_reason_is_given(
    without_apt, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", without_apt)
    write_file(tmp_path / "float16.tflite", (24, 20))
    with pytest.raises(SystemExit) as exit:
        run_command(lambda: main([str(tmp_path)]))
    assert exit.value.code == 3
    assert capsys.readouterr().err == (
        "error: no apt-get here; fetching takes a network and the apt sources of Debian or Ubuntu\n"
    )
    assert main([]) == 3
    assert capsys.readouterr().out == ""  # nothing was exported first
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["arm64.lock"]


@needs_emulation
def test_a_cache_that_cannot_be_written_is_status_3(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "file/cache"))
    assert main([]) == 3
    assert capsys.readouterr().err == (
        f"error: {tmp_path / 'file/cache'}: Not a directory; set AWSRN_CACHE to another folder\n"
    )


@pytest.mark.slow
@needs_emulation
def test_a_complete_cache_is_only_read(arm, tmp_path, monkeypatch):
    root = tree(arm)
    for path in (root, Path(arm.python[0])):
        if path.parent == root.parent:
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "arm64.lock").mkdir()  # which nobody can open as a file
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path))
    assert tree(find_arm()) == tmp_path / root.name


@pytest.mark.slow
@needs_emulation
def test_a_damaged_tree_is_fetched_anew(arm, tmp_path, monkeypatch):
    root = tmp_path / tree(arm).name
    for part in ("usr", "proc"):
        (root / part).mkdir(parents=True)
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path))
    found = find_arm()
    assert tree(found) == root
    program = [*found.python, "-c", "import ai_edge_litert.compiled_model"]
    assert subprocess.run(program).returncode == 0


@needs_emulation
def test_a_damaged_tree_that_cannot_be_fetched_is_no_fault_of_a_file(
    without_apt, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", without_apt)
    root = tmp_path / f"cache/arm64-litert-{importlib.metadata.version('ai-edge-litert')}"
    root.mkdir(parents=True)
    write_file(tmp_path / "float16.tflite", (24, 20))
    assert main([str(tmp_path)]) == 3
    said = capsys.readouterr()
    assert said.err.startswith("error: no apt-get here; ")
    assert said.out == ""


@pytest.mark.parametrize("command", [main, gpu_parity.main], ids=["arm", "gpu"])
def test_where_the_json_file_cannot_be_written_is_told_first(command, tmp_path, capsys):
    (tmp_path / "file").touch()
    for place, reason in (("", "is a folder; name a file"), ("file/parity.json", "is no folder")):
        with pytest.raises(InputError, match=reason):
            command(["--json", str(tmp_path / place)])
    assert capsys.readouterr().out == ""


def test_what_is_not_a_number_is_null_in_json(monkeypatch, tmp_path):
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")

    def add_nan(model):  # instead of clipping to 255
        *_, add, _, _, _, clip, _ = model.subgraphs[0].operators
        clip.opcodeIndex = add.opcodeIndex
        clip.builtinOptionsType, clip.builtinOptions = add.builtinOptionsType, add.builtinOptions
        limit = struct.pack("<e", 255)
        (buffer,) = (b for b in model.buffers if b.data is not None and bytes(b.data) == limit)
        buffer.data = list(struct.pack("<e", math.nan))

    content = changed(SHIPPED.read_bytes(), add_nan)
    write_file(tmp_path / "float16.tflite", (24, 20), content=content)
    assert main([str(tmp_path), "--json", str(tmp_path / "parity.json")]) == 1
    text = (tmp_path / "parity.json").read_text()
    (file,) = json.loads(text, parse_constant=pytest.fail)["files"]
    assert file["cpu"] == dict.fromkeys(("largest", "mean", "rms", "psnr"))


@pytest.mark.slow
@needs_emulation
def test_a_network_that_is_down_is_told(arm, tmp_path, monkeypatch):
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(DidNotRun, match=r"^apt-get: E: Failed to fetch .*; fetching takes a net"):
        find_arm()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["arm64.lock"]


@pytest.mark.slow
@needs_emulation
def test_what_a_kill_left_of_fetching_is_swept_and_never_used(
    arm, without_apt, tmp_path, monkeypatch
):
    cache = tmp_path / "cache"
    monkeypatch.setenv("AWSRN_CACHE", str(cache))
    code = "from export.measure.arm import find_arm; find_arm()"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, start_new_session=True)
    try:
        for _ in range(1200):
            if any(cache.glob(".part-*")):
                break
            time.sleep(0.1)
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # with apt-get and dpkg-deb
        process.wait()
    (part,) = cache.glob(".part-*")
    assert {path.name for path in cache.iterdir()} - {part.name, "qemu-aarch64"} == {"arm64.lock"}
    monkeypatch.setenv("PATH", without_apt)
    with pytest.raises(DidNotRun, match="no apt-get here"):
        find_arm()
    assert not part.exists()
