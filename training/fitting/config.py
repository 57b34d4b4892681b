"""What a training run is made of: every option of `fit.py`, checked, in one place."""

import math
from dataclasses import asdict, dataclass, fields, replace

from awsrn_keras.data import held_out
from awsrn_keras.data.degradations import Degradation
from awsrn_keras.errors import InputError
from awsrn_keras.network.variants import check_variant_and_scale

SCHEDULES = ("halving", "cosine")
OPTIMIZER_NAMES = ("adam", "muon")  # see training/optimizers.py
LOSS_NAMES = ("l1", "mse", "charbonnier", "log_mse")  # see training/losses.py
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
# Keys that the config.json of older runs lacks, and what those runs did.
ADDED_LATER = {"kernel_sizes": None, "degrade": None}


@dataclass(frozen=True)
class Config:
    """One training run. The defaults end within minutes on two processor cores.

    Attributes:
        variant, scale: The network.
        kernel_sizes: Of its AWMS branches; None for those of the variant. Those of `init`.
        data: "sample", "div2k", or folders of photographs.
        lr_dir: Folder of low-resolution images for `data` folders; made when absent.
        val: Like `data`; absent: the held-out part of `data`, of "sample" where it has none.
        epochs, steps_per_epoch: Length of the run; the state is saved after each epoch.
        minutes: Length by the clock instead: turned into epochs once, at the start.
        batch_size: Patches per step.
        patch_size: Side of a low-resolution patch, pixels.
        loss: One of `LOSS_NAMES`; the paper has "l1".
        optimizer: One of `OPTIMIZER_NAMES`; the paper has "adam".
        learning_rate: At its highest.
        schedule: "cosine" (short warm-up, then down to a thousandth) or "halving" (halved
            after each fifth of the run).
        ema: Momentum of the average of the weights, 0 for none; it reaches about
            1 / (1 - ema) steps back.
        precision: Keras dtype policy.
        degrade: How LR patches are made worse (blur, noise, JPEG); None leaves them clean.
        teacher: A MODEL whose results are learned instead of the photographs (see `taught`).
        init: "scratch" or a MODEL whose weights to start from (see `copy_weights`).
        seed: Of weights, image order, crops and flips.
        deterministic: Repeatable to the last bit on the same machine, slower.
    """

    variant: str = "awsrn_sd"
    scale: int = 2
    kernel_sizes: tuple[int, ...] | None = None
    data: tuple[str, ...] = ("sample",)
    lr_dir: str | None = None
    val: tuple[str, ...] | None = None
    epochs: int = 8
    steps_per_epoch: int = 100
    minutes: float | None = None
    batch_size: int = 8
    patch_size: int = 48
    loss: str = "log_mse"
    optimizer: str = "muon"
    learning_rate: float = 1e-2
    schedule: str = "cosine"
    ema: float = 0.0
    precision: str = "float32"
    degrade: Degradation | None = None
    teacher: str | None = None
    init: str = "scratch"
    seed: int = 0
    deterministic: bool = False

    @property
    def total_steps(self) -> int:
        return self.epochs * self.steps_per_epoch

    @property
    def validation_data(self) -> tuple[str, ...]:
        if self.val is not None:
            return self.val
        return tuple(map(str, held_out(self.data)))

    def check(self) -> None:
        """Raise an `InputError` that names the first value out of range."""
        try:
            check_variant_and_scale(self.variant, self.scale)
        except ValueError as error:
            raise InputError(str(error)) from None
        for name in ("epochs", "steps_per_epoch", "batch_size", "patch_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{option(name)} must be at least 1, got {getattr(self, name)}.")
        if not 0 < self.learning_rate <= 1:
            raise InputError(f"--learning-rate must be in (0, 1], got {self.learning_rate}.")
        if not 0 <= self.ema < 1:
            raise InputError(f"--ema must be at least 0 and below 1, got {self.ema}.")
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise InputError(f"--minutes must be a number above 0, got {self.minutes}.")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"--seed must be at least 0 and below 2**32, got {self.seed}.")
        allowed = {
            "loss": LOSS_NAMES,
            "optimizer": OPTIMIZER_NAMES,
            "schedule": SCHEDULES,
            "precision": PRECISIONS,
        }
        for name, choices in allowed.items():
            if getattr(self, name) not in choices:
                raise InputError(f"{option(name)} must be one of {', '.join(choices)}.")
        if self.lr_dir is not None and is_named_source(self.data):
            raise InputError(
                "--lr-dir needs --data with a folder: named sources hold their own LR."
            )

    def to_json(self) -> dict:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: dict) -> "Config":
        """The options in the config.json of a run.

        Raises:
            ValueError: One is missing or out of range.
        """
        stored = ADDED_LATER | stored
        names = [field.name for field in fields(cls)]
        if missing := [name for name in names if name not in stored]:
            raise ValueError(f"it lacks {', '.join(missing)}, which this version needs")
        values = with_tuples({name: stored[name] for name in names})
        if values["degrade"] is not None:
            values["degrade"] = Degradation(**with_tuples(values["degrade"]))
        config = cls(**values)
        config.check()
        return config

    def in_words(self) -> str:
        """How it trains, for a model card."""
        words = [
            f"loss {self.loss} in RGB",
            f"batch {self.batch_size}",
            f"LR patches {self.patch_size}x{self.patch_size}",
            f"{self.optimizer.capitalize()} {self.learning_rate:g}",
            f"{self.schedule} schedule",
            self.precision,
        ]
        words += [f"EMA {self.ema:g}"] if self.ema else []
        return ", ".join([*words, *([self.degrade.in_words()] if self.degrade else [])])


RECIPES = {
    "quick": Config(),
    "paper": Config(
        data=("div2k",),
        epochs=1000,
        steps_per_epoch=1000,
        batch_size=16,
        loss="l1",
        optimizer="adam",
        learning_rate=1e-3,
        schedule="halving",
    ),
    # What won in docs/lab/experiments.md, for a GPU or a processor that computes in bfloat16.
    "release": Config(
        data=("div2k",),
        epochs=200,
        steps_per_epoch=500,
        batch_size=32,
        loss="log_mse",
        optimizer="muon",
        learning_rate=1e-2,
        schedule="cosine",
        ema=0.999,
        precision="mixed_bfloat16",
    ),
}


def with_options(base: Config, given: dict) -> Config:
    """`base` with the options that the user gave, checked."""
    config = replace(base, **given)
    config.check()
    return config


def with_tuples(values: dict) -> dict:
    """What JSON has made lists of are tuples again."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}


def is_named_source(data: tuple[str, ...]) -> bool:
    return data in (("sample",), ("div2k",))


def option(name: str) -> str:
    return "--" + name.replace("_", "-")
