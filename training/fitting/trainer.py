"""One training run, from a `Config` to a filled run folder: compile, fit, callbacks."""

import time
from dataclasses import replace

import keras
import numpy as np

from awsrn_keras.data import PairBank, crop_dataset, load_pairs
from awsrn_keras.files import replacing
from awsrn_keras.network.loading import load_model
from awsrn_keras.network.model import AWSRN
from awsrn_keras.scoring.score import bicubic, mean_score, score
from training.losses import LOSSES
from training.optimizers import OPTIMIZERS
from training.warm_start import copy_weights

from .callbacks import ProgressLine, SaveRun, StopOnDivergence, ValidationPSNR
from .config import Config
from .devices import replicated
from .interrupts import Interrupt
from .run_folder import Progress, RunFolder
from .tail import solve_tail
from .teacher import taught

WARM_UP_STEPS = 200


def load_data(config: Config) -> tuple[PairBank, PairBank]:
    """Training and validation images; an `InputError` if any cannot be used."""
    train = load_pairs(config.data, config.scale, "train", config.lr_dir)
    validation = load_pairs(config.validation_data, config.scale, "validation")
    return taught(train, config.teacher) if config.teacher else train, validation


def train(
    config: Config,
    data: PairBank,
    validation: PairBank,
    folder: RunFolder,
    resumed: bool,
    devices: list[str],
) -> AWSRN:
    """Train as `config` says in a new folder, or go on from the folder's last saved state.

    Args:
        devices: Those that share every batch; none for the one that Keras takes.

    Returns:
        The network with the weights of the best epoch, also saved as `model.keras`.
    """
    keras.utils.set_random_seed(config.seed)
    with replicated(devices), Interrupt().noted() as interrupt:
        model = compiled_model(config, config.total_steps)
        saved = folder.load_state(model) if resumed else None
        progress = saved or Progress()
        first_step = progress.epoch * config.steps_per_epoch + progress.step
        batches = training_data(config, data, first_step)
        if saved is None and config.init != "scratch":
            start_from(load_model(config.init), model, batches)
        if not resumed:  # from here on nothing that the user gave can be refused
            folder.start(config, keras.backend.backend(), keras.distribution.list_devices())
        callbacks = run_callbacks(config, validation, folder, progress, interrupt)
        if progress.step:
            # The rest of an epoch is a call of its own. At its end Keras puts the averaged
            # weights into the model, so the state that was saved then is loaded again.
            steps = config.steps_per_epoch - progress.step
            fit(model, batches, progress.epoch, progress.epoch + 1, steps, callbacks)
            folder.load_state(model)
            batches = training_data(config, data, progress.epoch * config.steps_per_epoch)
        fit(model, batches, progress.epoch, config.epochs, config.steps_per_epoch, callbacks)
    best = AWSRN(config.variant, config.scale)
    best.load_weights(folder.best_weights)
    with replacing(folder.model_file) as temporary:
        best.save(temporary)
    return best


def start_from(source: AWSRN, model: AWSRN, batches) -> None:
    """Copy the weights of `source`; the tail for another scale is solved for on `batches`."""
    copy_weights(source, model)
    if source.scale != model.scale:
        print(
            f"Solving for the tail of x{model.scale} on the features of {source.name}", flush=True
        )
        solve_tail(model, batches)


def fit(model, batches, first_epoch: int, epochs: int, steps: int, callbacks: list) -> None:
    """Keras's `fit` over epochs `first_epoch` to `epochs - 1` of `steps` each."""
    model.fit(
        batches,
        initial_epoch=first_epoch,
        epochs=epochs,
        steps_per_epoch=steps,
        shuffle=False,
        verbose=0,
        callbacks=callbacks,
    )


def run_callbacks(
    config: Config,
    validation: PairBank,
    folder: RunFolder,
    progress: Progress,
    interrupt: Interrupt,
) -> list[keras.callbacks.Callback]:
    """In the order in which they must act: what is lost is not saved."""
    pairs = [validation.pair(i) for i in range(len(validation))]
    val = ValidationPSNR(pairs, config.scale)
    return [
        StopOnDivergence(folder, progress, config.learning_rate),
        val,
        SaveRun(folder, progress, bicubic_psnr(val), config.steps_per_epoch, interrupt),
        keras.callbacks.TensorBoard(folder.tensorboard, write_graph=False),
        ProgressLine(progress, config.epochs, config.steps_per_epoch),
    ]


def compiled_model(config: Config, total_steps: int) -> AWSRN:
    """The network with random weights, optimizer and loss."""
    model = AWSRN(config.variant, config.scale, dtype=config.precision)
    optimizer = OPTIMIZERS[config.optimizer](
        learning_rate_schedule(config, total_steps),
        epsilon=1e-8,
        use_ema=config.ema > 0,
        ema_momentum=config.ema,
    )
    model.compile(optimizer, LOSSES[config.loss], metrics=[psnr], jit_compile=jit_compile())
    model.optimizer.build(model.trainable_variables)  # else a saved state is not loaded into it
    return model


def jit_compile() -> bool | str:
    """Whether XLA compiles the step."""
    if keras.backend.backend() != "tensorflow":
        return "auto"
    import tensorflow as tf

    # On a processor XLA runs convolutions on one thread: several times slower. And it cannot
    # compile the exchange of gradients between devices.
    on_cpu = all(name.lower().startswith("cpu") for name in keras.distribution.list_devices())
    return False if on_cpu or tf.distribute.has_strategy() else "auto"


def psnr(y_true, y_pred):
    """PSNR over RGB in dB, for the progress line (not the paper's protocol)."""
    error = keras.ops.mean(keras.ops.square(y_true - y_pred), axis=(1, 2, 3))
    return 10 * keras.ops.log10(255**2 / keras.ops.maximum(error, 1e-10))


def learning_rate_schedule(config: Config, total_steps: int):
    if config.schedule == "halving":
        return keras.optimizers.schedules.ExponentialDecay(
            config.learning_rate, -(-total_steps // 5), 0.5, staircase=True
        )
    warm_up = min(WARM_UP_STEPS, total_steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warm_up else config.learning_rate,
        max(1, total_steps - warm_up),
        alpha=1e-3,
        warmup_target=config.learning_rate if warm_up else None,
        warmup_steps=warm_up,
    )


def use_determinism() -> None:
    """Make every operation repeatable to the last bit."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def training_data(config: Config, data: PairBank, first_step: int = 0):
    return crop_dataset(data, config.batch_size, config.patch_size, config.seed, first_step)


def steps_for(config: Config, data: PairBank, devices: list[str]) -> Config:
    """`config` with `--minutes` turned into epochs of at most a minute, by timing steps."""
    with replicated(devices):
        model = compiled_model(config, total_steps=1000)
        times = StepTimes()
        fit(model, training_data(config, data), 0, 1, 12, [times])
    step = float(np.median(np.diff(times.ends)[1:]))
    total = max(1, int(60 * config.minutes / step * 0.95))  # the rest is validation and saving
    epochs = max(1, round(config.minutes))
    return replace(config, epochs=epochs, steps_per_epoch=max(1, total // epochs))


class StepTimes(keras.callbacks.Callback):
    """When each step ended, seconds."""

    def on_train_begin(self, logs=None):
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        float(logs["loss"])  # waits for it
        self.ends.append(time.perf_counter())


def bicubic_psnr(val: ValidationPSNR) -> float:
    """PSNR on Y of bicubic upscaling on the validation crops, dB."""
    pairs = zip(val.lr, val.hr, strict=True)
    return mean_score(score(lambda lr: bicubic(lr, val.scale), pairs, val.scale)).psnr
