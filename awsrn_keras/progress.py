"""Progress of long work, shown on a terminal only, by rich."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


class ProgressBar:
    """One line on stderr that moves; nothing at all where stderr is no terminal.

    Use it as a context manager, so that the line is gone whatever happens.
    """

    def __init__(self):
        self._shown = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.clear()

    def start(self, label: str) -> None:
        """Begin a piece of work, e.g. "[3/12] cat.jpg"."""
        self.clear()
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
        from rich.progress import TimeRemainingColumn as TimeLeft

        columns = TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn()
        # Results are printed to stdout, which may well be a file.
        self._shown = Progress(
            *columns,
            TimeLeft(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._shown.add_task(label, total=None)
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
