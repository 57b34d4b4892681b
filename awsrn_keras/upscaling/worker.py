"""What runs on the nodes of a cluster: workers, and the check that a node sees the files."""

import functools
import os
import socket
from dataclasses import replace
from pathlib import Path

from ..errors import InputError
from ..files import check_folder
from .engine import Engine
from .engines import make_engine
from .files import UpscaleOptions, check_job, reason, upscale_files
from .jobs import Job


class Worker:
    """Upscales pictures in a process of its own.

    Args:
        model, engine, precision, scale, threads: As of `make_engine`.
    """

    def __init__(
        self, model: str, engine: str, precision: str, scale: int | None, threads: int
    ) -> None:
        make = functools.partial(make_engine, model, engine, scale=scale, threads=threads)
        self._make, self._float_engine = make, functools.cache(make)
        self._precision, self._threads = precision, threads

    def start(self) -> InputError | None:
        """Make the engine; what is wrong, if anything."""
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC"):
            os.environ[name] = str(self._threads)  # TensorFlow and JAX read them when imported
        try:
            self._engine: Engine = self._make(precision=self._precision)
        except InputError as error:
            return InputError(f"{error} (on node {socket.gethostname()})")
        return None

    def upscale(self, job: Job, options: UpscaleOptions) -> list[str] | InputError:
        """Lines about the picture, or what went wrong with it; a result is replaced."""
        outcome: list[str] | BaseException
        try:
            check_job(job, self._engine.scale, replace(options, overwrite=True))
            ((_, outcome),) = upscale_files([job], self._engine, options, self._float_engine)
        except Exception as error:
            outcome = error
        if isinstance(outcome, BaseException):
            return InputError(reason(job, outcome))  # not every error can be sent
        return outcome


def unseen(probe: Path, source: Path) -> Path | None:
    """Which of them this node does not see: a file in the folder for results, and a picture.

    The folder is also what it returns if it cannot be written to.
    """
    try:
        check_folder(probe.parent)
        if not probe.is_file():
            return probe.parent
    except (InputError, OSError):
        return probe.parent
    return None if source.is_file() else source
