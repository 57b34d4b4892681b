"""The same picture by Keras, by LiteRT on the processor and by LiteRT on the GPU."""

import dataclasses

import numpy as np
from keras import ops

from awsrn_keras.errors import InputError
from awsrn_keras.network.model import AWSRN
from export.precisions import Precision
from export.tflite.exported import ExportedFile

from .gpu import Gpu, run_compiled


@dataclasses.dataclass(frozen=True)
class Difference:
    """Between two pictures in grey levels of 255; `psnr` in dB, None where they are equal."""

    largest: float
    mean: float
    rms: float
    psnr: float | None

    @classmethod
    def of(cls, picture: np.ndarray, reference: np.ndarray) -> "Difference":
        error = np.abs(picture.astype("float64") - reference)
        rms = float(np.sqrt(np.mean(error**2)))
        psnr = 20 * np.log10(255 / rms) if rms else None
        return cls(float(error.max()), float(error.mean()), rms, psnr and round(float(psnr), 2))


@dataclasses.dataclass(frozen=True)
class Parity:
    """One file's differences; `gpu` is None for a file that is for processors only.

    Args:
        file: Its name.
        whole: The GPU takes the whole graph (`is_fully_accelerated`).
        cpu: LiteRT on the processor to Keras.
        gpu: LiteRT on the GPU to Keras.
        gpu_to_cpu: LiteRT on the GPU to LiteRT on the processor.
        note: Why it is not for GPUs, or passes beyond its limit.
        faults: What it fails by.
    """

    file: str
    whole: bool | None
    cpu: Difference | None
    gpu: Difference | None = None
    gpu_to_cpu: Difference | None = None
    note: str | None = None
    faults: tuple[str, ...] = ()


def compare(file: ExportedFile, model: AWSRN, gpu: Gpu, picture: np.ndarray) -> Parity:
    """Run `picture`, float32 `(1, height, width, 3)`, by all three.

    Raises:
        InputError: The file holds another network than `model`.
    """
    for key in ("variant", "scale"):
        if file.facts[key] != getattr(model, key):
            raise InputError(
                f"{file.path}: holds {file.facts['variant']} x{file.facts['scale']}, "
                f"not {model.variant} x{model.scale}; name its weights with --model."
            )
    name, precision = file.path.stem, file.precision
    expected = np.clip(ops.convert_to_numpy(model(picture)), 0, 255)
    cpu = run_compiled(file.path, picture, None)
    if cpu.pixels is None:
        return Parity(name, None, None, faults=(f"on the processor: {cpu.reason}",))
    to_keras = Difference.of(cpu.pixels, expected)
    faults = _faults_of_weights(to_keras, precision)
    note = _not_for_gpus(file)
    if note:
        return Parity(name, None, to_keras, note=note, faults=faults)
    run = run_compiled(file.path, picture, gpu, float32=precision.exact)
    if run.pixels is None:
        return Parity(name, run.whole, to_keras, faults=(*faults, f"on the GPU: {run.reason}"))
    differences = Difference.of(run.pixels, expected), Difference.of(run.pixels, cpu.pixels)
    if not run.whole:
        faults = (*faults, "the GPU does not take the whole graph")
    beyond, note = judged(precision, to_keras, *differences)
    return Parity(name, run.whole, to_keras, *differences, note, (*faults, *beyond))


def _not_for_gpus(file: ExportedFile) -> str | None:
    if file.precision.gpu_limit is None:
        return f"no GPU format: GPUs take no features of {file.precision.features}"
    if file.size is None:
        return "no GPU format: GPUs need a fixed size"
    return None


def _faults_of_weights(to_keras: Difference, precision: Precision) -> tuple[str, ...]:
    limit = precision.rms_limit
    if to_keras.rms <= limit:
        return ()
    return (f"gives other pictures than the network (rms {to_keras.rms:.3g}, limit {limit})",)


def judged(
    precision: Precision, cpu: Difference, gpu: Difference, gpu_to_cpu: Difference
) -> tuple[tuple[str, ...], str | None]:
    """Faults, and a note where a file passes beyond its limit.

    The processor rounds features to 8 bits for dynamic_range, which GPUs do not, and both
    round those of int8, each in its own way. The maximum error grows with the picture's size:
    beyond the limit the GPU has to be as near to Keras as the processor is.
    """
    limit = precision.gpu_limit
    measured = {"GPU to processor": gpu_to_cpu}
    if precision.exact:
        measured = {"processor to Keras": cpu, "GPU to Keras": gpu}
    faults = tuple(
        f"{name} {difference.largest:.3g}, limit {limit}"
        for name, difference in measured.items()
        if limit is None or not difference.largest <= limit
    )
    as_near = gpu.rms <= 1.02 * cpu.rms and gpu.largest <= 1.25 * cpu.largest
    if faults and precision.rounds_features and as_near:
        return (), f"{faults[0]}, but as near to Keras as the processor is"
    return faults, None
