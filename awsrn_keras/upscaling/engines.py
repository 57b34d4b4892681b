"""Which engine runs a model."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ..command_line import has_gpu
from ..errors import InputError
from ..network.presets import presets
from .engine import Engine
from .litert_engine import LiteRTEngine, tflite_path

if TYPE_CHECKING:
    from ..network.model import AWSRN

ENGINES = ("auto", "litert", "keras")
PRECISIONS = ("float", "int8")


def choose_engine(
    model: AWSRN | str | os.PathLike, engine: str = "auto", precision: str = "float"
) -> str:
    """What runs `model`: "litert" or "keras".

    "auto" is LiteRT, which starts faster and needs less memory, for presets that have a file
    for it if it is installed and there is no GPU; otherwise Keras. An 8-bit network always runs
    on LiteRT.

    Args:
        model: An `AWSRN`, or whatever `load_model` takes: a preset name or a file.
        engine: "auto", "litert" or "keras".
        precision: "float" or "int8".

    Raises:
        InputError: A value is unknown, or the three do not go together.
    """
    if engine not in ENGINES:
        raise InputError(f"Unknown engine {engine!r}: choose one of {', '.join(ENGINES)}.")
    if precision not in PRECISIONS:
        raise InputError(f"Unknown precision {precision!r}: choose one of {', '.join(PRECISIONS)}.")
    preset = model if isinstance(model, str) and model in presets() else None
    if precision == "int8":
        if engine == "keras" or preset is None:
            raise InputError(
                "Precision int8 is for presets on LiteRT: name a preset and leave out the engine, "
                "or choose precision float."
            )
        return "litert"
    if engine == "litert" and preset is None:
        raise InputError(f"{model}: LiteRT runs presets only; run it with Keras.")
    if engine != "auto":
        return engine
    if preset is None or find_spec("ai_edge_litert") is None or (has_gpu() and find_spec("keras")):
        return "keras"
    try:
        tflite_path(preset)
    except InputError:
        return "keras"
    return "litert"


def has_int8(model: AWSRN | str | os.PathLike) -> bool:
    """Whether `model` is a preset that comes with an 8-bit file, and LiteRT is there to run it."""
    if not isinstance(model, str) or find_spec("ai_edge_litert") is None:
        return False
    try:
        return tflite_path(model, "int8").is_file()
    except InputError:
        return False


def make_engine(
    model: AWSRN | str | os.PathLike,
    engine: str = "auto",
    precision: str = "float",
    scale: int | None = None,
    threads: int | None = None,
) -> Engine:
    """The engine for `model`; arguments and errors as those of `choose_engine`.

    Args:
        scale: What the model's scale must be; None is any.
        threads: Of LiteRT; None is as many as there are cores.

    Raises:
        InputError: Also where Keras is to run the model and its backend is not installed.
    """
    made: Engine
    if choose_engine(model, engine, precision) == "litert":
        made = LiteRTEngine(str(model), precision, threads)
    else:
        try:
            from .keras_engine import KerasEngine
        except ModuleNotFoundError as error:
            raise InputError(
                f"{model}: is run by Keras, which needs {error.name}: pip install {error.name}."
            ) from None
        made = KerasEngine(model)
    if scale not in (None, made.scale):
        raise InputError(f"--scale {scale}: {model} is x{made.scale}.")
    return made
