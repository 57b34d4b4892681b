"""One training on two hosts: real processes on this machine, connected by JAX through Gloo."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from training_runs import arguments, saved_state, saved_tensors

from awsrn_keras.errors import InputError
from training.fit import main
from training.fitting.hosts import _where

FIT = Path(__file__).parents[2] / "training" / "fit.py"
TOLERANCE = 1e-5  # of weights and averages; a step of the optimizer changes one by about 1e-3
STOPPED = "error: another host has stopped, see its output, or cannot be reached; what was saved"


@pytest.fixture(scope="module")
def jax_without_tensorflow(tmp_path_factory) -> dict[str, str]:
    """The environment of a host; what one of them has compiled the others find."""
    folder = tmp_path_factory.mktemp("jax")
    (folder / "tensorflow.py").write_text("raise ImportError('TensorFlow is out of reach')")
    return {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "XLA_FLAGS": "--xla_backend_optimization_level=1",
    }


@pytest.fixture(scope="module")
def one_host(photographs, jax_without_tensorflow, tmp_path_factory) -> Path:
    """The run of a single process."""
    run = tmp_path_factory.mktemp("one") / "run"
    host = start(options(photographs, run), jax_without_tensorflow, run.with_name("printed"))
    assert host.wait(120) == 0, run.with_name("printed").read_text()
    return run


def options(photographs, run) -> list[str]:
    more = ("--batch-size", "4", "--epochs", "6", "--ema", "0.5", "--degrade", "photo")
    return arguments(photographs, run, *more, "--learning-rate", "1e-3")


def start(given: list[str], environment: dict, printed: Path) -> subprocess.Popen:
    with open(printed, "w") as file:
        command = [sys.executable, str(FIT), *given]
        return subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)


def named_hosts() -> list[list[str]]:
    """The options by which each of two hosts is told where they are."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        hosts = f"127.0.0.1:{free.getsockname()[1]},127.0.0.1"
    return [["--hosts", hosts, "--host-index", str(index)] for index in (0, 1)]


def of_slurm(index: int) -> dict[str, str]:
    """The variables that Slurm sets for each of two tasks; JAX makes a port of the job's number."""
    job = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_STEP_NODELIST": "localhost"}
    numbers = {"SLURM_NTASKS": 2, "SLURM_PROCID": index, "SLURM_LOCALID": index}
    return job | {name: str(number) for name, number in numbers.items()}


class TwoHosts(contextlib.AbstractContextManager):
    """Two processes that train with these options, each with its own options and variables."""

    def __init__(self, given, environment, folder, own=None, variables=({}, {})) -> None:
        self.outputs = [folder / f"host_{index}.txt" for index in (0, 1)]
        more = zip(own or named_hosts(), variables, self.outputs, strict=True)
        self.processes = [
            start([*given, *options], environment | variable, output)
            for options, variable, output in more
        ]

    def printed(self, index: int) -> str:
        return self.outputs[index].read_text()

    def wait_for(self, text: str) -> None:
        """Until the first host has printed it."""
        end = time.monotonic() + 120
        while text not in self.printed(0):
            assert time.monotonic() < end, self.printed(0) + self.printed(1)
            assert self.processes[0].poll() is None, self.printed(0) + self.printed(1)
            time.sleep(0.02)

    def statuses(self, seconds: float = 120) -> list[int]:
        return [process.wait(seconds) for process in self.processes]

    def __exit__(self, *error) -> None:
        for process in self.processes:
            process.kill()  # and what it has started ends with it
            process.wait()


def training_process(host: subprocess.Popen) -> psutil.Process:
    """The one that a host has started for its training."""
    children = psutil.Process(host.pid).children()
    return next(child for child in children if "spawn_main" in " ".join(child.cmdline()))


def assert_equal_to_rounding(run: Path, other: Path) -> None:
    first, second = saved_tensors(run), saved_tensors(other)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        np.testing.assert_allclose(second[name], tensor, atol=TOLERANCE, err_msg=name)
    for a, b in zip(saved_state(run)["history"], saved_state(other)["history"], strict=True):
        np.testing.assert_allclose(a["loss"], b["loss"], rtol=1e-5)
        np.testing.assert_allclose(a["val_psnr"], b["val_psnr"], atol=1e-3)


@pytest.mark.slow
def test_two_hosts_end_with_the_weights_of_one(
    one_host, photographs, jax_without_tensorflow, tmp_path
):
    run = tmp_path / "run"
    with TwoHosts(options(photographs, run), jax_without_tensorflow, tmp_path) as hosts:
        assert hosts.statuses() == [0, 0], hosts.printed(0) + hosts.printed(1)
    assert_equal_to_rounding(one_host, run)
    losses = [row["loss"] for row in saved_state(run)["history"]]
    assert losses[-1] < losses[0] - 1
    assert "every batch shared by cpu:0, cpu:" in hosts.printed(0)
    assert "of 2 hosts" in hosts.printed(0)
    own_lines = [line for line in hosts.printed(1).splitlines() if not line.startswith("[Gloo]")]
    (first,) = own_lines
    assert first.startswith("Waiting for 2 hosts to meet at 127.0.0.1:")
    config = json.loads((run / "config.json").read_text())
    assert config["hosts"] == 2
    assert config["trained"]["machine"].endswith(" on 2 hosts")
    assert sorted(path.name for path in run.iterdir()) == sorted(
        path.name for path in one_host.iterdir()
    )


@pytest.mark.slow
def test_hosts_that_are_stopped_and_killed_leave_a_run_that_one_continues(
    one_host, photographs, jax_without_tensorflow, tmp_path
):
    run = tmp_path / "run"
    with TwoHosts(options(photographs, run), jax_without_tensorflow, tmp_path) as hosts:
        hosts.wait_for("epoch 1/6")
        hosts.processes[1].send_signal(signal.SIGTERM)
        assert hosts.statuses() == [143, 143], hosts.printed(0) + hosts.printed(1)
    assert "state saved after step" in hosts.printed(0)
    stopped = saved_state(run)
    assert stopped["epoch"] < 5

    again = ["--resume", "--run-dir", str(run)]
    with TwoHosts(again, jax_without_tensorflow, tmp_path) as hosts:
        hosts.wait_for(f"epoch {stopped['epoch'] + 1}/6")
        training_process(hosts.processes[1]).kill()
        assert hosts.statuses(60) == [2, 2]
    for index, line in enumerate([STOPPED, "error: this host was ended by SIGKILL"]):
        assert hosts.printed(index).splitlines()[-1].startswith(line)
        assert "Traceback" not in hosts.printed(index)
    assert stopped["epoch"] < saved_state(run)["epoch"] < 6

    host = start(again, jax_without_tensorflow, tmp_path / "printed")
    assert host.wait(120) == 0, (tmp_path / "printed").read_text()
    assert_equal_to_rounding(one_host, run)


@pytest.mark.slow
def test_other_options_on_the_second_host_are_named(photographs, jax_without_tensorflow, tmp_path):
    given = options(photographs, tmp_path / "run")
    own = ["--hosts", "auto"], ["--hosts", "auto", "--seed", "3"]
    slurm = of_slurm(0), of_slurm(1)
    with TwoHosts(given, jax_without_tensorflow, tmp_path, own, slurm) as hosts:
        assert hosts.statuses(60) == [2, 2]
    assert "error: --seed: give all hosts the same as the first one." in hosts.printed(1)
    assert hosts.printed(0).splitlines()[-1].startswith(STOPPED)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["--hosts", "a,b", "--host-index", "0"], "--hosts a,b: name two or more hosts, the first"),
        (["--hosts", "a:1", "--host-index", "0"], "--hosts a:1: name two or more hosts"),
        (["--hosts", "a:1,b"], "--host-index: give this host's place in --hosts, 0 to 1"),
        (["--hosts", "a:1,b", "--host-index", "2"], "in --hosts, 0 to 1"),
        (["--hosts", "auto", "--host-index", "1"], "leave it out with --hosts auto"),
        (["--host-index", "1"], "--host-index needs --hosts"),
    ],
)
def test_hosts_that_are_not_named_well_are_refused(given, named, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(InputError, match=named):
        main(given)


def test_on_tensorflow_hosts_are_refused_with_the_reason_and_the_cure(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    with pytest.raises(InputError, match=r"needs KERAS_BACKEND=jax: .* issue 20585"):
        main(["--hosts", "a:1,b", "--host-index", "0"])


def test_hosts_that_cannot_be_are_refused_at_once():
    for hosts, message in {
        "127.0.0.1:0,b": "name two or more hosts, the first with a free port",
        "127.0.0.1:99999,b": "name two or more hosts, the first with a free port",
        ":1234,b": "name two or more hosts, the first with a free port",
        "no-such-host.invalid:1234,b": "no-such-host.invalid is not found",
    }.items():
        with pytest.raises(InputError, match=message):
            _where(hosts, 0)
