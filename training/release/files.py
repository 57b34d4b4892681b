"""What a release training writes, and how it survives a kill.

OUT.npz        the averaged weights under their official names, renewed with every state
OUT.json       the record of the training, written last: whoever sees it finds OUT.npz done
OUT.state/     what --resume needs: one file per list of the state, and state.json
"""

import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from awsrn_keras.errors import InputError, damaged_file
from awsrn_keras.files import replacing, write_json

from .recipe import Recipe


@dataclass
class Progress:
    """Where a training stands.

    Attributes:
        step: Steps taken.
        fraction: How far the learning rate has come on its way, 0 to 1.
        seconds: Of training, saving and scoring; loading and compiling left out.
        busy_seconds: Of steps alone.
        scores: One `{"step", "psnr"}` per scoring of the validation pictures.
    """

    step: int = 0
    fraction: float = 0.0
    seconds: float = 0.0
    busy_seconds: float = 0.0
    scores: list[dict] = field(default_factory=list)


class ReleaseFiles:
    """Names of the files of one training, and saving and loading its state.

    The files of a state carry its step in their names and stay until `state.json`, which is
    replaced last and names them, names others: a kill leaves one whole state.
    """

    def __init__(self, output: str | os.PathLike):
        output = Path(output)
        self.weights, self.record, self._folder = (
            output.with_name(output.name.removesuffix(".npz") + suffix)
            for suffix in (".npz", ".json", ".state")
        )
        self._state = self._folder / "state.json"
        self._lock = None

    def start(self) -> None:
        """Take the names for a new training."""
        for path in (self.record, self._state, self.weights):
            if path.exists():
                raise InputError(
                    f"{path} exists: go on with that training by --resume, or give another "
                    "--output."
                )
        self._folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()

    def resume(self) -> tuple[Recipe, dict, Progress]:
        """Recipe, data and progress of the training that is to go on."""
        if self.record.exists():
            raise InputError(f"{self.record}: this training is complete; give another --output.")
        if not self._state.is_file():
            raise InputError(f"{self._state}: no such file, so there is nothing to resume.")
        self._take_lock()
        try:
            stored = self._read()
            return Recipe(**stored["recipe"]), stored["data"], Progress(**stored["progress"])
        except (ValueError, KeyError, TypeError) as error:
            raise damaged_file(self._state, "the state of a training", error) from None

    def save(self, lists: dict[str, list], recipe: Recipe, data: dict, progress: Progress) -> None:
        """Save the lists of arrays and what belongs to them as one state."""
        names = {name: f"{name}_{progress.step:08}.npz" for name in lists}
        for name, arrays in lists.items():
            with replacing(self._folder / names[name]) as temporary:
                np.savez(temporary, *map(np.asarray, arrays))
        stored = {
            "recipe": recipe.to_json(),
            "data": data,
            "progress": asdict(progress),
            "files": names,
        }
        write_json(self._state, stored)
        for old in self._folder.glob("*.npz"):
            if old.name not in names.values():
                old.unlink()

    def load(self) -> dict[str, list[np.ndarray]]:
        """The lists of arrays of the saved state, by name."""
        lists = {}
        for name, file in self._read()["files"].items():
            try:
                with np.load(self._folder / file, allow_pickle=False) as archive:
                    lists[name] = [archive[f"arr_{i}"] for i in range(len(archive.files))]
            except Exception as error:  # a damaged file fails in many ways
                raise damaged_file(self._folder / file, "part of a state", error) from error
        return lists

    def close(self) -> None:
        """Let others use the names."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _read(self) -> dict:
        return json.loads(self._state.read_text())

    def _take_lock(self) -> None:
        self._lock = open(self._folder / ".lock", "a")  # noqa: SIM115  (held until `close`)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise InputError(f"Another training is writing to {self._folder}.") from None
