"""A progress bar for long work, shown on a terminal only."""

import sys
import time


class ProgressBar:
    """One line on stderr that is written over; nothing at all where stderr is no terminal.

    Use it as a context manager, so that the line is gone whatever happens.
    """

    def __init__(self):
        self._shown = sys.stderr.isatty()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.clear()

    def start(self, label: str) -> None:
        """Begin a piece of work, e.g. "[3/12] cat.jpg"."""
        self._label = label
        self._began = self._last = time.monotonic()
        self._write(label)

    def update(self, done: int, total: int) -> None:
        """Show e.g. "[3/12] cat.jpg  [##############----------]  58%, 0:41 left"."""
        now = time.monotonic()
        if now - self._last < 0.1 and done < total:
            return
        self._last = now
        left = round((now - self._began) * (total - done) / done)
        bar = ("#" * (24 * done // total)).ljust(24, "-")
        self._write(f"{self._label}  [{bar}] {done / total:4.0%}, {left // 60}:{left % 60:02} left")

    def clear(self) -> None:
        """Take the line off the screen."""
        self._write("")

    def _write(self, text):
        if self._shown:
            print(end=f"\r\033[K{text}", file=sys.stderr, flush=True)
