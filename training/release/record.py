"""The record of a release training: what it was made from, how fast, and how to publish it."""

import shlex
from pathlib import Path

import jax
import keras
import numpy as np

from awsrn_keras.command_line import cpu_cores
from awsrn_keras.network.counts import multiply_adds
from awsrn_keras.network.model import AWSRN

from .files import Progress
from .recipe import Recipe

# Dense bfloat16 matrix products, TFLOP/s, by what the device's name holds; the first fits.
PEAKS = {"H100 PCIe": 756, "H100 NVL": 835, "H100": 989, "H200": 989, "A100": 312}


def flops_per_patch(model: AWSRN, patch_size: int) -> float:
    """Operations of one training step per patch: 6 per multiply-add of the paper's count.

    Two for the network itself, four for the gradients. The tail computes its four branches
    as one convolution, so about 5 % fewer are really done.
    """
    side = model.scale * patch_size
    return 6 * multiply_adds(model, (side, side))


def device_name() -> str:
    device = jax.devices()[0]
    return f"CPU ({cpu_cores()} cores)" if device.platform == "cpu" else device.device_kind


def known_peak(device: str) -> float | None:
    """TFLOP/s in bfloat16 of a device by its name, or None."""
    return next((peak for name, peak in PEAKS.items() if name in device), None)


def speed_record(model: AWSRN, recipe: Recipe, progress: Progress, peak: float | None) -> dict:
    """Patches per second of the steps alone, and what share of the peak that is."""
    patches = progress.step * recipe.batch_size / progress.busy_seconds
    tflops = patches * flops_per_patch(model, recipe.patch_size) / 1e12
    speed = {"patches_per_second": round(patches, 1), "tflops": round(tflops, 4)}
    if peak is not None:
        speed |= {"peak_tflops": peak, "share_of_peak": round(tflops / peak, 5)}
    return speed


def speed_line(speed: dict) -> str:
    line = f"{speed['patches_per_second']:.0f} patches/s, {speed['tflops']:.3g} TFLOP/s"
    if "share_of_peak" in speed:
        share = f"{speed['share_of_peak']:.1%} of the device's {speed['peak_tflops']:g} in bfloat16"
        return f"{line}, {share}"
    return f"{line} (peak of this device not known: --peak)"


def make_record(
    model: AWSRN, recipe: Recipe, data: dict, progress: Progress, peak: float | None
) -> dict:
    """Everything about a finished training, for OUT.json."""
    return {
        **recipe.to_json(),
        "params": model.count_params(),
        "data": data,
        "steps": progress.step,
        "hours": round(progress.seconds / 3600, 4),
        "machine": device_name(),
        "speed": speed_record(model, recipe, progress, peak),
        "val_psnr": progress.scores,
        "recipe": recipe.in_words(),
        "versions": {"keras": keras.__version__, "jax": jax.__version__, "numpy": np.__version__},
    }


def publish_command(weights: Path, record: dict) -> str:
    """The command that makes a preset of the result; the folders are for the user to fill in."""
    data = record["data"]
    trained_on = f"{data['images']} photographs of {', '.join(data['sources'])}"
    options = [
        *("--steps", record["steps"], "--hours", record["hours"], "--seed", record["seed"]),
        *("--machine", record["machine"], "--recipe", record["recipe"]),
        *("--trained-on", trained_on),
    ]
    given = shlex.join(map(str, [weights, *options]))
    return f"python training/publish_preset.py {given} --validation DIR --benchmarks DIR..."
