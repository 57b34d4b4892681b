"""Pictures upscaled by the workers of a Ray cluster.

A worker is an actor of Ray with an engine of its own. Only paths travel: workers read pictures
and write results themselves, so every node must see both.
"""

import contextlib
import functools
import math
import os
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .. import __version__
from ..errors import InputError
from ..files import existing_part, remove_unfinished
from ..urls import is_url
from .files import UpscaleOptions
from .jobs import Job
from .ray_connection import check_head, join, last_line, leave
from .worker import Worker, obstacle

_AT_ONCE = 2  # pictures that a worker has: one is read or written while the other is computed
_TRIES = 3  # of a picture whose worker dies, and of starting a worker
_LOOK = 2  # seconds between looks at the size of the cluster
_CHECK = 60  # seconds within which a node must answer
_PAUSE = 60  # seconds without new workers after one that did not start, while others work
_SILENCE = 20  # seconds after which a head that does not answer has died
# What a worker needs for photographs of 12 megapixels.
_WORKER_BYTES = {"litert": 2**30, "keras": 2 * 2**30}


class Cluster:
    """The workers of a Ray cluster, until `upscale` ends.

    Each has a core, or several where the memory is too small for so many workers, or a GPU
    where Keras is to compute and there are GPUs. Nodes may come and go. All that are there from
    the start must be able to work; those that come later and are not are left out.

    Args:
        address: "local" for a cluster of this machine's cores, "auto" for the one that this
            machine belongs to, or HOST:PORT of its head.
        model, engine, precision, scale: As of `make_engine`; `engine` is "litert" or "keras".

    Attributes:
        left_out: What is wrong with nodes that were left out, in lines.

    Raises:
        InputError: Ray is missing, or there is no such cluster.
    """

    def __init__(
        self, address: str, model: str, engine: str, precision: str, scale: int | None = None
    ) -> None:
        self._ray = join(address)
        resources = self._ray.cluster_resources()
        memory = _WORKER_BYTES[engine]
        gpus = int(engine == "keras" and resources.get("GPU", 0) >= 1)
        threads = math.ceil(memory * resources.get("CPU", 1) / resources["memory"])
        threads = 1 if gpus else max(1, threads)
        self._needs = {"CPU": threads, "memory": memory} | ({"GPU": 1} if gpus else {})
        actor = self._ray.remote(Worker).options(
            num_cpus=threads,
            num_gpus=gpus,
            memory=memory,
            max_concurrency=_AT_ONCE,
            enable_task_events=False,  # the head would keep some for every picture
        )
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        how = model, engine, precision, scale, threads, backend
        self._new_worker = functools.partial(actor.remote, *how)
        self._starting: dict[Any, Any] = {}  # what their starts will return -> workers
        self._load: dict[Any, int] = {}  # workers -> how many pictures they have
        self._begun: dict[Any, tuple[Any, Job, int]] = {}  # outcomes -> worker, job, load
        # What was left out stays where it is, so that Ray starts no other there.
        self._idle: list[Any] = []
        self.left_out: list[str] = []
        self._what_to_check: tuple[Any, ...] = ()
        self._first: set[str] = set()  # nodes there from the start, until a worker has started
        self._failed_starts, self._next_look, self._next_start = 0, 0.0, 0.0
        self._answered = 0.0  # when the head last did

    def __str__(self) -> str:
        """E.g. "Computing on a Ray cluster: 2 nodes, 8 workers of 1 core"."""
        nodes = sum(node["Alive"] for node in self._ray.nodes())
        threads = self._needs["CPU"]
        each = "a GPU" if "GPU" in self._needs else f"{threads} core{'s' * (threads > 1)}"
        return (
            f"Computing on a Ray cluster: {nodes} node{'s' * (nodes > 1)}, {self._room()} "
            f"worker{'s' * (self._room() > 1)} of {each}"
        )

    def upscale(
        self,
        jobs: list[Job],
        options: UpscaleOptions,
        progress: Callable[[Job, int, int], None] | None = None,
    ) -> Iterator[tuple[Job, list[str] | BaseException]]:
        """Upscale files whose targets passed `check_target`, in any order, and leave the cluster.

        What a dying worker had is done by others.

        Args:
            progress: Called with the last job done, the number done and that of all.

        Yields:
            Each job with lines to print about it, or an `InputError` that says what went wrong.

        Raises:
            InputError: A node does not see the files, or no worker can be started.
        """
        try:
            if not jobs:
                return
            folder = jobs[0].target.parent
            # The last input, since it stays in use: workers that start later check it, too.
            source = next((job.source for job in reversed(jobs) if _is_readable(job.source)), None)
            with _probe_in(existing_part(folder)) as probe:
                self._check_nodes(probe, source)
            if not is_url(folder):
                folder.mkdir(parents=True, exist_ok=True)
            with _probe_in(folder) as probe:
                self._answered = time.monotonic()
                self._what_to_check = probe, source, __version__
                for done, (job, outcome) in enumerate(self._outcomes(jobs, options), 1):
                    yield job, outcome
                    if progress:
                        progress(job, done, len(jobs))
        finally:
            leave(self._ray)
            for _, job, _ in self._begun.values():
                remove_unfinished(job.target)

    def _outcomes(
        self, jobs: list[Job], options: UpscaleOptions
    ) -> Iterator[tuple[Job, list[str] | BaseException]]:
        waiting, deaths = deque(jobs), Counter[Job]()
        while waiting or self._begun:
            self._add_workers()
            while waiting and self._hand_out(waiting[0], options, deaths[waiting[0]]):
                waiting.popleft()
            for reference in self._wait():
                worker, job, load = self._begun.pop(reference)
                try:
                    outcome = self._ray.get(reference)
                except self._ray.exceptions.RayError as error:
                    self._load.pop(worker, None)
                    self._ray.kill(worker)
                    deaths[job] += 1
                    if deaths[job] < _TRIES:
                        waiting.append(job)
                        continue
                    outcome = InputError(
                        f"{job.source}: {_TRIES} workers died ({last_line(error)})"
                    )
                if worker in self._load:
                    self._load[worker] -= load
                if deaths[job]:
                    remove_unfinished(job.target)
                yield job, outcome

    def _hand_out(self, job: Job, options: UpscaleOptions, deaths: int) -> bool:
        """Give the job to the worker that has least to do; False if all have enough.

        What may have killed a worker has the next one to itself, so that nothing dies with it.
        """
        load = _AT_ONCE if deaths else 1
        worker = min(self._load, key=self._load.__getitem__, default=None)
        if worker is None or self._load[worker] + load > _AT_ONCE:
            return False
        self._begun[worker.upscale.remote(job, options)] = worker, job, load
        self._load[worker] += load
        return True

    def _wait(self) -> list[Any]:
        """Outcomes that are there; workers that have started are ready from then on."""
        some = [*self._begun, *self._starting]
        if not some and self.left_out:
            raise InputError(self.left_out[-1])
        done, _ = self._ray.wait(some, timeout=_LOOK)
        for reference in self._starting.keys() & set(done):
            worker = self._starting.pop(reference)
            try:
                node, wrong = self._ray.get(reference)
            except self._ray.exceptions.RayError as error:
                self._failed_starts += 1
                if self._failed_starts >= _TRIES and not self._load:
                    raise InputError(f"No worker can be started: {last_line(error)}") from None
                self._next_start = time.monotonic() + _PAUSE * bool(self._load)
                continue
            if wrong and node in self._first:
                raise InputError(wrong)
            self._first.discard(node)
            if wrong:
                self._idle.append(worker)
                if wrong not in self.left_out:
                    self.left_out.append(wrong)
            else:
                self._load[worker] = 0
        return [reference for reference in done if reference in self._begun]

    def _add_workers(self) -> None:
        """Ask for as many workers as the cluster has room for now."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _LOOK
        try:
            check_head(self._ray.get_runtime_context().gcs_address)
            self._answered = time.monotonic()
        except InputError:  # Ray would end this process after a minute, without a word
            if time.monotonic() - self._answered >= _SILENCE:
                raise InputError(
                    "The head of the cluster has died; --skip-existing goes on with the rest."
                ) from None
            return
        if time.monotonic() < self._next_start:
            return
        present = len(self._load) + len(self._starting) + len(self._idle)
        for _ in range(self._room() - present):
            worker = self._new_worker()
            self._starting[worker.start.remote(*self._what_to_check)] = worker

    def _room(self) -> int:
        """Workers that the cluster has room for; where there is none, one waits for it."""
        resources = self._ray.cluster_resources()
        return max(1, int(min(resources.get(name, 0) / n for name, n in self._needs.items())))

    def _check_nodes(self, probe: Path, source: Path | None) -> None:
        """Raise an `InputError` unless all nodes see a picture and the folder for results."""
        ray, check = self._ray, self._ray.remote(obstacle)
        on_node = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        answers = {}
        for node in ray.nodes():
            if node["Alive"] and node["Resources"].get("CPU"):  # heads may have none
                there = check.options(
                    num_cpus=0, scheduling_strategy=on_node(node["NodeID"], soft=False)
                )
                name = f"node {node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
                answers[there.remote(probe, source, __version__)] = name
                self._first.add(node["NodeID"])
        for answer, name in answers.items():
            try:
                found = ray.get(answer, timeout=_CHECK)
            except ray.exceptions.RayError as error:
                found = f"cannot run awsrn-keras ({last_line(error)})"
            if found:
                raise InputError(f"{name} {found}")


@contextlib.contextmanager
def _probe_in(folder: Path) -> Iterator[Path]:
    """A file by which nodes can tell that they see `folder`."""
    probe = folder / f".awsrn-{secrets.token_hex(8)}"
    probe.touch()
    try:
        yield probe
    finally:
        probe.unlink(missing_ok=True)


def _is_readable(path: Path) -> bool:
    try:
        path.open("rb").close()
    except Exception:  # libraries for URLs have errors of their own
        return False
    return True
