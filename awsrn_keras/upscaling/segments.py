"""The segments of a video on disk, so that an interrupted run can go on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from ..errors import InputError
from ..files import replacing, write_json
from ..videos import clock

_MOST_NOTES = 50


class Segments:
    """Files of ten seconds each, and what was noted about the clip while they were made.

    Args:
        folder: Where they are.
        options: What they are made with.

    Attributes:
        notes: Lines about damaged places.
    """

    def __init__(self, folder: Path, options: dict[str, object]) -> None:
        self.folder, self.options = folder, options
        self.notes: list[str] = []
        self._sizes: dict[str, int] = {}  # bytes of each that is whole

    @classmethod
    def create(cls, folder: Path, options: dict[str, object]) -> Segments:
        """None yet, in a new folder."""
        with replacing(folder) as temporary:
            temporary.mkdir()
            cls(temporary, options).save()
        return cls(folder, options)

    @classmethod
    def read(cls, folder: Path) -> Segments:
        """What an interrupted run has left.

        Raises:
            InputError: The folder is another one, or a segment is missing or damaged.
        """
        try:
            state = json.loads((folder / "state.json").read_text())
            segments = cls(folder, dict(state["options"]))
            segments.notes, segments._sizes = list(state["notes"]), dict(state["segments"])
        except (OSError, ValueError, TypeError, KeyError):
            raise InputError(
                f"{folder}: is no folder of segments, or damaged: move it away."
            ) from None
        return segments

    def check(self, options: dict[str, object]) -> None:
        """Raise an `InputError` unless a run with these options can go on with the segments."""
        for name, value in options.items():
            if self.options.get(name) != value:
                raise InputError(
                    f"{self.folder}: was begun with {name} {self.options.get(name)}, not {value}: "
                    "choose the same, or begin anew with --overwrite."
                )
        for file in self.files():
            if not file.is_file() or file.stat().st_size != self._sizes[file.name]:
                raise InputError(f"{file}: is missing or damaged: begin anew with --overwrite.")

    def files(self) -> list[Path]:
        """Those that are whole, in order."""
        return [self.folder / name for name in sorted(self._sizes)]

    def next_number(self) -> int:
        """Of the first segment that is not there yet, counted from 0."""
        return int(max(self._sizes).partition(".")[0]) + 1 if self._sizes else 0

    def note(self, seconds: float, reason: str) -> None:
        """Keep a line about a place in the clip, unless there are very many."""
        if len(self.notes) < _MOST_NOTES:
            self.notes.append(f"{clock(seconds)}: {reason}")
        elif len(self.notes) == _MOST_NOTES:
            self.notes.append("more of this kind follows")

    def write(self, number: int, write: Callable[[Path], None]) -> None:
        """Have a segment written."""
        path = self.folder / f"{number:06}.nut"
        with replacing(path) as temporary:
            write(temporary)
        self._sizes[path.name] = path.stat().st_size
        self.save()

    def save(self) -> None:
        state = {"options": self.options, "segments": self._sizes, "notes": self.notes}
        write_json(self.folder / "state.json", state)
