"""Kills, Ctrl-C, a full disk, a loss that explodes, and a batch shared by two devices."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from training_runs import arguments, saved_state, saved_tensors

from awsrn_keras import AWSRN
from awsrn_keras.errors import InputError
from training.fit import main
from training.fitting.callbacks import StopOnDivergence
from training.fitting.run_folder import Progress, RunFolder

ROOT = Path(__file__).parents[2]


def go_on(run, **changes) -> None:
    """Let a finished run be resumed, with other options."""
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, **changes}))


def contents(folder):
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def kill_training(*options: str, **environment: str) -> str:
    """What tests/faults/kill_training.py prints, after checking that the run survived."""
    command = [sys.executable, ROOT / "tests/faults/kill_training.py", *options]
    changed = {**os.environ, **environment}
    result = subprocess.run(command, env=changed, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    stopped = next(line for line in result.stdout.splitlines() if "SIGINT at" in line)
    assert "step 0" not in stopped
    return result.stdout


@pytest.mark.slow
def test_a_run_killed_and_interrupted_ends_with_the_very_weights_of_one_left_alone():
    printed = kill_training("--inside=2", "--outside=0", "--interrupts=1", "--seed=2")
    assert "Survived 1 SIGINT, 2 inside a write" in printed


@pytest.mark.slow
def test_on_jax_a_run_needs_no_tensorflow_and_survives_as_well(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise ImportError('TensorFlow is out of reach')")
    environment = {
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        # The program is compiled once, and in half the time.
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "XLA_FLAGS": "--xla_backend_optimization_level=1",
    }
    few = ("--inside=1", "--outside=0", "--interrupts=1", "--seed=0")
    printed = kill_training(*few, **environment)
    assert "Survived 1 SIGINT, 1 inside a write" in printed
    assert "with jax" in printed
    assert "No files for TensorBoard" in printed


@pytest.mark.slow
def test_a_full_disk_stops_with_one_line_and_leaves_the_last_state(run, tmp_path):
    go_on(run, epochs=3)
    before = contents(run / "checkpoint")

    result = fit_on_a_small_disk(run, tmp_path)

    assert result.returncode == 2, result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "Traceback" not in result.stderr
    assert "the last saved state is kept. Make room and continue with --resume" in errors[0]
    assert contents(run / "checkpoint") == before
    main(["--resume", "--run-dir", str(run)])
    assert saved_state(run)["epoch"] == 3


def fit_on_a_small_disk(run, tmp_path):
    """Resume where a second checkpoint does not fit; where nothing can be mounted, in no file."""
    fit = [sys.executable, str(ROOT / "training/fit.py"), "--resume", "--run-dir"]
    private = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") and subprocess.run([*private, "true"]).returncode == 0:
        small = tmp_path / "small"
        small.mkdir()
        used = sum(map(len, contents(run).values())) // 1024
        script = (
            f"mount -t tmpfs -o size={used + 4000}k tmpfs {small} && cp -r {run} {small}/run && "
            f"{{ {' '.join(fit)} {small}/run; status=$?; rm -r {run} && cp -r {small}/run {run}; "
            "exit $status; }"
        )
        return subprocess.run([*private, "sh", "-c", script], capture_output=True, text=True)
    limit = [sys.executable, "-c", LIMITED, *fit[1:], str(run)]
    return subprocess.run(limit, capture_output=True, text=True)


LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, 4_000_000))
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.mark.slow
def test_a_run_whose_error_explodes_leaves_the_last_state(run):
    go_on(run, epochs=40, learning_rate=1.0, schedule="halving")
    state = saved_state(run)
    state["history"][1]["psnr"] = 45.0  # as a long run has it; 1.0 leaves under 20 dB
    (run / "checkpoint/state.json").write_text(json.dumps(state))
    before = contents(run / "checkpoint")

    with pytest.raises(InputError) as caught:
        main(["--resume", "--run-dir", str(run)])

    assert "in epoch 3; the last saved state is kept" in str(caught.value)
    assert f"--init {run} --learning-rate 0.5" in str(caught.value)
    assert contents(run / "checkpoint") == before


@pytest.mark.parametrize(
    ("history", "psnr", "named"),
    [
        ([29.0, 32.5], 12.6, None),
        ([32.5, 29.0], 12.4, "PSNR fell to 12.4 dB, more than 20 below 32.5, in epoch 3"),
        ([], -19.0, None),
        ([], -21.0, "20 below 0.0, in epoch 1; .* new run with --learning-rate 0.0005"),
    ],
)
def test_an_error_ten_times_the_best_is_lost(history, psnr, named, tmp_path):
    progress = Progress(epoch=len(history), history=[{"psnr": value} for value in history])
    check = StopOnDivergence(RunFolder(tmp_path), progress, learning_rate=1e-3)
    check.set_model(AWSRN("awsrn_sd", 2))
    if named is None:
        check.on_epoch_end(len(history), {"psnr": psnr})
    else:
        with pytest.raises(InputError, match=named):
            check.on_epoch_end(len(history), {"psnr": psnr})


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_the_run_at_once(loss, tmp_path):
    check = StopOnDivergence(RunFolder(tmp_path), Progress(), learning_rate=1e-3)
    check.on_train_batch_end(3, {"loss": 2.5})
    with pytest.raises(InputError, match=f"the loss became {loss} at step 5 in epoch 1; the last"):
        check.on_train_batch_end(4, {"loss": loss})


def test_weights_that_are_no_numbers_are_not_saved_however_good_the_loss(tmp_path):
    model = AWSRN("awsrn_sd", 2)
    check = StopOnDivergence(RunFolder(tmp_path), Progress(), learning_rate=1e-3)
    check.set_model(model)
    check.on_epoch_end(0, {"psnr": 30.0})
    model.get_layer("head").bias.assign(np.full(16, np.inf))
    with pytest.raises(InputError, match="head/bias became NaN or infinite in epoch 1"):
        check.on_epoch_end(0, {"psnr": 30.0})


def test_a_run_killed_before_its_first_line_can_be_started_again(photographs, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / ".lock").touch()
    (run / ".part-7.config.json").touch()
    RunFolder(run).check_unused()
    (run / "notes.txt").touch()
    with pytest.raises(InputError, match="is not empty"):
        RunFolder(run).check_unused()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"weights": 3}', '{"weights": "a", "epoch": 1}']
)
def test_a_damaged_state_is_named(content, tmp_path):
    folder = RunFolder(tmp_path)
    folder.checkpoint.mkdir()
    (folder.checkpoint / "state.json").write_text(content)
    with pytest.raises(InputError, match="damaged or not"):
        folder.load_state(AWSRN("awsrn_sd", 2))


TWO_DEVICES = """
import json
import sys

if sys.argv[1] == "tensorflow":
    import tensorflow as tf
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from training.fit import main
for options in json.loads(sys.argv[2]):
    main(options)
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_devices_train_as_one_does_on_the_same_batches(backend, photographs, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    more = ("--batch-size", "4", "--ema", "0.5")
    runs = [
        arguments(photographs, one, *more),
        arguments(photographs, two, *more, "--distribute"),
    ]
    devices = "--xla_force_host_platform_device_count=2"
    both = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, backend, json.dumps(runs)],
        env={**os.environ, "KERAS_BACKEND": backend, "XLA_FLAGS": devices},
        capture_output=True,
        text=True,
    )
    assert both.returncode == 0, both.stderr
    assert both.stdout.count("every batch shared by cpu:0, cpu:1") == 1

    first, second = saved_tensors(one), saved_tensors(two)
    assert first.keys() == second.keys()
    differences = [np.abs(first[k].astype("f8") - second[k]).mean() for k in first]
    assert max(differences) < 1e-4  # a step changes a weight by up to 1e-3
    for a, b in zip(saved_state(one)["history"], saved_state(two)["history"], strict=True):
        np.testing.assert_allclose(a["loss"], b["loss"], rtol=1e-4)
        np.testing.assert_allclose(a["val_psnr"], b["val_psnr"], atol=0.05)
    losses = [row["loss"] for row in saved_state(one)["history"]]
    assert losses[1] < 0.9 * losses[0]


def test_distribute_is_refused_without_a_gpu(photographs, tmp_path):
    with pytest.raises(InputError, match="tensorflow finds no GPU here; leave it out"):
        main(arguments(photographs, tmp_path / "run", "--distribute"))
    assert not (tmp_path / "run").exists()
