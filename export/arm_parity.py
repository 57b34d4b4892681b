"""Check that exported .tflite files give the same pixels on the processors of phones.

    python export/arm_parity.py exports/awsrn_sd_x2

compares every file by LiteRT's kernels for 64-bit Arm, by those for this machine and the network
in Keras on one photograph. Without a folder it first exports the default preset at 32x48 (about a
minute). Largest differences from the same file on this machine, grey levels of 255:

int8, int16x8     0: whole numbers, which all processors add alike
float16, float32  0.01, float32 from Keras, too: some processors round a product and its sum
                  once, others twice; 0 was measured
dynamic_range     2: the last bit of such a sum decides which way a feature is rounded to 8
                  bits; 1.4 was measured, and beyond 2 Arm has to be as close to Keras as the CPU

This is a check of kernels: a few damaged weights give the same pixels on both and may still be as
close to Keras as the precision has to be.

On an Arm machine it runs natively, elsewhere on a Neoverse N1 (a Cortex-A76 for servers) that QEMU
emulates. What that takes is fetched once into ~/.cache/awsrn_keras ($AWSRN_CACHE), 60 MB (170 MB on
disk), or 130 MB where qemu-user is not installed: by apt-get, without root, and by pip.
Exit status: 0 all pass, 1 a file fails, 2 a mistake in what was given, 3 that cannot be had here.
"""

import argparse

from awsrn_keras.command_line import run_command
from export.measure.parity_command import check_parity, parity_parser


def parser() -> argparse.ArgumentParser:
    return parity_parser(__doc__)


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    from export.measure.arm import find_arm

    return check_parity(options, find_arm)


if __name__ == "__main__":
    run_command(main)
