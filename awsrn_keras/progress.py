"""Progress of long work: a bar by rich on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")
QUIET = 15  # seconds between lines where stderr is no terminal


class ProgressBar:
    """One line on stderr that moves; where stderr is no terminal, a line every 15 seconds.

    Use it as a context manager, so that the line is gone whatever happens.
    """

    def __init__(self) -> None:
        self._shown: Progress | None = None
        self._label = self._unit = ""
        self._begun = 0.0
        self._next_line = time.monotonic() + QUIET

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *error: object) -> None:
        self.clear()

    def start(self, label: str, unit: str = "") -> None:
        """Begin a piece of work, e.g. "[3/12] cat.jpg".

        Args:
            unit: Of what is counted, e.g. "frames"; then their number a second is shown.
        """
        self.clear()
        self._label, self._unit = label, unit
        self._begun = time.monotonic() if unit else 0.0
        self._shown = None
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import Progress, TextColumn

        self._shown = Progress(
            *Progress.get_default_columns(),
            TextColumn("{task.fields[speed]}"),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,  # what goes to stdout stays there: it may well be a file
            redirect_stderr=False,
        )
        self._shown.add_task(escape(label), total=None, speed="")
        self._shown.start()

    def update(self, done: int, total: int) -> None:
        """Show how much of it is done, and how long the rest will take."""
        now = time.monotonic()
        rate = (done - 1) / max(now - self._begun, 0.001)
        speed = f"{rate:.1f} {self._unit}/s" if self._unit and done > 1 else ""
        if self._shown:
            task = self._shown.task_ids[0]
            self._shown.update(task, completed=done, total=total, speed=speed)
            self._shown.start()
        elif now > self._next_line:
            parts = f": {done} of {total}" if total > 1 else ""
            if speed:
                left = round((total - done) / rate)
                parts += f", {speed}, {left // 60}:{left % 60:02} min left"
            print(self._label + parts, file=sys.stderr, flush=True)
            self._next_line = now + QUIET

    def clear(self) -> None:
        """Take the line off the screen, until `update`, for whatever else is printed."""
        if self._shown:
            self._shown.stop()


def with_progress(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """The items; a bar counts how many have come."""
    with ProgressBar() as bar:
        bar.start(label)
        for done, item in enumerate(items, 1):
            bar.update(done, total)
            yield item
