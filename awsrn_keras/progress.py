"""Progress of long work, shown on a terminal only, by rich."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")


class ProgressBar:
    """One line on stderr that moves; nothing at all where stderr is no terminal.

    Use it as a context manager, so that the line is gone whatever happens.
    """

    def __init__(self) -> None:
        self._shown: Progress | None = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *error: object) -> None:
        self.clear()

    def start(self, label: str) -> None:
        """Begin a piece of work, e.g. "[3/12] cat.jpg"."""
        self.clear()
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.markup import escape
        from rich.progress import Progress

        self._shown = Progress(
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,  # what goes to stdout stays there: it may well be a file
            redirect_stderr=False,
        )
        self._shown.add_task(escape(label), total=None)
        self._shown.start()

    def update(self, done: int, total: int) -> None:
        """Show how much of it is done, and how long the rest will take."""
        if self._shown:
            self._shown.update(self._shown.task_ids[0], completed=done, total=total)

    def clear(self) -> None:
        """Take the line off the screen; whatever else is printed must come after that."""
        if self._shown:
            self._shown.stop()
            self._shown = None


def with_progress(items: Iterable[T], total: int, label: str) -> Iterator[T]:
    """The items; a bar counts how many have come."""
    with ProgressBar() as bar:
        bar.start(label)
        for done, item in enumerate(items, 1):
            bar.update(done, total)
            yield item
