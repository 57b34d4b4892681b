"""One training run, from a `Config` to a filled run folder: compile, fit, callbacks."""

import importlib
import math
import platform
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import PIL
from keras import KerasTensor as Tensor

import awsrn_keras
from awsrn_keras.command_line import messages_kept_back
from awsrn_keras.data import PairBank, load_pairs
from awsrn_keras.data.degradations import CONDITIONS
from awsrn_keras.files import replacing
from awsrn_keras.network.loading import load_model
from awsrn_keras.network.model import AWSRN
from awsrn_keras.network.variants import VARIANTS
from awsrn_keras.scoring.image_sets import least_side
from training.lineage import lineage
from training.losses import LOSSES
from training.optimizers import OPTIMIZERS
from training.warm_start import copy_weights

from .batches import training_data
from .callbacks import ProgressLine, SaveRun, StopOnDivergence, ValidationPSNR
from .config import Config
from .devices import machine, replicated
from .hosts import from_first, share
from .interrupts import Interrupt
from .run_folder import Progress, RunFolder
from .tail import solve_tail
from .teacher import taught

WARM_UP_STEPS = 200


def load_data(config: Config, strict: bool = False) -> tuple[PairBank, PairBank]:
    """Training images that hold a patch, and validation images that can be scored.

    Args:
        strict: Whether another one is an error; otherwise it is left out and named.
    """
    scale, patch = config.scale, config.patch_size * config.scale
    train = load_pairs(config.data, scale, "train", config.lr_dir, least_side=patch, strict=strict)
    validation = load_pairs(
        config.validation_data, scale, "validation", least_side=least_side(scale), strict=strict
    )
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
    set_seed(config)
    # Of this host alone, for the start, validation and the best weights.
    network = AWSRN(config.variant, config.scale, config.kernel_sizes, dtype=config.precision)
    with replicated(devices), Interrupt().noted() as interrupt:
        model = compiled_model(config, config.total_steps)
        saved = folder.load_state(model) if resumed else None
        progress = saved or Progress()
        first_step = progress.epoch * config.steps_per_epoch + progress.step
        batches = training_data(config, data, first_step, share())
        if saved is None:
            if config.init != "scratch":
                start_from(load_model(config.init), network, training_data(config, data))
            model.set_weights(network.get_weights())
        conditions = ("clean", *CONDITIONS) if config.degrade else ("clean",)
        validate = ValidationPSNR(network, validation, conditions)
        facts = card_facts(config, data, devices)
        if not resumed:  # from here on nothing that the user gave can be refused
            folder.start(config, **environment(), lineage=parents(config))
        callbacks = [  # in the order in which they must act: what is lost is not saved
            StopOnDivergence(folder, progress, config.learning_rate),
            validate,
            SaveRun(config, folder, progress, facts, validate.bicubic_psnr, interrupt, network),
            *tensorboard(folder),
            ProgressLine(config, progress, validate.bicubic_psnr),
        ]
        if progress.step:
            # The rest of an epoch is a call of its own. At its end Keras puts the averaged
            # weights into the model, so the state that was saved then is loaded again.
            steps = config.steps_per_epoch - progress.step
            fit(model, batches, progress.epoch, progress.epoch + 1, steps, callbacks)
            folder.load_state(model)
            first_step = progress.epoch * config.steps_per_epoch
            batches = training_data(config, data, first_step, share())
        fit(model, batches, progress.epoch, config.epochs, config.steps_per_epoch, callbacks)
    best = AWSRN(config.variant, config.scale, config.kernel_sizes)
    best.load_weights(folder.best_weights)
    with replacing(folder.model_file) as temporary:
        best.save(temporary)
    return best


def set_seed(config: Config) -> None:
    """Let random weights depend on the configuration alone."""
    with messages_kept_back():
        keras.utils.set_random_seed(config.seed)  # loads TensorFlow where it is installed


def with_branches(config: Config) -> Config:
    """`config` with the AWMS branches of the network of `--init`, if they are not its variant's."""
    if config.init == "scratch":
        return config
    model = load_model(config.init)
    sizes = tuple(model.kernel_sizes)
    own = None if sizes == VARIANTS[model.variant].kernel_sizes else sizes
    return replace(config, kernel_sizes=own)


def environment() -> dict:
    """What a run computes with, for its record."""
    backend = keras.backend.backend()
    modules = {"awsrn-keras": awsrn_keras, "keras": keras, "numpy": np, "pillow": PIL}
    modules[backend] = importlib.import_module(backend)
    return {
        "backend": backend,
        "hosts": share()[1],
        "devices": keras.distribution.list_devices(),
        "versions": {
            "python": platform.python_version(),
            **{name: module.__version__ for name, module in modules.items()},
        },
    }


def parents(config: Config) -> dict:
    """The lineages of what a run starts from and of its teacher, if any."""
    return {
        "init": None if config.init == "scratch" else lineage(config.init, load_model(config.init)),
        "teacher": config.teacher and lineage(config.teacher, load_model(config.teacher)),
    }


def card_facts(config: Config, data: PairBank, devices: list[str]) -> dict:
    """What a model card tells about a run, but for its length."""
    named = {"sample": "the wheels of scikit-image and scikit-learn", "div2k": "DIV2K"}
    sources = [named.get(source) or Path(source).absolute().name for source in config.data]
    taught_by = f", on the results of {Path(config.teacher).name}" if config.teacher else ""
    return {
        "machine": machine(len(devices) or 1),
        "trained_on": f"{len(data)} photographs of {', '.join(sources)}",
        "recipe": config.in_words() + taught_by,
        "seed": config.seed,
    }


def tensorboard(folder: RunFolder) -> list[keras.callbacks.Callback]:
    """The callback for TensorBoard, which TensorFlow alone writes for."""
    if keras.backend.backend() == "tensorflow":
        return [keras.callbacks.TensorBoard(folder.tensorboard, write_graph=False)]
    print("No files for TensorBoard, which need TensorFlow", flush=True)
    return []


def start_from(source: AWSRN, model: AWSRN, batches: Iterable) -> None:
    """Copy the weights of `source`; the tail for another scale is solved for on `batches`."""
    copy_weights(source, model)
    if source.scale != model.scale:
        print(
            f"Solving for the tail of x{model.scale} on the features of {source.name}", flush=True
        )
        solve_tail(model, batches)


def fit(
    model: AWSRN, batches: Iterable, first_epoch: int, epochs: int, steps: int, callbacks: list
) -> None:
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


def compiled_model(config: Config, total_steps: int) -> AWSRN:
    """The network with random weights, optimizer and loss."""
    model = AWSRN(config.variant, config.scale, config.kernel_sizes, dtype=config.precision)
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


def psnr(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """PSNR over RGB in dB, for the progress line (not the paper's protocol)."""
    error = keras.ops.mean(keras.ops.square(y_true - y_pred), axis=(1, 2, 3))
    return 10 * keras.ops.log10(255**2 / keras.ops.maximum(error, 1e-10))


def learning_rate_schedule(
    config: Config, total_steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
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
    """Make every operation repeatable to the last bit, where the backend has to be told."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def steps_for(config: Config, minutes: float, data: PairBank, devices: list[str]) -> Config:
    """`config` with `--minutes` turned into epochs, by timing steps."""
    set_seed(config)  # hosts must have the same weights
    with replicated(devices):
        model = compiled_model(config, total_steps=1000)
        times = StepTimes()
        fit(model, training_data(config, data, share=share()), 0, 1, 12, [times])
    epochs, steps = length(minutes, from_first(float(np.median(np.diff(times.ends)[1:]))))
    return replace(config, epochs=epochs, steps_per_epoch=steps)


def length(minutes: float, step_seconds: float) -> tuple[int, int]:
    """Epochs of about a minute, and steps in each, that fill the time."""
    steps = max(1, int(60 * minutes / step_seconds * 0.95))  # the rest is validation and saving
    epochs = min(steps, math.ceil(minutes))
    return epochs, steps // epochs


class StepTimes(keras.callbacks.Callback):
    """When each step ended, seconds."""

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, batch: int, logs: dict) -> None:
        float(logs["loss"])  # waits for it
        self.ends.append(time.perf_counter())
