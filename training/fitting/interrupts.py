"""Ctrl-C and SIGTERM during training: noted, so that the state can be saved first."""

import contextlib
import signal
from collections.abc import Iterator

from .hosts import share


class Interrupt:
    """Whether the run has been told to stop.

    Attributes:
        signal: SIGINT (Ctrl-C) or SIGTERM once one has come, else None.
    """

    def __init__(self) -> None:
        self.signal: int | None = None

    @contextlib.contextmanager
    def noted(self) -> Iterator["Interrupt"]:
        """Inside, the first signal is only noted; a second one acts at once, as always.

        On many hosts JAX notes SIGTERM, and `after` agrees with the others.
        """
        if share()[1] > 1:
            yield self
            return
        usual = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        def restore() -> None:
            for number, handler in usual.items():
                signal.signal(number, handler)

        def note(number: int, frame: object) -> None:
            self.signal = number
            restore()

        for number in usual:
            signal.signal(number, note)
        try:
            yield self
        finally:
            restore()

    def after(self, step: int) -> bool:
        """Whether to stop after this step of the run, on all hosts alike; asked at each one."""
        if share()[1] > 1:
            from jax.experimental.multihost_utils import reached_preemption_sync_point

            if reached_preemption_sync_point(step):
                self.signal = signal.SIGTERM
        return self.signal is not None

    def obey(self) -> None:
        """Stop as the signal would have: status 130 after Ctrl-C, 143 after SIGTERM."""
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal is not None:
            raise SystemExit(128 + self.signal)
