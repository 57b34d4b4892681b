"""Joining a Ray cluster and leaving it, without its messages, and without remains."""

import contextlib
import logging
import os
import signal
import socket
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from ..command_line import cpu_cores, messages_kept_back
from ..errors import InputError

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
    more: dict[str, Any] = {}
    if address == "local":
        more = {"num_cpus": cpu_cores(), "object_store_memory": _OBJECT_STORE_BYTES}
        more["include_dashboard"] = False
    elif address != "auto":
        check_head(address)
    with _interrupts_held(), messages_kept_back() as messages:
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
    return ray


def leave(ray: ModuleType) -> None:
    """End what `join` has begun: a local cluster, or this program's part in another."""
    with _interrupts_held():
        ray.shutdown()


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits for the end: half started or half stopped, Ray ends by SIGSEGV (2.60)."""
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


def check_head(address: str) -> None:
    """Raise an `InputError` unless something listens there: Ray would try for two minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"--cluster {address}: give local, auto or HOST:PORT.")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"--cluster {address}: cannot be reached ({last_line(error)}).") from None


def last_line(error: BaseException) -> str:
    """The last line of an error, where Ray puts what went wrong."""
    return (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()[:200]
