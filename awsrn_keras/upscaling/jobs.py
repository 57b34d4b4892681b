"""Which files to upscale, and where each result goes, settled before any work is done."""

import glob
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePath, PurePosixPath
from typing import NamedTuple

from ..errors import InputError
from ..files import check_folder
from ..pictures import FORMATS, SUFFIXES, check_available, format_named, format_of, survey
from ..urls import as_path, is_url, matching, reaching
from ..videos import CONTAINERS, is_video, video_suffixes

VIDEO = "video"  # format of a job


class Job(NamedTuple):
    """One file to upscale, where the result goes, and in which format: a picture's, or `VIDEO`."""

    source: Path
    target: Path
    format: str


class Plan(NamedTuple):
    """The files to upscale, and how many others the folders hold, by suffix."""

    jobs: list[Job]
    skipped: Counter[str]


def plan(
    inputs: list[str],
    output: str,
    format: str | None = None,
    suffix: str = "",
    videos: bool = True,
) -> Plan:
    """Find the files to upscale and name the results, before any work is done.

    Args:
        inputs: Files, folders and glob patterns, also as URLs.
        output: A folder, also as a URL, or for one file also a file: what ends as pictures do.
        format: Of all pictures; None is that of `output` or of each input.
        suffix: Added to the names of results in a folder, e.g. "_x2". Inputs that are results
            of other inputs by their name, in any format, are left out.
        videos: Whether those in folders are wanted.

    Raises:
        InputError: An input is missing or a folder without pictures; a result would replace
            an input or another result; the format of a result is unknown or contradicts its
            name; the folder for the results is a file or cannot be written to.
    """
    if "" in (output, *inputs):
        raise InputError("An empty name is no file: fill the variable that should hold it.")
    format = format_named(format) if format else None
    if os.path.basename(suffix) != suffix:
        raise InputError(f"{suffix!r} cannot be added to names of files: it names a folder.")
    out, skipped = as_path(output), Counter[str]()
    sources: dict[str, tuple[Path, str]] = {}
    for source, name in _sources(inputs, out, skipped, videos):
        place = str(source) if is_url(source) else os.path.abspath(source)
        sources.setdefault(place, (source, name))  # links are files of their own
    if _is_file(output):
        jobs = [_single_job(inputs, list(sources.values()), out, format, suffix)]
    else:
        jobs = [_job(source, out / name, format, suffix) for source, name in sources.values()]
    if suffix:
        results = {_key(job.target.with_suffix("")) for job in jobs}
        jobs = [job for job in jobs if _key(job.source.with_suffix("")) not in results]
    _check(jobs)
    return Plan(jobs, skipped)


def _is_file(output: str) -> bool:
    """Whether the name of the output is one of a picture, not of a folder."""
    out = as_path(output)
    with reaching(out):
        if output.endswith(("/", os.sep)) or out.is_dir():
            return False
    return re.fullmatch(r"\.[a-z]\w{1,4}", out.suffix.lower()) is not None  # not "results_1.5"


def _single_job(
    inputs: list[str],
    sources: list[tuple[Path, str]],
    out: Path,
    format: str | None,
    suffix: str,
) -> Job:
    if is_video(sources[0][0]) and out.suffix.lower() not in CONTAINERS:
        choices = ", ".join(CONTAINERS)
        raise InputError(f"{out}: videos are written as one of {choices}: choose one of them.")
    own = VIDEO if is_video(sources[0][0]) else format_of(out)
    if len(sources) > 1 or as_path(inputs[0]).is_dir():
        raise InputError(f"{out}: is a file; name a folder for the results of several pictures.")
    if format not in (None, own):
        raise InputError(
            f"{out}: --format {format} contradicts this name: change one of them or leave "
            "--format out."
        )
    if suffix:
        raise InputError(f"{out}: is a file; {suffix!r} is added to names in a folder only.")
    return Job(sources[0][0], out, own)


def _job(source: Path, target: Path, format: str | None, suffix: str) -> Job:
    if is_video(source):
        ending = target.suffix if target.suffix.lower() in CONTAINERS else ".mkv"
        return Job(source, target.with_name(target.stem + suffix + ending), VIDEO)
    own = FORMATS.get(source.suffix.lower())
    kind = format or own or "png"
    stem, ending = (target.stem, target.suffix) if own else (target.name, "")
    name = stem + suffix + (ending if kind == own else SUFFIXES[kind][0])
    return Job(source, target.with_name(name), kind)


def _sources(
    inputs: list[str], out: Path, skipped: Counter[str], videos: bool
) -> Iterator[tuple[Path, str]]:
    """Each file, with its name below the folder for the results; counts what is left out."""
    for given in inputs:
        path = as_path(given)
        with reaching(path):
            yield from _sources_of(given, path, out, skipped, videos)


def _sources_of(
    given: str, path: Path, out: Path, skipped: Counter[str], videos: bool
) -> Iterator[tuple[Path, str]]:
    if path.is_dir():
        found = survey(path, video_suffixes() if videos and not is_url(path) else ())
        skipped += found.skipped
        # Results of an earlier run may lie in a folder inside that of the inputs.
        inside = out.is_dir() and _is_in(out, path)
        for file in found.images:
            if not (inside and _is_in(file, out)):
                yield file, file.relative_to(path).as_posix()
    elif path.is_file():
        yield path, path.name
    elif path.exists():
        raise InputError(f"{path}: is neither a file nor a folder.")
    else:
        yield from ((file, file.name) for file in _glob(given))


def _is_in(file: Path, folder: Path) -> bool:
    return _real(folder) in _real(file).parents


def _glob(pattern: str) -> list[Path]:
    path = as_path(pattern)
    if is_url(path):
        files = matching(path)
    else:
        paths = map(Path, sorted(glob.glob(pattern, recursive=True)))
        files = [path for path in paths if path.is_file()]
    if not files:
        raise InputError(f"{pattern}: no such file or folder.")
    return files


def _check(jobs: list[Job]) -> None:
    """Raise an `InputError` for what cannot work, whatever the pictures hold."""
    if not jobs:
        raise InputError("All these pictures are results of earlier runs; name their originals.")
    inputs = {_key(job.source) for job in jobs}
    results: dict[str, Path] = {}
    for job in jobs:
        key = _key(job.target)
        if key in inputs:
            raise InputError(f"{job.target}: is an input; choose another --output.")
        if key in results:
            raise InputError(
                f"{results[key]} and {job.source} would both become {job.target}; "
                "upscale them into different folders."
            )
        results[key] = job.source
        if job.format != VIDEO:
            check_available(job.target, job.format)
    folders = {job.target.parent for job in jobs}
    for folder in [jobs[0].target.parent] if is_url(jobs[0].target) else folders:
        check_folder(folder)


def _key(path: Path) -> str:
    """The same for all names of one file."""
    name = str(_real(path))
    if is_url(path):
        return name
    return name.casefold() if sys.platform in ("win32", "darwin") else name


def _real(path: Path) -> PurePath:
    """The place without links."""
    return PurePosixPath(str(path)) if is_url(path) else Path(os.path.realpath(path))
