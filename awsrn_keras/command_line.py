"""What commands share: parsers, exit statuses, one-line errors, the line that names the device."""

import argparse
import contextlib
import importlib
import io
import logging
import math
import os
import shutil
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from .errors import InputError

MODEL_HELP = "preset, run folder, .keras, .weights.h5, .pt, .npz or .safetensors"
BACKENDS = ("tensorflow", "jax")  # of Keras
_stderr_lock = threading.RLock()


def command_parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser whose help begins with a module's docstring, in the lines that it is written in."""
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_model(parser: argparse.ArgumentParser, default: str | None = "awsrn_sd_x2") -> None:
    """Add the argument MODEL, as `options.model`; with the default None it must be given."""
    if default is None:
        parser.add_argument("model", metavar="MODEL", help=MODEL_HELP)
    else:
        text = f"{MODEL_HELP} (default %(default)s)"
        parser.add_argument("model", metavar="MODEL", nargs="?", default=default, help=text)


def above_zero(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """The `type` of an option that takes an int or a float above 0."""

    def parsed(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"{text}: give a number above 0")
        return value

    return parsed


def run_command(main: Callable[[], int | None]) -> None:
    """Run `main` and exit: 0 or what it returns, 2 for a user's mistake, 130 for Ctrl-C.

    A mistake is an `InputError`, or an operating system error that names a file (missing,
    no permission, disk full): one line on stderr, no traceback. Any other exception is a
    bug and keeps its traceback. Where nobody reads the output any more, as after `| head`,
    it ends without a word and with 141, the shell's status for SIGPIPE.
    """
    # On metadata of a damaged picture; what harms is reported by an error of our own.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # not every file name can be printed
    try:
        try:
            status = _status(main)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        status = 141
        for stream in (sys.stdout, sys.stderr):  # both are flushed once more on exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(status)


def _status(main: Callable[[], int | None]) -> int:
    try:
        return main() or 0
    except InputError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.filename is None:
            raise
        print(f"error: {printable(str(error.filename))}: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def printable(text: str) -> str:
    """`text` in one line: control characters, as file names may hold, are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def start_backend() -> str:
    """Import Keras and its backend without their chatter; one line that says where they compute.

    E.g. "Computing on CPU (2 cores), Keras 3.15.1 with tensorflow 2.21.0". Where that is the
    processor although the machine has a GPU, what the backend said of it goes to stderr.

    Raises:
        InputError: Keras or its backend is not installed, or the backend is another than
            TensorFlow or JAX.
    """
    wanted = os.environ.get("KERAS_BACKEND", "tensorflow")
    if wanted not in BACKENDS:
        raise InputError(f"KERAS_BACKEND={wanted}: choose {' or '.join(BACKENDS)}.")
    with messages_kept_back() as messages:
        try:
            import keras
        except ModuleNotFoundError as error:
            raise InputError(
                f"Keras cannot start, {error.name} is not installed: pip install {error.name}."
            ) from None
        backend = keras.backend.backend()
        version = importlib.import_module(backend).__version__
        devices = keras.distribution.list_devices()
        said = messages()
    accelerators = [name for name in devices if not name.lower().startswith("cpu")]
    if not accelerators and has_gpu():
        print(f"This machine has a GPU that {backend} does not use:\n{said}", file=sys.stderr)
    where = ", ".join(accelerators) or f"CPU ({cpu_cores()} cores)"
    return f"Computing on {where}, Keras {keras.__version__} with {backend} {version}"


def has_gpu() -> bool:
    """Whether this machine has a GPU that a backend could compute on, without loading one."""
    devices = [*Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("kfd")]
    return bool(devices or shutil.which("nvidia-smi"))


def cpu_cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def messages_kept_back() -> Iterator[Callable[[], str]]:
    """Hold what libraries write to stderr, and let it out only if they fail.

    For commands: it changes stderr of the whole process. Threads take turns. Gives a function
    that returns what is held. An `InputError` says itself what is wrong.

    TensorFlow 2.21 logs to the file descriptor while it is loaded, whatever
    TF_CPP_MIN_LOG_LEVEL says.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("tensorflow").setLevel("ERROR")  # a new picture size is no retracing fault
    with _stderr_lock, tempfile.TemporaryFile() as held:

        def messages() -> str:
            sys.stderr.flush()
            held.seek(0)
            return held.read().decode(errors="replace")

        sys.stderr.flush()
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield messages
        except InputError:
            raise
        except BaseException:
            os.write(stderr, messages().encode())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


@contextlib.contextmanager
def libraries_silenced() -> Iterator[None]:
    """Drop what C libraries write to stderr; what Python prints there still comes out.

    For a command that reads files of others: libtiff has its own words for each damaged one,
    in whatever thread it runs.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    python, nowhere = sys.stderr, os.open(os.devnull, os.O_WRONLY)
    of_python = _file_number(python) == 2
    with _stderr_lock:
        os.dup2(nowhere, 2)
    if of_python:
        sys.stderr = os.fdopen(os.dup(stderr), "w", encoding=python.encoding, errors=python.errors)
    try:
        yield
    finally:
        if of_python:
            sys.stderr.close()
            sys.stderr = python
        with _stderr_lock:
            os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def _file_number(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except OSError:  # not of a file, as in tests
        return None
