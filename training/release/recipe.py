"""What a release training is made of: the options of `train_release.py` that decide its weights."""

import math
from dataclasses import asdict, dataclass, fields

from awsrn_keras.errors import InputError
from awsrn_keras.network.variants import check_variant_and_scale
from training.fitting.config import LOSSES, OPTIMIZERS, option

PRECISIONS = ("mixed_bfloat16", "float32")


@dataclass(frozen=True)
class Recipe:
    """One release training; docs/release_training.md has what the defaults rest on.

    Attributes:
        variant, scale: The network.
        minutes: Length by the clock, from the first step on.
        steps: Length in steps instead, for a run that can be repeated to the last digit.
        batch_size: Patches per step.
        patch_size: Side of a low-resolution patch, pixels.
        loss: One of `LOSSES`.
        optimizer: One of `OPTIMIZERS`.
        learning_rate: At its highest; it falls as a cosine to `final_rate`.
        final_rate: Learning rate of the last step.
        warm_up: Steps in which the rate rises from 0.
        ema: Momentum of the average of the weights, which is the result.
        precision: Keras dtype policy.
        chunk: Steps per call of the compiled program.
        init: MODEL whose weights to start from (see `copy_weights`).
        seed: Of weights, crops and flips.
    """

    variant: str = "awsrn_sd"
    scale: int = 2
    minutes: float = 10
    steps: int | None = None
    batch_size: int = 32
    patch_size: int = 48
    loss: str = "log_mse"
    optimizer: str = "muon"
    learning_rate: float = 1e-2
    final_rate: float = 1e-6
    warm_up: int = 500
    ema: float = 0.999
    precision: str = "mixed_bfloat16"
    chunk: int = 300
    init: str | None = None
    seed: int = 0

    def __post_init__(self):
        """Raise an `InputError` that names the first value out of range."""
        try:
            check_variant_and_scale(self.variant, self.scale)
        except ValueError as error:
            raise InputError(str(error)) from None
        for name in ("steps", "batch_size", "patch_size", "warm_up", "chunk"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{option(name)} must be at least 1, got {value}.")
        for name in ("learning_rate", "final_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(f"{option(name)} must be in (0, 1], got {getattr(self, name)}.")
        if not 0 < self.minutes < math.inf:
            raise InputError(f"--minutes must be above 0, got {self.minutes}.")
        if not 0 <= self.ema < 1:
            raise InputError(f"--ema must be at least 0 and below 1, got {self.ema}.")
        allowed = {"loss": LOSSES, "optimizer": OPTIMIZERS, "precision": PRECISIONS}
        for name, choices in allowed.items():
            if getattr(self, name) not in choices:
                raise InputError(f"{option(name)} must be one of {', '.join(choices)}.")

    @property
    def total_steps(self) -> int | None:
        """`steps` rounded up to whole chunks, or None where the clock decides."""
        return None if self.steps is None else -(-self.steps // self.chunk) * self.chunk

    def to_json(self) -> dict:
        return asdict(self)

    def in_words(self) -> str:
        """For a preset's card."""
        start = f"; started from {self.init}" if self.init else ""
        return (
            f"loss {self.loss} in RGB; "
            f"batch {self.batch_size}, LR patches {self.patch_size}x{self.patch_size}; "
            f"{self.optimizer.capitalize()} {self.learning_rate:g}, cosine to {self.final_rate:g}; "
            f"{self.precision}; average of the weights, momentum {self.ema:g}{start}"
        )

    def check_same(self, given: dict) -> None:
        """Raise an `InputError` if an option given now is not the one of this training."""
        for name, value in given.items():
            stored = getattr(self, name)
            if value != stored:
                raise InputError(
                    f"This training was started with {option(name)} {stored}, not {value}: "
                    "leave the option out, or give another --output."
                )


RECIPE_OPTIONS = tuple(field.name for field in fields(Recipe))
