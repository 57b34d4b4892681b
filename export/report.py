"""Measure the .tflite files of an export folder and report what each precision costs.

    python export/report.py exports/awsrn_sd_x2 --data Set5 Set14

writes report.md, report.json and report.png into the folder: size, operators, PSNR and SSIM
with their drop against float32, time on one and two processor threads, peak memory, and
where in a picture the precisions differ. About ten minutes on two processor cores, most of
it for int16x8, which processors have no fast code for.
"""

import argparse
from pathlib import Path

from awsrn_keras.command_line import run_command
from awsrn_keras.errors import InputError


def parser() -> argparse.ArgumentParser:
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
    option(
        "--leave-out",
        nargs="+",
        default=[],
        metavar="NAME",
        help="files not to measure, e.g. int16x8",
    )
    option("--runs", type=int, default=20, help="pictures timed (default %(default)s)")
    option("-o", "--output", type=Path, metavar="DIR", help="for the report (default FOLDER)")
    return parse


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    if options.runs < 1:
        raise InputError(f"--runs {options.runs}: give at least 1.")
    paths = [
        path
        for path in sorted((options.folder / "tflite").glob("*.tflite"), key=_order)
        if path.stem not in options.leave_out and not path.stem.endswith("_resizable")
    ]
    if "float32" not in [path.stem for path in paths]:
        raise InputError(
            f"{options.folder}: has no tflite/float32.tflite to compare with; "
            "run export/to_tflite.py first."
        )
    from export.measure.report_files import write_report
    from export.measure.rows import measure

    report = measure(paths, options.data, options.runs)
    folder = options.output or options.folder
    write_report(report, folder)
    print((folder / "report.md").read_text())


def _order(path: Path) -> tuple[int, str]:
    """From the most to the least precise, then what else there is."""
    known = ["float32", "float16", "int16x8", "dynamic_range", "int8"]
    return (known.index(path.stem) if path.stem in known else len(known), path.stem)


if __name__ == "__main__":
    run_command(main)
