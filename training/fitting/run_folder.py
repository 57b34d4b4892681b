"""The folder of one training run: who may write in it, and how it survives a kill."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from awsrn_keras.data.degradations import SETTINGS, Degradation
from awsrn_keras.errors import InputError, damaged_file
from awsrn_keras.files import replacing, write_json

from .config import Config, option

if TYPE_CHECKING:
    from awsrn_keras.network.model import AWSRN


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        epoch: Epochs finished.
        step: Steps taken of the next one; not 0 where the run was interrupted within it.
        step_loss: Mean loss of those steps.
        step_psnr: Mean PSNR of their patches, dB over RGB.
        step_seconds: What they took.
        best_psnr: Of the best epoch, dB.
        history: One row per finished epoch.
    """

    epoch: int = 0
    step: int = 0
    step_loss: float = 0.0
    step_psnr: float = 0.0
    step_seconds: float = 0.0
    best_psnr: float = float("-inf")
    history: list[dict] = field(default_factory=list)


class RunFolder:
    """Names of the files of a run, and the rules for starting and resuming in the folder.

    The training state is one weights file named by its epoch plus `state.json`, which is
    replaced last and names it: whatever moment a kill comes, the two belong together.

    Args:
        path: What messages call it.
        place: Where it lies, if that is elsewhere.
    """

    def __init__(self, path: str | os.PathLike, place: str | os.PathLike | None = None) -> None:
        self.path = Path(path)
        self.place = Path(place or path)
        self.config_file = self.place / "config.json"
        self.metrics_file = self.place / "metrics.csv"
        self.best_weights = self.place / "best.weights.h5"
        self.model_file = self.place / "model.keras"
        self.curves_file = self.place / "curves.png"
        self.preview_file = self.place / "preview.png"
        self.tensorboard = self.place / "tensorboard"
        self.checkpoint = self.place / "checkpoint"
        self._state_file = self.checkpoint / "state.json"
        self._lock = FileLock(self.place / ".lock")

    def check_unused(self) -> None:
        if not self.place.exists():
            return
        # Hidden files alone are what a run leaves that was killed before its first line.
        if not self.place.is_dir() or any(p.name[0] != "." for p in self.place.iterdir()):
            raise InputError(
                f"{self.path} is not empty: continue that run with --resume, or give "
                "another --run-dir."
            )

    def start(self, config: Config, **facts: object) -> None:
        """Create the folder and record in config.json what is needed to repeat the run."""
        self.check_unused()
        self.place.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        record = {**config.to_json(), "total_steps": config.total_steps, **facts}
        write_json(self.config_file, record)

    def record(self, **facts: object) -> None:
        """Add facts to config.json, or replace them."""
        write_json(self.config_file, {**json.loads(self.config_file.read_text()), **facts})

    def resume(self, given: dict) -> Config:
        """The stored configuration; an `InputError` if an option given now contradicts it."""
        if not self.config_file.is_file():
            raise InputError(f"{self.path} holds no run to resume (no {self.config_file.name}).")
        try:
            config = Config.from_json(json.loads(self.config_file.read_text()))
        except (ValueError, TypeError) as error:
            raise InputError(f"{self.config_file} cannot be resumed: {error}.") from None
        for name, value in given.items():
            stored = getattr(config, name)
            if value != stored:
                raise InputError(
                    f"{self.path} was started with {option(name)} {_shown(stored)}, not "
                    f"{_shown(value)}: leave the option out, or start a new run."
                )
        self._take_lock()
        for part in self.place.rglob(".part-*"):  # what a kill left half written
            part.unlink()
        return config

    def save_state(self, model: "AWSRN", progress: Progress) -> None:
        """Save weights, optimizer, averages and `progress` as one state."""
        from awsrn_keras.network.loading import save_weights  # loads Keras

        name = f"epoch_{progress.epoch:06d}_step_{progress.step:06d}.weights.h5"
        weights = self.checkpoint / name  # never that of the state to be replaced
        with replacing(weights) as temporary:
            save_weights(model, temporary)
        with replacing(self._state_file) as temporary:
            temporary.write_text(json.dumps({"weights": weights.name, **asdict(progress)}))
        for old in self.checkpoint.glob("*.weights.h5"):
            if old != weights:
                old.unlink()

    def load_state(self, model: "AWSRN") -> Progress | None:
        """Put the last saved state into `model` (built and compiled); None where there is none."""
        if not self._state_file.exists():
            return None
        try:
            state = json.loads(self._state_file.read_text())
            weights = self.checkpoint / state.pop("weights")
            progress = Progress(**state)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise damaged_file(self._state_file, "the state of a run", error) from None
        try:
            model.load_weights(weights)
        except Exception as error:  # a damaged file fails in dozens of ways, none of them ours
            raise damaged_file(weights, "the weights of this run", error) from None
        return progress

    def close(self) -> None:
        """Let other runs use the folder."""
        self._lock.release()

    def _take_lock(self) -> None:
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise InputError(f"another run is writing to {self.path}.") from None


def _shown(value: object) -> object:
    if isinstance(value, Degradation):
        photo = asdict(SETTINGS["photo"])
        other = {name: new for name, new in asdict(value).items() if new != photo[name]}
        return json.dumps(other) if other else "photo"
    return " ".join(map(str, value)) if isinstance(value, tuple) else value
