"""What runs on the nodes of a cluster: workers, and the check that a node sees the files."""

import functools
import os
import socket
from dataclasses import replace
from pathlib import Path

from .. import __version__
from ..errors import InputError
from ..files import check_folder
from ..urls import is_url
from .engine import Engine
from .engines import make_engine
from .files import UpscaleOptions, check_job, reason, upscale_files
from .jobs import Job
from .ray_connection import last_line


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

    def start(self, probe: Path, source: Path | None, version: str) -> tuple[str, str | None]:
        """Check this node as `obstacle` does and make the engine.

        Returns:
            The node's ID, and what is wrong, if anything.
        """
        import ray

        os.environ |= self._environment
        self._probe = probe
        here, wrong = socket.gethostname(), obstacle(probe, source, version)
        if wrong:
            wrong = f"node {here} {wrong}"
        else:
            try:
                self._engine: Engine = self._make(precision=self._precision)
            except InputError as error:
                wrong = f"{error} (on node {here})"
        return ray.get_runtime_context().get_node_id(), wrong

    def upscale(self, job: Job, options: UpscaleOptions) -> list[str] | InputError:
        """Lines about the picture, or what went wrong with it; a result is replaced.

        Raises:
            FileNotFoundError: The shared folder has gone, so that nothing here can be relied on.
        """
        self._check_probe()
        outcome: list[str] | BaseException
        try:
            check_job(job, self._engine.scale, replace(options, overwrite=True))
            ((_, outcome),) = upscale_files([job], self._engine, options, self._float_engine)
        except Exception as error:
            outcome = error
        self._check_probe()
        if isinstance(outcome, BaseException):
            return InputError(reason(job, outcome))  # not every error can be sent
        return outcome

    def _check_probe(self) -> None:
        """Raise an error where the shared folder has gone: the local disk would take results."""
        if not is_url(self._probe) and not self._probe.is_file():
            raise FileNotFoundError(f"{self._probe.parent} has gone from {socket.gethostname()}")


def obstacle(probe: Path, source: Path | None, version: str) -> str | None:
    """Why this node cannot work, if so.

    Args:
        probe: A file in the folder for results.
        source: A picture; None leaves it out.
        version: Of this package where the command runs.
    """
    if __version__ != version:
        return f"has awsrn-keras {__version__}, not {version}."
    place = probe.parent
    try:
        check_folder(place)
        probe.open("rb").close()
        if source:
            place = source
            source.open("rb").close()
    except Exception as error:  # libraries for URLs have errors of their own
        why = getattr(error, "strerror", None) or last_line(error)
        return (
            f"does not see {place} or cannot write there ({why}); "
            "inputs and outputs must be in a folder that all nodes share, or URLs."
        )
    return None
