"""Keras callbacks of a training run: validation, saved state, progress on the terminal."""

import csv
import math
import sys
import time
from typing import Never

import keras
import numpy as np

from awsrn_keras.data import PairBank
from awsrn_keras.data.degradations import degraded_image
from awsrn_keras.errors import InputError
from awsrn_keras.files import replacing
from awsrn_keras.network.loading import save_weights
from awsrn_keras.network.model import AWSRN
from awsrn_keras.scoring.score import bicubic, score_bank
from training.lineage import digest

from .advice import on_bicubic
from .config import Config
from .interrupts import Interrupt
from .plots import plot_curves, save_figure
from .run_folder import Progress, RunFolder

ADVICE_AFTER = 60  # seconds


def averaged_weights(model: keras.Model) -> list[np.ndarray]:
    """The weights with the averages of `--ema`, if any, in place of the last ones."""
    # As tensors, since many hosts compare arrays that they assign, which takes its time.
    own = [keras.ops.convert_to_tensor(variable) for variable in model.trainable_variables]
    model.optimizer.finalize_variable_values(model.trainable_variables)
    averages = model.get_weights()
    for variable, value in zip(model.trainable_variables, own, strict=True):
        variable.assign(value)
    return averages


class ValidationPSNR(keras.callbacks.Callback):
    """Adds `val_psnr` to the epoch's logs: mean PSNR on Y, dB, over a crop of each image.

    Args:
        network: Has the averaged weights after each epoch, and is scored; on one device.
        bank: The validation images.
        conditions: Of `degraded_image`; the mean is taken over all of them.
        crop: Largest side of the central LR crop, pixels, so that validation stays short; of
            smaller images it is the largest square.

    Attributes:
        crops: The bank of crops.
        bicubic_psnr: What bicubic reaches on them, dB.
    """

    def __init__(
        self,
        network: AWSRN,
        bank: PairBank,
        conditions: tuple[str, ...] = ("clean",),
        crop: int = 96,
    ) -> None:
        super().__init__()
        self.network = network
        pairs = (
            _central_crops(lr, hr, min(crop, *lr.shape[:2]), bank.scale) for lr, hr in bank.pairs()
        )
        named = (
            (name, degraded_image(lr, hr, condition, number), hr)
            for number, (name, (lr, hr)) in enumerate(zip(bank.names, pairs, strict=True))
            for condition in conditions
        )
        self.crops = PairBank.from_pairs(named, bank.scale)
        self.bicubic_psnr = score_bank(lambda lr: bicubic(lr, bank.scale), self.crops).psnr

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        self.network.set_weights(averaged_weights(self.model))
        logs["val_psnr"] = self.mean_psnr()

    def mean_psnr(self) -> float:
        return score_bank(self._upscale, self.crops).psnr

    def _upscale(self, lr: np.ndarray) -> np.ndarray:
        return self.network.predict_on_batch(lr[None].astype("float32"))[0]


class SaveRun(keras.callbacks.Callback):
    """After each epoch: state to resume from, best weights, metrics.csv and curves.png.

    Told to stop, it saves the state after the step that is being taken.

    Args:
        config: The options of the run.
        folder: Where to save.
        progress: Where the run stands; kept up to date.
        facts: About the run, for the record of the best weights (see `training/lineage.py`).
        bicubic_psnr: For comparison in curves.png, dB.
        interrupt: Tells when to stop.
        network: Has the averaged weights.
    """

    def __init__(
        self,
        config: Config,
        folder: RunFolder,
        progress: Progress,
        facts: dict,
        bicubic_psnr: float,
        interrupt: Interrupt,
        network: AWSRN,
    ) -> None:
        super().__init__()
        self.loss = config.loss
        self.steps_per_epoch = config.steps_per_epoch  # the first after an interruption has less
        self.folder = folder
        self.progress = progress
        self.facts = facts
        self.bicubic_psnr = bicubic_psnr
        self.interrupt = interrupt
        self.network = network

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict) -> None:
        steps = batch + 1
        in_epoch = self.progress.step + steps
        done = self.progress.epoch * self.steps_per_epoch + in_epoch
        if not self.interrupt.after(done) or in_epoch == self.steps_per_epoch:
            return  # in the second case the end of the epoch is next
        self._count(steps, logs)
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()
        self.folder.save_state(self.model, self.progress)
        self._stop()

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        state = self.progress
        self._count(self.params["steps"], logs)
        row = {
            "epoch": epoch + 1,
            "steps": (epoch + 1) * self.steps_per_epoch,
            "seconds": round(state.step_seconds, 1),
            "loss": state.step_loss,
            "psnr": state.step_psnr,
            "learning_rate": float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)),
            "val_psnr": logs["val_psnr"],
        }
        state.epoch, state.step = epoch + 1, 0
        state.step_loss = state.step_psnr = state.step_seconds = 0.0
        state.history.append(row)
        if row["val_psnr"] > state.best_psnr:
            state.best_psnr = row["val_psnr"]
            self._save_best()
        self.folder.save_state(self.model, state)
        self._write_metrics(state.history)
        figure = plot_curves(state.history, self.bicubic_psnr, self.loss)
        save_figure(figure, self.folder.curves_file)
        self.model.stop_training = self.interrupt.signal is not None

    def on_train_end(self, logs: dict | None = None) -> None:
        if self.interrupt.signal is not None:
            self._stop()

    def _save_best(self) -> None:
        history = self.progress.history
        trained = {
            **self.facts,
            "steps": history[-1]["steps"],
            "hours": round(sum(row["seconds"] for row in history) / 3600, 4),
        }
        with replacing(self.folder.best_weights) as temporary:
            save_weights(self.network, temporary)
        self.folder.record(trained={**trained, "weights": digest(self.network)})

    def _stop(self) -> None:
        done = self.progress.epoch * self.steps_per_epoch + self.progress.step
        print(
            f"\nstate saved after step {done}; continue with --resume --run-dir {self.folder.path}",
            flush=True,
        )
        self.interrupt.obey()

    def _count(self, steps: int, logs: dict) -> None:
        """Add steps of this call of `fit` and their means to those before it."""
        state = self.progress
        total = state.step + steps
        state.step_loss += (float(logs["loss"]) - state.step_loss) * steps / total
        state.step_psnr += (float(logs["psnr"]) - state.step_psnr) * steps / total
        state.step_seconds += time.perf_counter() - self.started
        state.step = total

    def _write_metrics(self, history: list[dict]) -> None:
        with (
            replacing(self.folder.metrics_file) as temporary,
            open(temporary, "w", newline="") as file,
        ):
            writer = csv.DictWriter(file, fieldnames=history[0])
            writer.writeheader()
            writer.writerows(history)


class StopOnDivergence(keras.callbacks.Callback):
    """Stops a run that is lost, before its state replaces the last good one.

    It is lost when the loss or a weight becomes NaN or infinite, or the PSNR of an epoch's
    patches is 20 dB, ten times the error, below that of the best epoch before (of 0 dB
    in the first one).

    Raises:
        InputError: As above; the message says how to go on.
    """

    def __init__(self, folder: RunFolder, progress: Progress, learning_rate: float) -> None:
        super().__init__()
        self.folder = folder
        self.progress = progress
        self.learning_rate = learning_rate

    def on_train_batch_end(self, batch: int, logs: dict) -> None:
        if not math.isfinite(logs["loss"]):
            self._stop(f"the loss became {float(logs['loss'])} at step {batch + 1}")

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        best = max([0.0, *(row["psnr"] for row in self.progress.history)])
        if logs["psnr"] < best - 20:
            self._stop(f"PSNR fell to {logs['psnr']:.1f} dB, more than 20 below {best:.1f},")
        for variable in self.model.variables:
            if not np.isfinite(keras.ops.convert_to_numpy(variable)).all():
                self._stop(f"{variable.path} became NaN or infinite")

    def _stop(self, what: str) -> Never:
        start = f"--init {self.folder.path} " if self.progress.history else ""
        raise InputError(
            f"{what} in epoch {self.progress.epoch + 1}; the last saved state is kept. Start a "
            f"new run with {start}--learning-rate {self.learning_rate / 2:g}, or with "
            "--precision float32 if this one is not."
        )


class ProgressLine(keras.callbacks.Callback):
    """One line per epoch, and on a terminal a line that moves with the steps, with time left.

    After the first minute, and as soon as averaged weights no longer hold the random values of
    the start, it says what to do if the model is worse than bicubic by then.
    """

    def __init__(self, config: Config, progress: Progress, bicubic_psnr: float) -> None:
        super().__init__()
        self.bicubic_psnr = bicubic_psnr
        self.advised = False
        self.progress = progress
        self.epochs = config.epochs
        self.steps_per_epoch = config.steps_per_epoch
        self.total_steps = config.total_steps
        self.averaged_after = 5 * config.ema / (1 - config.ema)  # steps; 0.7 % of the start left
        self.moving = sys.stdout.isatty()

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.began = time.perf_counter()
        self.first_step = self.progress.epoch * self.steps_per_epoch + self.progress.step

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch_start = epoch * self.steps_per_epoch + self.progress.step

    def on_train_batch_end(self, batch: int, logs: dict) -> None:
        # Not the optimizer's count: in float16 it leaves out steps whose gradients overflow.
        self.step = self.epoch_start + batch + 1
        if self.moving:
            line = f"step {self.step}/{self.total_steps}  loss {logs['loss']:.3f}"
            print(f"\r{line}{self._psnr(logs)}  {self._left()} left  ", end="", flush=True)

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        print("\r" if self.moving else "", end="")
        print(
            f"epoch {epoch + 1}/{self.epochs}  step {self.step}/{self.total_steps}"
            f"  loss {logs['loss']:.3f}{self._psnr(logs)}  val {logs['val_psnr']:.2f} dB"
            f"  {self._left()} left",
            flush=True,
        )
        late = time.perf_counter() - self.began > ADVICE_AFTER
        if (
            late
            and self.step >= self.averaged_after
            and not self.advised
            and epoch + 1 < self.epochs
        ):
            self.advised = True
            if advice := on_bicubic(logs["val_psnr"], self.bicubic_psnr):
                print(f"so far {advice}", flush=True)

    def _psnr(self, logs: dict) -> str:
        return f"  psnr {logs['psnr']:.2f} dB"

    def _left(self) -> str:
        per_step = (time.perf_counter() - self.began) / (self.step - self.first_step)
        seconds = round(per_step * (self.total_steps - self.step))
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _central_crops(
    lr: np.ndarray, hr: np.ndarray, side: int, scale: int
) -> tuple[np.ndarray, np.ndarray]:
    top, left = ((size - side) // 2 for size in lr.shape[:2])
    return (
        lr[top : top + side, left : left + side],
        hr[scale * top : scale * (top + side), scale * left : scale * (left + side)],
    )
