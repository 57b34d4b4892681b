"""One release training: from images on the device to OUT.npz and its record."""

import math
import os
import random
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from awsrn_keras.data import PairBank
from awsrn_keras.errors import InputError
from awsrn_keras.files import replacing, write_json
from awsrn_keras.network.loading import official_weights
from awsrn_keras.network.model import AWSRN
from awsrn_keras.scoring.metrics import psnr_y
from training.warm_start import copy_weights

from .device_loop import DeviceBank, State, compile_steps, new_state
from .files import Progress, ReleaseFiles
from .recipe import Recipe
from .record import make_record

LINE_SECONDS = 15  # between two lines of progress


class Pace:
    """How far the training will be after the next call of the program, 0 to 1.

    By the clock, the time of the last call foretells that of the next one. The last call is
    the one after which less than half a call would be left.
    """

    def __init__(self, recipe: Recipe):
        self._recipe = recipe
        self._budget = 60 * recipe.minutes

    def fraction_after(self, progress: Progress, call_seconds: float) -> float:
        """
        Args:
            progress: As it is before the call.
            call_seconds: Duration of the last call, 0 before the first one.
        """
        if self._recipe.total_steps is not None:
            return min(1.0, (progress.step + self._recipe.chunk) / self._recipe.total_steps)
        end = progress.seconds + call_seconds
        return 1.0 if self._budget - end < call_seconds / 2 else end / self._budget


class Training:
    """The state of a training and everything that is done with it.

    Args:
        recipe: How to train.
        files: Where to save.
        data: The record of the images.
        validation: Pairs to score on, or None.
        progress: Of the saved state that `files` holds, or None for a new training.
    """

    def __init__(
        self,
        recipe: Recipe,
        files: ReleaseFiles,
        data: dict,
        validation: PairBank | None,
        progress: Progress | None,
    ):
        random.seed(recipe.seed)  # keras.utils.set_random_seed would import TensorFlow, too
        self._model = AWSRN(recipe.variant, recipe.scale, dtype=recipe.precision)
        self._recipe, self._files, self._data = recipe, files, data
        self._validation = validation
        if validation is not None:
            network = AWSRN(recipe.variant, recipe.scale, dtype="float32")
            self._upscale = jax.jit(lambda weights, lr: network.stateless_call(weights, [], lr))
        self._progress = progress or Progress()
        self._state = new_state(self._model)
        if progress is not None:
            self._state = saved_state(files, progress)

    def compile(self, bank: DeviceBank) -> None:
        """Bring the images to the device and compile the program for them."""
        self._bank = jax.device_put(bank)
        self._program = compile_steps(self._model, self._recipe, self._state, self._bank)

    def start_from(self, source: AWSRN) -> None:
        """Take the weights of `source` (see `copy_weights`)."""
        copy_weights(source, self._model)
        self._state = new_state(self._model)

    def run(self, save_seconds: float, score_seconds: float) -> None:
        """Train to the end, saving the state and scoring every so often, and at the end.

        Raises:
            InputError: The loss is not finite any more.
        """
        progress, pace, call_seconds = self._progress, Pace(self._recipe), 0.0
        began = time.monotonic() - progress.seconds
        saved = scored = progress.seconds
        printed = -LINE_SECONDS
        while progress.fraction < 1:
            fraction = pace.fraction_after(progress, call_seconds)
            loss, call_seconds = self._call(fraction)
            progress.seconds = time.monotonic() - began
            if progress.seconds - printed >= LINE_SECONDS or fraction == 1:
                printed = progress.seconds
                print(self._line(loss, call_seconds), flush=True)
            if progress.seconds - scored >= score_seconds:
                self._score()
                scored = progress.seconds = time.monotonic() - began
            if progress.seconds - saved >= save_seconds and fraction < 1:
                self._save()
                saved = progress.seconds = time.monotonic() - began
        self._score()
        self._save()

    def _call(self, fraction: float) -> tuple[float, float]:
        """Run the program once: its loss and the seconds it took."""
        progress, started = self._progress, time.monotonic()
        schedule = np.array([progress.fraction, fraction, progress.step], np.float32)
        self._state, loss = self._program(self._state, self._bank, schedule)
        loss = float(loss)
        seconds = time.monotonic() - started
        if not math.isfinite(loss):
            raise InputError(
                f"The loss is {loss} after step {progress.step}: the last saved state is kept; "
                "start again with a lower --learning-rate."
            )
        progress.step += self._recipe.chunk
        progress.fraction = fraction
        progress.busy_seconds += seconds
        return loss, seconds

    def _line(self, loss: float, call_seconds: float) -> str:
        progress, recipe = self._progress, self._recipe
        return (
            f"{progress.seconds:5.0f} s  {progress.fraction:4.0%}  step {progress.step}  "
            f"loss {loss:.4f}  {recipe.chunk * recipe.batch_size / call_seconds:.0f} patches/s"
        )

    def _score(self) -> None:
        """PSNR of the averaged weights on the validation images, dB, printed and kept."""
        done = [score["step"] for score in self._progress.scores]
        if self._validation is None or self._progress.step in done:
            return
        with jax.default_matmul_precision("highest"):  # no TensorFloat-32
            pairs = map(self._validation.pair, range(len(self._validation)))
            psnr = float(np.mean([self._psnr(lr, hr) for lr, hr in pairs]))
        self._progress.scores.append({"step": self._progress.step, "psnr": round(psnr, 4)})
        print(f"         step {self._progress.step}  validation PSNR {psnr:.3f} dB", flush=True)

    def _psnr(self, lr: np.ndarray, hr: np.ndarray) -> float:
        sr, _ = self._upscale(self._state.average, lr[None].astype(np.float32))
        return psnr_y(np.asarray(sr[0]), hr, self._recipe.scale)

    def _save(self) -> None:
        lists = {name: getattr(self._state, name) for name in State._fields if name != "step"}
        self._files.save(lists, self._recipe, self._data, self._progress)
        # The model's own values were needed for the first state only.
        for variable, value in zip(
            self._model.trainable_variables, self._state.average, strict=True
        ):
            variable.assign(value)
        with replacing(self._files.weights) as temporary:
            np.savez(temporary, **official_weights(self._model))

    def finish(self, peak: float | None) -> dict:
        """Write the record, the sign that the training is complete, and return it."""
        record = make_record(self._model, self._recipe, self._data, self._progress, peak)
        write_json(self._files.record, record)
        return record


def saved_state(files: ReleaseFiles, progress: Progress) -> State:
    lists = {name: [jnp.array(a) for a in arrays] for name, arrays in files.load().items()}
    return State(**lists, step=jnp.int32(progress.step))


def wait_for(path: str | os.PathLike) -> None:
    """Return once there is such a file."""
    if not Path(path).exists():
        print(f"Ready; waiting for {path}", flush=True)
    while not Path(path).exists():
        time.sleep(0.2)
