"""What LiteRT's benchmark_model prints on a phone, as figures."""

import re
from typing import NamedTuple

from .timings import DidNotRun

_ALL_RUNS = re.compile(r"\bcount=\d+ .*curr=.*")  # one line for the warm-up, one for the runs
_VALUE = re.compile(r"(\w+)=([\d.e+]+)")
_PEAKS = (
    re.compile(r"Peak memory:\s+([\d.]+) MB"),
    re.compile(r"Overall peak memory footprint \(MB\) via periodic monitoring: ([\d.]+)"),
)
_DELEGATED = re.compile(r"Replacing (\d+) out of (\d+) node\(s\) with delegate \(([^)]+)\)")
_UNKNOWN_FLAGS = re.compile(r"Unconsumed cmdline flags: (.*)")
_ERROR = re.compile(r"^(?:\d{2}-\d{2} .*)?(?:ERROR|E)\b:?\s*(?:\[[^]]*\])?\s*(.+)")


class PhoneFigures(NamedTuple):
    """Median and 95th percentile of a picture's time, and the largest memory where reported."""

    median_ms: float
    p95_ms: float
    peak_mb: float | None


def read_output(text: str, accelerator: str) -> PhoneFigures:
    """Read the whole output of one run on one of `timings.ACCELERATORS`.

    Formats: benchmark_model of LiteRT (litert/tools/benchmark_litert_model.h in
    github.com/google-ai-edge/LiteRT), and that of TensorFlow Lite where it prints percentiles.

    Raises:
        DidNotRun: It failed, ran elsewhere than asked, or prints no percentiles.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    _check_place(lines, accelerator)
    measured = [line for line in lines if _ALL_RUNS.search(line)]
    if len(measured) < 2:
        raise DidNotRun(_reason(lines))
    values = {name: float(value) for name, value in _VALUE.findall(measured[-1])}
    if "first" not in values:  # a single run, or all the same
        values = {"median": values["curr"], "p95": values["curr"]}
    if "median" not in values:
        raise DidNotRun("this benchmark_model is too old: it prints no median")
    peaks = [found for pattern in _PEAKS for found in pattern.findall(text)]
    return PhoneFigures(
        values["median"] / 1e3, values["p95"] / 1e3, float(peaks[-1]) if peaks else None
    )


def _check_place(lines: list[str], accelerator: str) -> None:
    """A benchmark_model that knows no such accelerator runs the file on the processor."""
    if accelerator == "cpu":
        return
    for line in lines:
        unknown = _UNKNOWN_FLAGS.search(line)
        if unknown and f"--use_{accelerator}=" in unknown[1]:
            raise DidNotRun(f"this benchmark_model knows no {accelerator.upper()}")
        delegated = _DELEGATED.search(line)
        if delegated and "xnnpack" not in delegated[3].lower() and delegated[1] != delegated[2]:
            raise DidNotRun(f"takes only {delegated[1]} of {delegated[2]} operators")


def _reason(lines: list[str]) -> str:
    errors = [found[1] for line in lines if (found := _ERROR.match(line))]
    if errors:
        return errors[0][:120]
    return f"it printed no times, at the end: {lines[-1][:80]}" if lines else "it printed nothing"
