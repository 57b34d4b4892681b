"""Pictures upscaled by the workers of a Ray cluster.

A worker is an actor of Ray with an engine of its own. Only paths travel: workers read pictures
and write results themselves, so every node must see both.
"""

import functools
import logging
import os
import secrets
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from ..command_line import cpu_cores
from ..errors import InputError
from ..files import check_folder, existing_part, remove_unfinished
from .engine import Engine
from .engines import make_engine
from .files import UpscaleOptions, check_job, reason, upscale_files
from .jobs import Job

_AT_ONCE = 2  # pictures that a worker has: one is read or written while the other is computed
_TRIES = 3  # of a picture whose worker dies, and of starting a worker
_LOOK = 2  # seconds between looks at the size of the cluster
_CHECK = 60  # seconds within which a node must answer
# What a worker needs for photographs of 12 megapixels.
_WORKER_BYTES = {"litert": 2**30, "keras": 2 * 2**30}
_OBJECT_STORE_BYTES = 80 * 2**20  # close to the least that Ray takes


class Cluster:
    """The workers of a Ray cluster; a context manager that leaves the cluster at its end.

    A cluster of this machine's cores ends with it, any other goes on.

    Args:
        address: "local" for a cluster of this machine's cores, "auto" for the one that this
            machine belongs to, or HOST:PORT of its head.
        model, engine, precision: As of `make_engine`; `engine` is "litert" or "keras".

    Raises:
        InputError: Ray is missing, or there is no such cluster.
    """

    def __init__(self, address: str, model: str, engine: str, precision: str) -> None:
        self._ray = _import_ray()
        self._scale = 0
        self._starting: dict[Any, Any] = {}  # references to the end of the start -> workers
        self._load: dict[Any, int] = {}  # workers -> pictures that they have
        self._unfinished: dict[Any, tuple[Any, Job, int]] = {}  # references -> worker, job, load
        self._failed_starts, self._next_look = 0, 0.0
        _connect(self._ray, address)
        resources = self._ray.cluster_resources()
        gpus = int(resources.get("GPU", 0)) if engine == "keras" else 0
        self._needs = {"memory": _WORKER_BYTES[engine], "GPU" if gpus else "CPU": 1}
        if not gpus:
            per_worker = _WORKER_BYTES[engine] * resources.get("CPU", 1)
            self._needs["CPU"] = max(1, round(per_worker / resources["memory"]))
        threads = self._needs.get("CPU", 1)
        self._new_worker = functools.partial(
            self._ray.remote(_Worker)
            .options(
                num_cpus=threads,
                num_gpus=self._needs.get("GPU", 0),
                memory=self._needs["memory"],
                max_concurrency=_AT_ONCE,
            )
            .remote,
            model,
            engine,
            precision,
            threads,
        )

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *error: object) -> None:
        self._ray.shutdown()
        for _, job, _ in self._unfinished.values():
            remove_unfinished(job.target)

    def __str__(self) -> str:
        nodes = sum(node["Alive"] for node in self._ray.nodes())
        count, threads = self._wanted(), self._needs.get("CPU")
        of = f"{_counted(threads, 'core')} each" if threads else "a GPU each"
        return f"Ray {self._ray.__version__}: {_counted(nodes, 'node')}, workers {count}, {of}"

    def start(self, jobs: list[Job]) -> int:
        """Check that every node sees inputs and outputs, and wait for the first worker.

        Returns:
            The magnification.

        Raises:
            InputError: A node does not see them, or no worker can be started.
        """
        source = next((job.source for job in jobs if job.source.is_file()), None)
        probe = existing_part(jobs[0].target.parent) / f".awsrn-{secrets.token_hex(8)}"
        probe.touch()
        try:
            self._check_nodes(probe, source)
        finally:
            probe.unlink()
        while not self._load:
            self._add_workers()
            self._wait()
        return self._scale

    def upscale(
        self, jobs: list[Job], options: UpscaleOptions
    ) -> Iterator[tuple[Job, list[str] | BaseException]]:
        """Upscale files whose targets passed `check_target`, in any order.

        What a dying worker had is done by others; a result that is there already is replaced.

        Yields:
            Each job with lines to print about it, or an `InputError` that says what went wrong.
        """
        waiting, deaths = deque(jobs), Counter[Job]()
        while waiting or self._unfinished:
            self._add_workers()
            while waiting and self._hand_out(waiting[0], options, alone=deaths[waiting[0]] > 0):
                waiting.popleft()
            for reference in self._wait():
                worker, job, load = self._unfinished[reference]
                outcome: list[str] | BaseException
                try:
                    outcome = self._ray.get(reference)
                except self._ray.exceptions.RayError as error:
                    self._load.pop(worker, None)
                    self._ray.kill(worker)
                    deaths[job] += 1
                    if deaths[job] < _TRIES:
                        del self._unfinished[reference]
                        waiting.append(job)
                        continue
                    outcome = InputError(f"{job.source}: {_TRIES} workers died ({_line(error)}).")
                if worker in self._load:
                    self._load[worker] -= load
                if deaths[job]:
                    remove_unfinished(job.target)
                del self._unfinished[reference]
                yield job, outcome

    def _hand_out(self, job: Job, options: UpscaleOptions, alone: bool) -> bool:
        """Give the job to the worker that has least to do; False if all have enough.

        What may have killed a worker gets one of its own, lest it takes another picture along.
        """
        load = _AT_ONCE if alone else 1
        worker = min(self._load, key=self._load.__getitem__, default=None)
        if worker is None or self._load[worker] + load > _AT_ONCE:
            return False
        self._unfinished[worker.upscale.remote(job, options)] = worker, job, load
        self._load[worker] += load
        return True

    def _wait(self) -> list[Any]:
        """References to pictures that are done, after a look at workers that are starting."""
        references = [*self._unfinished, *self._starting]
        done, _ = self._ray.wait(references, num_returns=1, timeout=_LOOK)
        for reference in self._starting.keys() & set(done):
            worker = self._starting.pop(reference)
            try:
                scale = self._ray.get(reference)
            except self._ray.exceptions.RayError as error:
                self._failed_starts += 1
                if self._failed_starts >= _TRIES and not self._load:
                    raise InputError(f"No worker can be started: {_line(error)}.") from None
                continue
            if isinstance(scale, InputError):
                raise scale
            self._scale, self._load[worker] = scale, 0
        return [reference for reference in done if reference in self._unfinished]

    def _add_workers(self) -> None:
        """Have as many workers as the cluster has room for now: nodes come and go."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _LOOK
        for _ in range(self._wanted() - len(self._load) - len(self._starting)):
            worker = self._new_worker()
            self._starting[worker.start.remote()] = worker

    def _wanted(self) -> int:
        resources = self._ray.cluster_resources()
        return max(1, int(min(resources.get(name, 0) / n for name, n in self._needs.items())))

    def _check_nodes(self, probe: Path, source: Path | None) -> None:
        """Raise an `InputError` unless all nodes see the probe and read the picture."""
        ray, check = self._ray, self._ray.remote(_unseen)
        asked = {}
        for node in ray.nodes():
            if node["Alive"] and node["Resources"].get("CPU"):
                place = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
                    node["NodeID"], soft=False
                )
                there = check.options(num_cpus=0, scheduling_strategy=place, max_retries=0)
                name = f"node {node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
                asked[there.remote(probe, source)] = name
        for reference, name in asked.items():
            try:
                unseen = ray.get(reference, timeout=_CHECK)
            except ray.exceptions.RayError as error:
                raise InputError(
                    f"{name}: awsrn-keras does not run there: {_line(error)}"
                ) from None
            if unseen:
                raise InputError(
                    f"{unseen}: {name} does not see it: inputs and outputs must be in a folder "
                    "that all nodes share, or URLs."
                )


class _Worker:
    """Upscales pictures in a process of its own, on some node.

    Nothing happens in the constructor, whose errors Ray would wrap.
    """

    def __init__(self, model: str, engine: str, precision: str, threads: int) -> None:
        self._make = functools.partial(make_engine, model, engine, threads=threads)
        self._precision, self._threads = precision, threads
        self._float_engine = functools.cache(self._make)

    def start(self) -> int | InputError:
        """Make the engine; the scale, or what is wrong."""
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC"):
            os.environ[name] = str(self._threads)  # of TensorFlow and JAX, before their import
        try:
            self._engine: Engine = self._make(self._precision)
        except InputError as error:
            return InputError(f"node {socket.gethostname()}: {error}")
        return self._engine.scale

    def upscale(self, job: Job, options: UpscaleOptions) -> list[str] | InputError:
        """Lines about the picture, or what went wrong with it; nothing is raised."""
        outcome: list[str] | BaseException
        try:
            check_job(job, self._engine.scale, replace(options, overwrite=True))
            ((_, outcome),) = upscale_files([job], self._engine, options, self._float_engine)
        except Exception as error:
            outcome = error
        # Not every error of a library can be sent.
        return outcome if isinstance(outcome, list) else InputError(reason(job, outcome))


def _unseen(probe: Path, source: Path | None) -> Path | None:
    """Which of the folder for results and the picture cannot be used on this node."""
    try:
        check_folder(probe.parent)
        seen = probe.is_file()
    except (InputError, OSError):
        seen = False
    if not seen:
        return probe.parent
    try:
        if source:
            with open(source, "rb") as file:
                file.read(1)
    except OSError:
        return source
    return None


def _import_ray() -> ModuleType:
    """Ray, which is told to send no statistics."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns
    try:
        import ray
    except ImportError as error:
        raise InputError(f"--cluster needs Ray ({error}): pip install ray.") from None
    return ray


def _connect(ray: ModuleType, address: str) -> None:
    """Start a cluster of this machine or join one, quietly."""
    start: dict[str, Any] = {}
    if address == "local":
        start = {"num_cpus": cpu_cores(), "include_dashboard": False}
        start["object_store_memory"] = _OBJECT_STORE_BYTES
    elif address != "auto":
        _check_address(address)
    # A node that dies would print its log; there is no public switch (Ray 2.60).
    ray._private.worker._worker_logs_enabled = False
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, **start)
    except BaseException as error:
        ray.shutdown()
        if not isinstance(error, Exception):
            raise
        if address == "local":
            raise InputError(f"Ray cannot be started: {_line(error)}") from None
        cure = f"ray start --{'head' if address == 'auto' else f'address={address}'}"
        raise InputError(
            f"--cluster {address}: this machine belongs to no such cluster; `{cure}` changes that "
            f"({_line(error)})"
        ) from None


def _check_address(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"--cluster {address}: give local, auto or HOST:PORT.")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"--cluster {address}: cannot be reached ({_line(error)}).") from None


def _line(error: BaseException) -> str:
    """The last line of an error, where Ray has what went wrong."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].strip()[:200]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}"
