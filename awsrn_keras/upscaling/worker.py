"""What runs on the nodes of a cluster: workers, and the check that a node sees the files."""

import functools
import os
import socket
from dataclasses import replace
from pathlib import Path

from .. import __version__
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
        backend: Of Keras.
    """

    def __init__(
        self,
        model: str,
        engine: str,
        precision: str,
        scale: int | None,
        threads: int,
        backend: str,
    ) -> None:
        make = functools.partial(make_engine, model, engine, scale=scale, threads=threads)
        self._make, self._float_engine = make, functools.cache(make)
        self._precision = precision
        self._environment = {"KERAS_BACKEND": backend}
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC"):
            self._environment[name] = str(threads)  # of TensorFlow and JAX

    def start(self) -> InputError | None:
        """Make the engine; what is wrong, if anything."""
        os.environ |= self._environment
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


def obstacle(probe: Path, source: Path, version: str) -> str | None:
    """Why this node cannot work, if so.

    Args:
        probe: A file in the folder for results.
        source: A picture.
        version: Of this package where the command runs.
    """
    if __version__ != version:
        return f"has awsrn-keras {__version__}, not {version}."
    try:
        check_folder(probe.parent)
        hidden = next((path for path in (probe, source) if not path.is_file()), None)
    except (InputError, OSError):
        hidden = probe
    if hidden is None:
        return None
    return (
        f"does not see {source if hidden == source else probe.parent} or cannot write there; "
        "inputs and outputs must be in a folder that all nodes share, or URLs."
    )
