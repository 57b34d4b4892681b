"""The same picture by Keras, by LiteRT on the processor and by LiteRT on another device."""

import dataclasses

import numpy as np
from keras import ops

from awsrn_keras.errors import InputError
from awsrn_keras.network.model import AWSRN
from export.precisions import Precision
from export.reference import unrounded
from export.tflite.exported import ExportedFile

from .running import PROCESSOR, Device, run_compiled


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
    """One file's differences; `device` is None for a file that is not for that device.

    Args:
        file: Its name.
        whole: A GPU takes the whole graph (`is_fully_accelerated`).
        cpu: LiteRT on the processor to Keras.
        device: LiteRT on the device to Keras.
        device_to_cpu: LiteRT on the device to LiteRT on the processor.
        note: Why it is not for the device, or passes beyond its limit.
        faults: What it fails by.
    """

    file: str
    whole: bool | None
    cpu: Difference | None
    device: Difference | None = None
    device_to_cpu: Difference | None = None
    note: str | None = None
    faults: tuple[str, ...] = ()


def compare(file: ExportedFile, model: AWSRN, device: Device, picture: np.ndarray) -> Parity:
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
    expected = np.clip(ops.convert_to_numpy(unrounded(model)(picture)), 0, 255)
    cpu = run_compiled(file.path, picture, PROCESSOR)
    if cpu.pixels is None:
        return Parity(name, None, None, faults=(f"on the processor: {cpu.reason}",))
    to_keras = Difference.of(cpu.pixels, expected)
    faults = _faults_of_weights(to_keras, precision)
    on_gpu = device.kind == "GPU"
    note = _not_for_gpus(file) if on_gpu else None
    if note:
        return Parity(name, None, to_keras, note=note, faults=faults)
    run = run_compiled(file.path, picture, device, float32=precision.exact)
    whole = run.whole if on_gpu else None
    if run.pixels is None:
        where = "on the GPU" if on_gpu else f"on {device.kind}"
        return Parity(name, whole, to_keras, faults=(*faults, f"{where}: {run.reason}"))
    differences = Difference.of(run.pixels, expected), Difference.of(run.pixels, cpu.pixels)
    if on_gpu and not whole:
        faults = (*faults, "the GPU does not take the whole graph")
    beyond, note = judged(precision, device.kind, to_keras, *differences)
    return Parity(name, whole, to_keras, *differences, note, (*faults, *beyond))


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
    precision: Precision,
    kind: str,
    cpu: Difference,
    device: Difference,
    device_to_cpu: Difference,
) -> tuple[tuple[str, ...], str | None]:
    """Faults, and a note where a file passes beyond its limit.

    The processor rounds features to 8 bits for dynamic_range, which GPUs do not, and both
    round those of int8, each in its own way. The maximum error grows with the picture's size:
    beyond the limit the device has to be as near to Keras as the processor is.
    """
    limit = precision.gpu_limit if kind == "GPU" else precision.arm_limit
    measured = {f"{kind} to processor": device_to_cpu}
    if precision.exact:
        measured = {"processor to Keras": cpu, f"{kind} to Keras": device}
    faults = tuple(
        f"{name} {difference.largest:.3g}, limit {limit}"
        for name, difference in measured.items()
        if limit is None or not difference.largest <= limit
    )
    as_near = device.rms <= 1.02 * cpu.rms and device.largest <= 1.25 * cpu.largest
    if faults and limit and precision.rounds_features and as_near:
        return (), f"{faults[0]}, but as near to Keras as the processor is"
    return faults, None
