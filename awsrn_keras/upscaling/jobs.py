"""Which files to upscale, and where each result goes, settled before any work is done."""

import glob
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError


class Job(NamedTuple):
    """One file to upscale, where the result goes, and in which format."""

    source: Path
    target: Path
    format: str


def plan(inputs: list[str], output: str, format: str | None = None) -> list[Job]:
    """Find the files to upscale and name the results, before any work is done.

    Raises:
        InputError: An input is missing or a folder without pictures; a result would replace
            an input or another result; the format of a result is unknown.
    """
    from ..pictures import IMAGE_SUFFIXES, SUFFIXES, format_of

    out = Path(output)
    if Path(inputs[0]).is_file() and len(inputs) == 1 and out.suffix and not out.is_dir():
        return _checked([Job(Path(inputs[0]), out, format or format_of(out))])
    jobs = []
    for source, name in _sources(inputs, out):
        own = format_of(source) if source.suffix.lower() in IMAGE_SUFFIXES else None
        kind = format or own or "png"
        jobs.append(
            Job(source, out / (name if kind == own else name.with_suffix(SUFFIXES[kind])), kind)
        )
    return _checked(jobs)


def _sources(inputs, out) -> Iterator[tuple[Path, Path]]:
    """Each file once, with its name below the folder for the results."""
    from ..pictures import find_images

    seen = set()
    for given in inputs:
        path = Path(given)
        if path.is_dir():
            below = [(file, file.relative_to(path)) for file in find_images(path)]
            # Results of an earlier run may lie in a folder inside that of the inputs.
            inside = out.is_dir() and path.resolve() in out.resolve().parents
            found = [(file, name) for file, name in below if not (inside and _is_in(file, out))]
        elif path.exists():
            found = [(path, Path(path.name))]
        else:
            found = [(Path(file), Path(Path(file).name)) for file in _glob(given)]
        for file, name in found:
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield file, name


def _is_in(file, folder):
    return folder.resolve() in file.resolve().parents


def _glob(pattern):
    files = sorted(file for file in glob.glob(pattern, recursive=True) if Path(file).is_file())
    if not files:
        raise InputError(f"{pattern}: no such file or folder.")
    return files


def _checked(jobs):
    inputs = {job.source.resolve(): job.source for job in jobs}
    results = {}
    for job in jobs:
        target = job.target.resolve()
        if target in inputs:
            raise InputError(f"{job.target}: is an input; choose another --output.")
        if target in results:
            raise InputError(
                f"{results[target]} and {job.source} would both become {job.target}; "
                "upscale them into different folders."
            )
        results[target] = job.source
    return jobs
