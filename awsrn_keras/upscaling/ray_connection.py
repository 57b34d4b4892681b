"""Joining a Ray cluster and leaving it, without its messages, and without remains."""

import atexit
import contextlib
import logging
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator
from types import FrameType, ModuleType
from typing import Any

from ..command_line import cpu_cores, messages_kept_back
from ..errors import InputError

_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # no settings
_OBJECT_STORE_BYTES = 80 * 2**20  # close to the least that Ray takes


def join(address: str) -> ModuleType:
    """Ray, connected to a cluster, without its messages and statistics."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise InputError(f"--cluster needs Ray ({error}): pip install ray.") from None
    # A node that dies prints its log on the driver; there is no public switch (Ray 2.60).
    ray._private.worker._worker_logs_enabled = False
    # Its own handler of SIGTERM ends this process with a status of 1 or 15.
    ray._private.utils.set_sigterm_handler = lambda handler: None
    more: dict[str, Any] = {}
    if address == "local":
        more = {"num_cpus": cpu_cores(), "object_store_memory": _OBJECT_STORE_BYTES}
        more["include_dashboard"] = False
    elif address != "auto":
        port = re.fullmatch(r"[\w.-]+:(\d{1,5})", address)
        if not port or int(port[1]) >= 2**16:
            raise InputError(f"--cluster {address}: give local, auto or HOST:PORT.")
        check_head(address)
    with _signals_held(), messages_kept_back() as messages:
        try:
            ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, **more)
        except (Exception, SystemExit) as error:  # it exits where a cluster does not answer
            why = " ".join(str(error).split())[:250]
            if "InvalidAuthToken" in messages():
                why += " (set RAY_AUTH_MODE=token, with ~/.ray/auth_token from its head)"
            elif address not in ("local", "auto"):
                why += f" (ray start --address={address} adds this machine to it)"
            elif "Could not find" in why:
                why = "this machine belongs to no Ray cluster; ray start --head starts one."
            ray.shutdown()
            raise InputError(f"--cluster {address}: {why}") from None
    signal.signal(signal.SIGTERM, _end)
    return ray


def leave(ray: ModuleType) -> None:
    """End what `join` has begun: a local cluster, or this program's part in another.

    Where the head has died or hangs, Ray would wait for it; then this program ends without that.
    """
    try:
        check_head(ray.get_runtime_context().gcs_address)
    except InputError:
        atexit.register(_exit_at_once)  # before Ray's own, which waits as well
        return
    with _signals_held():
        ray.shutdown()


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait for the end: half started or stopped, Ray ends by SIGSEGV (2.60)."""
    pressed: list[int] = []
    numbers = signal.SIGINT, signal.SIGTERM
    before = [signal.signal(number, lambda number, _: pressed.append(number)) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    if signal.SIGTERM in pressed:
        _end(signal.SIGTERM, None)
    if pressed:
        raise KeyboardInterrupt


def _exit_at_once() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(2)


def _end(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


def check_head(address: str) -> None:
    """Raise an `InputError` unless a head answers within 10 s: Ray would wait for minutes.

    Whoever speaks HTTP/2, as gRPC does, greets a client with its settings. What hangs does not,
    although connections to it succeed.
    """
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=10) as head:
            head.sendall(_GREETING)
            answer = head.recv(9)
    except OSError as error:
        raise InputError(f"--cluster {address}: cannot be reached ({last_line(error)}).") from None
    if answer[3:4] != b"\4" and not os.environ.get("RAY_USE_TLS"):  # with TLS it hangs up
        raise InputError(f"--cluster {address}: is no head of a Ray cluster.")


def last_line(error: BaseException) -> str:
    """The last line of an error, where Ray puts what went wrong."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()[:200]
