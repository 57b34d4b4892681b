"""Check that exported .tflite files give the same pixels on the processors of phones.

    python export/arm_parity.py exports/awsrn_sd_x2

compares every file by LiteRT's kernels for 64-bit Arm, by those for this machine and the network
in Keras on one photograph. Without a folder it first exports the default preset at 32x48 (about a
minute). Largest differences, grey levels of 255:

int8, int16x8     0 from the same file here: whole numbers, which all processors add alike
float16, float32  0.01 from the same file here, or from Keras: a processor may round the sums of
                  products in another order; none was seen to
dynamic_range     2 from the same file here: the last bit of a sum decides which way a feature is
                  rounded to 8 bits; on larger pictures as close to Keras as the CPU here

Elsewhere than on an Arm machine QEMU emulates a Neoverse N1, the core of phones of 2019. What that
takes is fetched once, 60 MB, into ~/.cache/awsrn_keras ($AWSRN_CACHE): Debian's Python for arm64
and, where qemu-user is not installed, QEMU, both by apt-get without root; LiteRT by pip.
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
