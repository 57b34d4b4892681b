"""`awsrn upscale --cluster`: everything is done once, whole, and nothing of Ray is left behind."""

import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import ray
from PIL import Image
from ray.cluster_utils import Cluster

from awsrn_keras.upscaling.engines import make_engine
from awsrn_keras.upscaling.files import UpscaleOptions, upscale_files
from awsrn_keras.upscaling.jobs import plan

UPSCALE = [sys.executable, "-m", "awsrn_keras", "upscale", "--engine", "litert"]
PICTURES = 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """40 pictures in `in`, their results on one machine in `expected`."""
    path = tmp_path_factory.mktemp("cluster")
    (path / "in").mkdir()
    random = np.random.default_rng(0)
    for number in range(PICTURES):
        pixels = random.integers(0, 256, (150 + number, 200, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path / "in" / f"{number:02}.png")
    jobs, _ = plan([str(path / "in")], str(path / "expected"))
    outcomes = upscale_files(jobs, make_engine("awsrn_sd_x2", "litert"), UpscaleOptions())
    assert all(isinstance(outcome, list) for _, outcome in outcomes)
    return path


def start(folder, out, *arguments, **options):
    command = [*UPSCALE, str(folder / "in"), "-o", str(out), *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def finish(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out.splitlines(), err


def names(path):
    return sorted(file.name for file in path.iterdir())


def assert_same(folder, out):
    assert names(out) == names(folder / "expected")  # no temporary file either
    for name in names(out):
        assert (out / name).read_bytes() == (folder / "expected" / name).read_bytes(), name


def test_a_killed_worker_and_a_killed_node(folder, tmp_path):
    out = tmp_path / "out"
    t = time.time()
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    try:
        second = cluster.add_node(num_cpus=1)
        print("up", time.time() - t)
        began = time.monotonic()
        process = start(folder, out, "--cluster", cluster.address)
        lines = [process.stdout.readline() for _ in range(6)]
        print(time.monotonic() - began)
        workers = [p for p in psutil.process_iter() if p.name().startswith("ray::_Worker")]
        print([(w, w.ppid()) for w in workers])
        raylet = second.all_processes["raylet"][0].process.pid
        (first,) = [w for w in workers if w.ppid() != raylet]
        first.kill()
        lines += [process.stdout.readline() for _ in range(6)]
        print(time.monotonic() - began)
        psutil.Process(raylet).kill()
        status, rest, err = finish(process)
        print(time.monotonic() - began)
        print(lines, rest, err)
    finally:
        t = time.time()
        cluster.shutdown()
        print("shutdown", time.time() - t)

    assert status == 0
    assert "error" not in err
    done = [line.split(" -> ")[0] for line in [*lines[1:], *rest[:-1]]]
    assert sorted(done) == [str(folder / "in" / name) for name in names(folder / "in")]
    assert rest[-1] == "40 of 40 pictures upscaled"
    assert_same(folder, out)
