"""Measure the .tflite files of an export folder and report what each precision costs.

    python export/report.py exports/awsrn_sd_x2 --data Set5 Set14

writes report.md, report.json and report.png into the folder: size, operators, PSNR and SSIM
with their drop against float32, time on one and two CPU threads, peak memory, and where in a
picture the precisions differ. About ten minutes on two CPU cores, most of it for int16x8, for
which CPUs have no fast kernels.
"""

import argparse
from pathlib import Path

from awsrn_keras.command_line import command_parser, run_command
from awsrn_keras.errors import InputError
from export.precisions import PRECISIONS


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    option = parse.add_argument
    option(
        "folder", type=Path, metavar="FOLDER", help="what to_tflite.py wrote, with tflite/ in it"
    )
    option(
        "--data",
        nargs="+",
        default=["sample"],
        metavar="DIR",
        help="sample (default: photographs in two wheels, those held out from training), div2k, "
        "folders of high-resolution pictures, or benchmarks with x2/HR and x2/LR inside",
    )
    names = "files not to measure, e.g. int16x8"
    option("--leave-out", nargs="+", default=[], metavar="NAME", help=names)
    option("--runs", type=int, default=20, help="pictures timed (default %(default)s)")
    option("-o", "--output", type=Path, metavar="DIR", help="for the report (default FOLDER)")
    return parse


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    if options.runs < 1:
        raise InputError(f"--runs {options.runs}: give at least 1.")
    if "float32" in options.leave_out:
        raise InputError("--leave-out float32: the other files are compared with it.")
    from export.tflite.exported import exported_files

    files = {file.path.stem: file for file in exported_files(options.folder) if file.size}
    if "float32" not in files:
        raise InputError(
            f"{options.folder}: has no float32.tflite to compare with; run export/to_tflite.py."
        )
    order = [*PRECISIONS, *files]  # from the most to the least precise, then what else there is
    names = sorted(files.keys() - set(options.leave_out), key=order.index)

    from export.measure.report_figures import measure_files
    from export.measure.report_files import write_report

    report = measure_files([files[name] for name in names], options.data, options.runs)
    print(write_report(report, options.output or options.folder))


if __name__ == "__main__":
    run_command(main)
