"""`awsrn upscale --cluster`: everything is done once, whole, and nothing of Ray is left behind."""

import http.server
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid

import numpy as np
import psutil
import pytest
from optional import optional
from PIL import Image

from awsrn_keras import __version__
from awsrn_keras.upscaling import cluster, worker
from awsrn_keras.upscaling.engines import make_engine
from awsrn_keras.upscaling.files import UpscaleOptions, upscale_files
from awsrn_keras.upscaling.jobs import Job, plan

optional("upath")
ray = optional("ray")
cluster_utils = optional("ray.cluster_utils")
PICTURES = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """40 pictures in `in`, their results on one machine in `expected`."""
    path = tmp_path_factory.mktemp("cluster")
    (path / "in").mkdir()
    random = np.random.default_rng(0)
    for number in range(PICTURES):
        pixels = random.integers(0, 256, (90 + number, 150, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path / "in" / f"{number:02}.png")
    jobs, _ = plan([str(path / "in")], str(path / "expected"))
    outcomes = upscale_files(jobs, make_engine("awsrn_sd_x2", "litert"), UpscaleOptions())
    assert all(isinstance(outcome, list) for _, outcome in outcomes)
    return path


class Run:
    """`awsrn upscale IN -o OUT --cluster WHERE`, and the processes that come from it."""

    def __init__(self, *arguments):
        self.mark = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, "-m", "awsrn_keras", "upscale", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "AWSRN_TEST": self.mark},
            start_new_session=True,
        )

    def lines(self, count):
        return [self.process.stdout.readline() for _ in range(count)]

    def finish(self):
        """Exit status, further lines on stdout, and stderr."""
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, out.splitlines(), err

    def processes(self):
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process):
        try:
            return process.environ().get("AWSRN_TEST") == self.mark
        except psutil.Error:
            return False

    def assert_nothing_runs(self):
        deadline = time.monotonic() + 10
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert left == []


def contents(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}  # temporary files too


@pytest.mark.slow
def test_a_killed_worker_and_a_killed_node(folder, tmp_path):
    out = tmp_path / "out"
    nodes = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    try:
        raylet = nodes.add_node(num_cpus=1).all_processes["raylet"][0].process
        run = Run(folder / "in", "-o", out, "--engine", "litert", "--cluster", nodes.address)
        lines = run.lines(5)
        assert lines[0] == "Computing on a Ray cluster: 2 nodes, 2 workers of 1 core\n"
        head = nodes.head_node.all_processes["raylet"][0].process
        (worker,) = (
            process
            for process in psutil.Process(head.pid).children()
            if process.name().startswith("ray::Worker")
        )
        worker.kill()
        lines += run.lines(4)
        raylet.kill()
        status, rest, err = run.finish()
        assert head.poll() is None  # the cluster of others goes on
    finally:
        nodes.shutdown()

    assert status == 0
    assert "error" not in err
    done = [line.split(" -> ")[0] for line in [*lines[1:], *rest[:-1]]]
    assert sorted(done) == sorted(map(str, (folder / "in").iterdir()))
    assert rest[-1] == "40 of 40 pictures upscaled"
    assert contents(out) == contents(folder / "expected")


class Fragile(worker.Worker):
    """A worker whose process ends at once on the picture 07.png."""

    def upscale(self, job, options):
        if job.source.name == "07.png":
            os._exit(1)
        return super().upscale(job, options)


@pytest.mark.slow
def test_a_picture_that_kills_workers_takes_no_other_along(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "Worker", Fragile)
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers cannot import it
    out = tmp_path / "out"
    jobs, _ = plan([str(folder / "in" / f"{number:02}.png") for number in range(10)], str(out))
    counted = []
    workers = cluster.Cluster("local", "awsrn_sd_x2", "litert", "float")
    outcomes = workers.upscale(jobs, UpscaleOptions(), lambda *values: counted.append(values))
    failed = {
        job.source.name: str(outcome) for job, outcome in outcomes if not isinstance(outcome, list)
    }
    assert failed.keys() == {"07.png"}
    assert failed["07.png"].startswith(f"{folder}/in/07.png: 3 workers died (")
    assert [values[1:] for values in counted] == [(done, 10) for done in range(1, 11)]
    assert len(contents(out)) == 9
    assert contents(out).items() <= contents(folder / "expected").items()


ENDS = {  # status and stderr after a signal
    signal.SIGINT: (130, "interrupted\n"),
    signal.SIGTERM: (143, ""),
    signal.SIGKILL: (-9, ""),
}
BLIND = """
import sys

def hook(event, arguments):
    if event in ("open", "os.mkdir") and str(arguments[0]).startswith({folder!r}):
        raise FileNotFoundError(2, "hidden", arguments[0])

sys.addaudithook(hook)
"""


@pytest.mark.slow
@pytest.mark.parametrize("hidden", ["in", "out"])
def test_a_late_node_that_does_not_see_the_files_is_left_out(folder, tmp_path, hidden):
    out = tmp_path / "out"
    path = folder / "in" if hidden == "in" else out
    (tmp_path / "sitecustomize.py").write_text(BLIND.format(folder=str(path)))
    nodes = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    try:
        jobs, _ = plan([str(folder / "in")], str(out))
        workers = cluster.Cluster(nodes.address, "awsrn_sd_x2", "litert", "float")
        failed = []
        for number, (_, outcome) in enumerate(workers.upscale(jobs, UpscaleOptions())):
            failed += [outcome] if not isinstance(outcome, list) else []
            if number == 0:
                python_path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
                nodes.add_node(num_cpus=2, env_vars={"PYTHONPATH": python_path})
            elif not workers.left_out:
                time.sleep(0.5)
    finally:
        nodes.shutdown()
    assert failed == []
    (why,) = workers.left_out
    assert re.search(rf"does not see {path}(/39\.png)? or cannot write there \(.*hidden.*\); ", why)
    assert contents(out) == contents(folder / "expected")


def test_a_node_that_cannot_work_says_why(tmp_path):
    probe, source = tmp_path / "probe", tmp_path / "in.png"
    probe.touch()
    source.touch()
    assert worker.obstacle(probe, source, __version__) is None
    assert "not 0.0" in worker.obstacle(probe, source, "0.0")
    for hidden in (source, probe):
        hidden.unlink()
        place = source if hidden == source else tmp_path
        message = f"does not see {place} or cannot write there (No such file or directory); "
        assert worker.obstacle(probe, source, __version__).startswith(message)


def test_a_worker_stops_where_the_shared_folder_has_gone(tmp_path):
    here = worker.Worker("awsrn_nano_x2", "litert", "float", None, 1, "tensorflow")
    here._probe = tmp_path / "probe"
    job = Job(tmp_path / "in.png", tmp_path / "out" / "in.png", "png")
    with pytest.raises(FileNotFoundError, match="has gone"):
        here.upscale(job, UpscaleOptions())
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", ENDS)
def test_a_stopped_run_leaves_nothing_running_and_goes_on(folder, tmp_path, number):
    out = tmp_path / "out"
    arguments = (folder / "in", "-o", out, "--engine", "litert", "--cluster", "local")
    run = Run(*arguments)
    run.lines(4)
    assert len(run.processes()) > 3
    if number == signal.SIGINT:
        os.killpg(run.process.pid, number)  # as a terminal does
    else:
        run.process.send_signal(number)
    status, _, err = run.finish()
    assert (status, err) == ENDS[number]
    run.assert_nothing_runs()
    expected = contents(folder / "expected")
    part = contents(out)
    assert 3 <= len(part) < PICTURES
    if number == signal.SIGKILL:
        part = {name: content for name, content in part.items() if not name.startswith(".")}
    assert part.items() <= expected.items()
    if number == signal.SIGINT:
        (folder / "in" / "bad.png").write_bytes(b"no picture")

        again = Run(*arguments, "--skip-existing")

        status, rest, err = again.finish()
        (folder / "in" / "bad.png").unlink()
        assert status == 1
        assert err.startswith(f"error: {folder}/in/bad.png: not a PNG, ")
        assert err.count("\n") == 1
        summary = f"{PICTURES - len(part)} of 41 pictures upscaled, {len(part)} were there already"
        assert rest[-1] == summary
        again.assert_nothing_runs()
        assert contents(out) == expected


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_while_ray_starts(folder, tmp_path, number):
    run = Run(folder / "in", "-o", tmp_path / "out", "--engine", "litert", "--cluster", "local")
    while not any(process.name() == "gcs_server" for process in run.processes()):
        assert run.process.poll() is None
        time.sleep(0.1)
    if number == signal.SIGINT:
        os.killpg(run.process.pid, number)
    else:
        run.process.send_signal(number)
    status, _, err = run.finish()
    assert (status, err) == ENDS[number]
    run.assert_nothing_runs()
    assert not (tmp_path / "out").exists()


def test_what_nodes_do_not_see_is_refused(folder):
    run = Run(folder / "in", "-o", "memory://out", "--engine", "litert", "--cluster", "local")
    status, _, err = run.finish()
    assert status == 2
    assert re.match(r"error: node .* does not see memory://out or cannot write there \(", err)
    assert err.count("\n") == 1
    run.assert_nothing_runs()


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("here", "--cluster here: give local, auto or HOST:PORT"),
        ("127.0.0.1:99999", "--cluster 127.0.0.1:99999: give local, auto or HOST:PORT"),
        ("[::1]:6379", "--cluster [::1]:6379: give local, auto or HOST:PORT"),
        ("ray://127.0.0.1:10001", "--cluster ray://127.0.0.1:10001: give local, auto or HOST:PORT"),
        ("127.0.0.1:1", "--cluster 127.0.0.1:1: cannot be reached"),
    ],
)
def test_a_cluster_that_is_not_there(folder, tmp_path, where, message):
    run = Run(folder / "in", "-o", tmp_path / "out", "--cluster", where)
    status, _, err = run.finish()
    assert status == 2
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_what_is_no_head(folder, tmp_path):
    """A web server, and something that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        where = f"127.0.0.1:{silent.getsockname()[1]}"
        message = f"error: --cluster {where}: cannot be reached (timed out).\n"
        run = Run(folder / "in", "-o", tmp_path / "out", "--cluster", where)
        assert run.finish() == (2, [], message)
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        where = f"127.0.0.1:{web.server_port}"
        run = Run(folder / "in", "-o", tmp_path / "out", "--cluster", where)
        status, _, err = run.finish()
        web.shutdown()
    assert (status, err) == (2, f"error: --cluster {where}: is no head of a Ray cluster.\n")


@pytest.mark.slow
def test_a_head_that_hangs(folder, tmp_path):
    nodes = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    head = nodes.head_node.all_processes["gcs_server"][0].process
    where = "--engine", "litert", "--self-ensemble", "--cluster", nodes.address
    try:
        run = Run(folder / "in", "-o", tmp_path / "out", *where)
        run.lines(2)
        head.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        status, _, err = run.finish()
        took = time.monotonic() - stopped
        again = Run(folder / "in", "-o", tmp_path / "again", *where)
        refused = again.finish()
    finally:
        head.send_signal(signal.SIGCONT)
        nodes.shutdown()
    assert status == 2
    assert re.fullmatch("error: The head of the cluster has died; .*\n", err)
    assert 15 < took < 50
    assert refused[0] == 2
    assert "cannot be reached (timed out)" in refused[2]
