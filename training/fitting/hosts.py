"""`--hosts`: one training shared by processes on many machines, on JAX.

Every process runs the whole of `fit.py` with its share of each batch, so that all of them
compute the same numbers and decide alike. The first one owns the run folder; what the others
write goes to a temporary folder.
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import socket
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from awsrn_keras.command_line import has_gpu, run_command
from awsrn_keras.data import PairBank
from awsrn_keras.errors import InputError

from .config import Config, option
from .run_folder import RunFolder

AUTO = "auto"
HEARTBEAT = 30  # seconds of silence after which a host counts as lost
MEETING = 300  # seconds in which all hosts have to start
AGAIN = "what was saved is kept: start all hosts again, with --resume if training had begun."
UNMET = "not all hosts have come within five minutes"
LOST = f"another host has stopped, see its output, or cannot be reached; {AGAIN}"


def share() -> tuple[int, int]:
    """Index of this host, 0 for the first, and the number of hosts."""
    jax = sys.modules.get("jax")
    if jax is None or not jax.distributed.is_initialized():
        return 0, 1
    return jax.process_index(), jax.process_count()


def from_first(value: Any) -> Any:
    """What the first host gives, on all of them."""
    index, count = share()
    if count == 1:
        return value
    from jax.experimental.multihost_utils import broadcast_one_to_all

    pickled = np.frombuffer(pickle.dumps(value), np.uint8)
    size = int(broadcast_one_to_all(np.int32(len(pickled))))
    return pickle.loads(broadcast_one_to_all(pickled if index == 0 else np.zeros(size, np.uint8)))


@contextlib.contextmanager
def run_folder(path: Path) -> Iterator[RunFolder]:
    """The folder of a run; on all hosts but the first a temporary one, and nothing is printed."""
    path = from_first(path)
    with contextlib.ExitStack() as stack:
        place = path
        if share()[0] > 0:
            nowhere = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(contextlib.redirect_stdout(nowhere))
            stack.enter_context(contextlib.redirect_stderr(nowhere))
            place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        yield stack.enter_context(contextlib.closing(RunFolder(path, place)))


def resume(folder: RunFolder, given: dict) -> Config:
    """`folder.resume(given)` with what the first host has saved, on all of them."""
    first, saved = share()[0] == 0, {}
    if first:
        config = folder.resume(given)
        for file in (folder.config_file, *folder.checkpoint.glob("*")):
            saved[str(file.relative_to(folder.place))] = file.read_bytes()
    saved = from_first(saved)
    if not first:
        folder.checkpoint.mkdir()
        for name, content in saved.items():
            (folder.place / name).write_bytes(content)
        config = folder.resume(given)
    return config


def check_same(name: str, value: Any) -> None:
    """Raise an `InputError` unless the first host was given the same for the option `name`."""
    if value != from_first(value):
        raise InputError(f"{name}: give all hosts the same as the first one.")


def check_same_options(config: Config) -> None:
    """Raise an `InputError` that names the options that were given otherwise to the first host."""
    own, first = config.to_json(), from_first(config.to_json())
    if names := [option(name) for name in own if own[name] != first[name]]:
        raise InputError(f"{', '.join(names)}: give all hosts the same as the first one.")


def check_same_data(data: PairBank) -> None:
    """Raise an `InputError` unless the first host trains on the same pictures."""
    if data.digest != from_first(data.digest):
        raise InputError(
            "the pictures to train on differ from those of the first host: give all of them the "
            "same files, or one cache ($AWSRN_CACHE)."
        )


def on_hosts(work: Callable[[dict], None], options: dict, addresses: str, index: int | None) -> int:
    """Do `work(options)` as one of the hosts and return its exit status.

    It is done in a process of its own, since JAX aborts the process when another host is gone.
    Ctrl-C and SIGTERM let all hosts stop after the same step; a second one stops this one at once.

    Args:
        work: Picklable.
        addresses: HOST:PORT of the first host, then the others, with commas; or `AUTO`.
        index: Of this host among them; None with `AUTO`.

    Raises:
        InputError: The hosts cannot train together, or one of them is lost.
    """
    if os.environ.get("KERAS_BACKEND") != "jax":
        raise InputError(
            "--hosts needs KERAS_BACKEND=jax: on TensorFlow, Keras 3 does not train under "
            "MultiWorkerMirroredStrategy (keras issue 20585)."
        )
    jax = sys.modules.get("jax")
    if addresses == AUTO and jax is not None and jax.distributed.is_initialized():
        work(options)  # as in Ray's JaxTrainer, which looks after its processes itself
        return 0
    where = _where(addresses, index)
    noted: list[int] = []
    with tempfile.TemporaryDirectory() as temporary:
        connected, finished = Path(temporary, "connected"), Path(temporary, "finished")
        arguments = (work, options, where, temporary)
        host = multiprocessing.get_context("spawn").Process(target=_host, args=arguments)

        def stop(number: int, frame: FrameType | None) -> None:
            (host.terminate if connected.exists() and not noted else host.kill)()
            noted.append(number)

        host.start()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, stop)
        host.join()
        met, done = connected.exists(), finished.exists()
    status = host.exitcode or 0
    if noted and status:
        return 128 + noted[0]
    if status == -signal.SIGABRT and done:
        return 0  # another host was lost when nothing was left to do
    if status == -signal.SIGABRT:
        hint = f"--hosts {addresses}: {UNMET}: start each with the same --hosts and its own index."
        raise InputError(LOST if met else hint)
    if status < 0:
        raise InputError(f"this host was ended by {signal.Signals(-status).name}; {AGAIN}")
    return status


def _where(addresses: str, index: int | None) -> dict:
    """The arguments of `jax.distributed.initialize` that tell where the hosts are."""
    if addresses == AUTO:
        if index is not None:
            raise InputError("--host-index: leave it out with --hosts auto.")
        return {}
    hosts = addresses.split(",")
    name, _, port = hosts[0].rpartition(":")
    if not name or not port.isdecimal() or not 0 < int(port) < 65536 or len(hosts) < 2:
        raise InputError(
            f"--hosts {addresses}: name two or more hosts, the first with a free port, e.g. "
            "10.0.0.1:1234,10.0.0.2; or auto."
        )
    if index is None or not 0 <= index < len(hosts):
        raise InputError(f"--host-index: give this host's place in --hosts, 0 to {len(hosts) - 1}.")
    try:
        first = socket.gethostbyname(name)
    except OSError as error:
        raise InputError(f"--hosts {addresses}: {name} is not found ({error.strerror}).") from None
    own = ""
    with contextlib.suppress(OSError):  # a container's own name may be unknown
        own = socket.gethostbyname(socket.gethostname())
    if own.startswith("127.") and not first.startswith("127.") and not has_gpu():
        raise InputError(
            f"--hosts: {socket.gethostname()} means {own} here, where other hosts do not reach "
            "this one: give the name its address in /etc/hosts."
        )
    print(f"Waiting for {len(hosts)} hosts to meet at {hosts[0]}", flush=True)
    if any(proxy in os.environ for proxy in ("http_proxy", "https_proxy", "grpc_proxy")):
        os.environ.setdefault("no_grpc_proxy", name)
    return {
        "coordinator_address": hosts[0],
        "num_processes": len(hosts),
        "process_id": index,
        "cluster_detection_method": "deactivate",  # else Slurm leaves each task one GPU
    }


def _host(work: Callable[[dict], None], options: dict, where: dict, temporary: str) -> None:
    """The process of a host."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent passes it on
    threading.Thread(target=_end_with_parent, daemon=True).start()
    tempfile.tempdir = temporary  # removed by the parent, however this process ends
    status: Any = 1
    try:
        run_command(lambda: _work_together(work, options, where, Path(temporary)))
    except SystemExit as end:
        status = end.code
    except BaseException:
        traceback.print_exc()
    os._exit(status)  # on a normal exit JAX waits for all hosts


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _work_together(
    work: Callable[[dict], None], options: dict, where: dict, temporary: Path
) -> int:
    import jax

    try:  # not keras.distribution.initialize, which leaves no choice of the time-outs
        jax.distributed.initialize(
            **where,
            initialization_timeout=MEETING,
            heartbeat_timeout_seconds=HEARTBEAT,
            shutdown_timeout_seconds=MEETING,  # some report later than others
        )
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(
            f"--hosts: JAX cannot connect the hosts ({reason}). Use a free port, and name the "
            "hosts where auto does not find them."
        ) from None
    (temporary / "connected").touch()
    status = 0
    try:
        work(options)
        (temporary / "finished").touch()
    except SystemExit as told:  # as all of them are
        status = int(told.code or 0)
    except Exception as error:
        if "Gloo" not in str(error):  # which connects processors; GPUs are JAX's affair
            raise
        raise InputError(LOST) from None
    jax.distributed.shutdown()
    return status
