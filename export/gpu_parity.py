"""Check that exported .tflite files run whole on GPUs and give the same pixels there.

    python export/gpu_parity.py exports/awsrn_sd_x2

compares every file on the CPU and the GPU (LiteRT) and the network in Keras on one photograph.
Without a folder it first exports the default preset at 32x48 (about a minute). Largest
differences, grey levels of 255: float32 0.01 from Keras, float16 and dynamic_range 0.6 and int8 2
from the same file on the CPU. On much larger pictures dynamic_range and int8 differ by more, as
CPUs round features in their own way; there the GPU has to be as close to Keras as the CPU is.

Without a GPU it uses SwiftShader, a driver in software (Debian: libvulkan1, chromium).
Exit status: 0 all pass, 1 a file fails, 2 a mistake in what was given, 3 no driver.
"""

import argparse

from awsrn_keras.command_line import run_command
from export.measure.parity_command import check_parity, parity_parser


def parser() -> argparse.ArgumentParser:
    return parity_parser(__doc__)


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    from export.measure.gpu import require_gpu

    return check_parity(options, require_gpu)


if __name__ == "__main__":
    run_command(main)
