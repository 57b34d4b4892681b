"""train_release.py from start to end, on a processor, with TensorFlow out of reach."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from awsrn_keras.command_line import run_command
from awsrn_keras.network.loading import load_model
from awsrn_keras.network.presets import preset_path
from awsrn_keras.pictures.resize import imresize
from awsrn_keras.scoring.metrics import psnr_y
from training import train_release
from training.release.files import Progress, ReleaseFiles
from training.release.recipe import Recipe

COMMAND = Path(train_release.__file__)
TINY = [
    *("--variant", "awsrn_s", "--batch-size", "2", "--patch-size", "8", "--chunk", "5"),
    *("--warm-up", "5", "--precision", "float32"),
]
# Any attempt to import TensorFlow is an error; the others are just not there. (Where
# etils is there JAX's cache of compiled programs asks it whether TensorFlow is installed.)
ALONE = """
import runpy, sys
class Gate:
    def find_spec(self, name, path=None, target=None):
        if name in ("tensorflow", "torch"):
            raise RuntimeError(f"{name} was imported")
        if name in ("h5py", "matplotlib", "skimage", "sklearn", "etils"):
            raise ImportError(name)
sys.meta_path.insert(0, Gate())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """A folder with two small pictures that have structure, H != W, in `pictures`."""
    folder = tmp_path_factory.mktemp("release")
    rows, columns = np.mgrid[:40, :56]
    (folder / "pictures").mkdir()
    for i in (1, 2):
        waves = 127 + 100 * np.sin(rows / (2 + i)) * np.cos(columns / (3 + i))
        noise = np.random.default_rng(i).normal(0, 8, (40, 56, 3))
        picture = np.clip(waves[..., None] * (1, 0.8, 0.6) + noise, 0, 255).astype("uint8")
        Image.fromarray(picture).save(folder / f"pictures/wave_{i}.png")
    return folder


def start(work: Path, *arguments: str) -> subprocess.Popen:
    """The command in `work`; its compiled programs are kept for the next one."""
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(work / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "XLA_FLAGS": "--xla_backend_optimization_level=1",  # compiles in half the time
        "AWSRN_CACHE": str(work / "bank"),
    }
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"} | cache
    given = [sys.executable, "-c", ALONE, str(COMMAND), *TINY, "--images", "pictures", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(given, cwd=work, env=environment, **pipes)


def finished(process: subprocess.Popen) -> str:
    out, _ = process.communicate(timeout=600)
    assert process.returncode == 0, out
    return out


def until(condition, process: subprocess.Popen) -> None:
    """Wait for something that the running command does."""
    while not condition():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.002)


@pytest.fixture(scope="module")
def rehearsal(work) -> str:
    """What a training of 20 steps prints; its result is `whole`."""
    return finished(start(work, "--val", "pictures", "--steps", "20", "-o", "whole"))


def state_of(output: Path) -> dict[str, np.ndarray]:
    lists = ReleaseFiles(output).load()
    return {f"{name} {i}": array for name in lists for i, array in enumerate(lists[name])}


@pytest.mark.slow
def test_a_rehearsal_learns_and_leaves_a_model_with_its_record(work, rehearsal):
    lines = [line for line in rehearsal.splitlines() if " loss " in line]
    losses = [float(line.split("loss ")[1].split()[0]) for line in lines]
    assert losses[-1] < 0.7 * losses[0]
    assert rehearsal.startswith("Computing on CPU")
    assert "Warning" not in rehearsal
    assert "2 images of 0 megapixels; 0 too small" in rehearsal

    record = json.loads((work / "whole.json").read_text())
    assert (record["variant"], record["scale"], record["params"]) == ("awsrn_s", 2, 397_482)
    assert (record["steps"], record["seed"], record["data"]["images"]) == (20, 0, 2)
    # 91.2 G multiply-adds for 1280x720 are 396 k per LR pixel; 6 operations, 64 pixels.
    flops = 6 * 64 * 91.2e9 / (1280 * 720 / 4)
    per_patch = 1e12 * record["speed"]["tflops"] / record["speed"]["patches_per_second"]
    assert per_patch == pytest.approx(flops, rel=0.05)
    assert "share_of_peak" not in record["speed"]  # of a processor it is not known

    model, psnr = load_model(work / "whole.npz"), []
    for picture in sorted((work / "pictures").iterdir()):
        hr = np.asarray(Image.open(picture))
        lr = imresize(hr, 1 / 2)[None].astype("float32")
        psnr.append(psnr_y(np.asarray(model(lr))[0], hr, 2))
    assert record["val_psnr"] == [{"step": 20, "psnr": pytest.approx(np.mean(psnr), abs=1e-3)}]


@pytest.mark.slow
def test_killed_while_saving_and_resumed_it_ends_as_if_never_stopped(work, rehearsal):
    process = start(work, "--steps", "20", "--save-seconds", "0", "-o", "cut")
    state = work / "cut.state"
    until((state / "state.json").exists, process)
    until(lambda: list(state.glob(".part*")), process)  # it is writing the next one
    process.send_signal(signal.SIGKILL)
    process.communicate()
    step = json.loads((state / "state.json").read_text())["progress"]["step"]
    assert 0 < step < 20
    assert not (work / "cut.json").exists()

    finished(start(work, "--resume", "-o", "cut"))
    whole, cut = state_of(work / "whole"), state_of(work / "cut")
    assert whole.keys() == cut.keys()
    for name, array in whole.items():
        np.testing.assert_allclose(cut[name], array, rtol=0, atol=1e-6, err_msg=name)
    assert not list(state.glob(".part*"))
    assert json.loads((work / "cut.json").read_text())["steps"] == 20


@pytest.mark.slow
def test_a_training_waits_compiled_for_the_weights_it_starts_from(work, rehearsal):
    waits = ["--init", "late.npz", "--after", "late.json", "--steps", "5", "-o", "warm"]
    waits += ["--loss", "log_mse", "--optimizer", "muon"]
    process = start(work, *waits, "--val", "pictures")
    for line in process.stdout:
        if line == "Ready; waiting for late.json\n":
            break
    (work / "late.npz").write_bytes(preset_path("awsrn_s_x2").read_bytes())
    (work / "late.json").write_text("{}")
    finished(process)
    cold, warm = (json.loads((work / name).read_text()) for name in ("whole.json", "warm.json"))
    assert warm["val_psnr"][0]["psnr"] > cold["val_psnr"][0]["psnr"] + 1
    assert "started from late.npz" in warm["recipe"]


@pytest.mark.parametrize("crash_at", range(8))
def test_a_state_is_whole_wherever_its_saving_is_cut_off(tmp_path, monkeypatch, crash_at):
    recipe, files = Recipe(), ReleaseFiles(tmp_path / "out")

    def save(step):
        lists = {name: [np.full(3, step), np.float32(step)] for name in ("weights", "average")}
        files.save(lists, recipe, {"crc32": "0"}, Progress(step=step))

    save(1)
    changes = []

    def crashing(change):
        def changed(*arguments, **options):
            changes.append(change)
            if len(changes) > crash_at:
                raise KeyboardInterrupt
            return change(*arguments, **options)

        return changed

    with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
        for name in ("replace", "unlink"):
            patch.setattr(Path, name, crashing(getattr(Path, name)))
        save(2)
    assert len(changes) > min(crash_at, 4)

    with contextlib.closing(ReleaseFiles(tmp_path / "out")) as again:
        _, _, progress = again.resume()
        values = {float(np.mean(a)) for arrays in again.load().values() for a in arrays}
    assert values == {progress.step}
    save(3)  # and what the crash left behind is gone
    assert len(list((tmp_path / "out.state").glob("*.npz"))) == 2


def test_a_state_of_the_largest_network_is_in_files_under_15_mb(tmp_path):
    files = ReleaseFiles(tmp_path / "out")
    files.save({"weights": [np.zeros(2_348_172, "float32")]}, Recipe(), {}, Progress())
    assert max(file.stat().st_size for file in (tmp_path / "out.state").iterdir()) < 15e6


def refused(capsys, *arguments: str) -> str:
    """The one line on stderr with which the command refuses, after checking status 2."""
    with pytest.raises(SystemExit) as stopped:
        run_command(lambda: train_release.main(list(arguments)))
    error = capsys.readouterr().err
    assert stopped.value.code == 2
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (["--variant", "awsrn_xl"], "awsrn_xl"),
        (["--scale", "5"], "choose one of 2, 3, 4, 8"),
        (["--minutes", "0"], "--minutes must be above 0"),
        (["--steps", "10", "--minutes", "1"], "not both"),
        (["--batch-size", "0"], "--batch-size must be at least 1"),
        (["--ema", "1"], "--ema must be"),
        (["--precision", "float8"], "--precision must be one of"),
        (["--loss", "ssim"], "--loss must be one of l1, mse"),
        (["--optimizer", "sgd"], "--optimizer must be one of adam, muon"),
        (["--images", "nowhere"], "nowhere"),
        (["--images", "damaged.zip"], "not a zip archive"),
        (["--patch-size", "48"], "No image holds a patch"),
        (["--init", "nothing.npz"], "nothing.npz"),
        (["--resume"], "nothing to resume"),
        (["--output", "done.npz"], "--resume, or give another"),
        (["--output", "done", "--resume"], "is complete"),
    ],
)
def test_mistakes_are_one_line(work, tmp_path, monkeypatch, capsys, mistake, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWSRN_CACHE", str(tmp_path))
    monkeypatch.setattr(train_release, "start_jax", lambda: None)
    Path("damaged.zip").write_bytes(b"PK not really")
    Path("done.json").write_text("{}")
    given = ["--images", str(work / "pictures"), "--output", "out", *mistake]
    assert message in refused(capsys, *given)
    assert not list(tmp_path.glob("*.npz"))


def test_another_backend_is_refused(monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert "KERAS_BACKEND" in refused(capsys, "--images", "x", "-o", "y")
