"""Picture files in, picture files out."""

import functools
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import existing_part
from ..pictures import (
    ANIMATED,
    Picture,
    TooLarge,
    canvas_for,
    check_size,
    losses,
    read_animation,
    read_picture,
    read_size,
    write_picture,
)
from ..urls import is_url, reaching
from .engine import Engine
from .jobs import Job
from .upscale import upscale_with

_LARGE = 64 * 2**20  # bytes of a result: of those there is one in memory at a time


@dataclass(frozen=True)
class UpscaleOptions:
    """How files are upscaled.

    Attributes:
        tile, self_ensemble: As of `upscale`.
        quality: Of JPEG, WebP, AVIF and HEIC, 1 to 100; None is 95. 100 makes WebP lossless.
        overwrite: Replace results that are there already.
        max_megapixels: Larger inputs are refused before they are decoded.

    Raises:
        InputError: A value is out of range.
    """

    tile: int | None = None
    self_ensemble: bool = False
    quality: int | None = None
    overwrite: bool = False
    max_megapixels: float = 100

    def __post_init__(self) -> None:
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise InputError(f"The quality must be 1 to 100, got {self.quality}.")
        if self.tile is not None and self.tile < 1:
            raise InputError(f"The tile must be at least 1 pixel, got {self.tile}.")
        if self.tile is not None and self.self_ensemble:
            raise InputError("--tile has no effect with --self-ensemble: leave one of them out.")
        if not self.max_megapixels > 0:
            raise InputError(f"The largest input must be above 0 MP, got {self.max_megapixels}.")


def is_there(path: Path) -> bool:
    """Whether something has this name, be it a link to nothing.

    Raises:
        InputError: No file can have this name here, e.g. as it is too long.
    """
    if is_url(path):
        with reaching(path):
            return path.exists()
    place = existing_part(path.parent) / path.name  # in a missing folder no name is too long
    try:
        place.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}.") from None
    return place == path


def check_target(job: Job, overwrite: bool) -> None:
    """Raise an `InputError` if a result is there that is not to be replaced."""
    present = is_there(job.target)
    if present and job.target.is_dir():
        raise InputError(f"{job.target}: is a folder; choose another --output.")
    if present and not overwrite:
        raise InputError(
            f"{job.target}: is there already; --overwrite replaces it, --skip-existing leaves it."
        )


def check_job(job: Job, scale: int, options: UpscaleOptions) -> None:
    """Find out in a moment what would make `upscale_files` fail after its work.

    Raises:
        InputError: The result exists, the header of the picture cannot be read, it is too
            large, the format cannot hold the result, or its name is too long.
    """
    check_target(job, options.overwrite)
    try:
        width, height = read_size(job.source, options.max_megapixels)
    except TooLarge as error:
        raise InputError(f"{error} Allow more with --max-megapixels.") from None
    check_size(job.target, width * scale, height * scale, job.format)


def reason(job: Job, error: BaseException) -> str:
    """What went wrong with a file, in one line that names it."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or job.target}: {error.strerror}"
    text = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    # In the words of Python, LiteRT, TensorFlow, JAX and PyTorch.
    for word in ("MemoryError", "ResourceExhausted", "RESOURCE_EXHAUSTED", "OutOfMemory"):
        if word in text:
            return f"{job.source}: not enough memory; a smaller --tile needs less."
    return f"{job.source}: {text}"


def upscale_files(
    jobs: list[Job],
    engine: Engine,
    options: UpscaleOptions,
    float_engine: Callable[[], Engine] | None = None,
    progress: Callable[[Job, int, int], None] | None = None,
) -> Iterator[tuple[Job, list[str] | BaseException]]:
    """Upscale files that passed `check_job`, one after the other.

    While the network computes, the next picture is read and the last one written.

    Args:
        engine: What upscales them.
        float_engine: Gives the engine for pictures of 16 bits where `engine` takes 8.
        progress: Called with the job, the windows done and their number.

    Yields:
        Each job with lines to print about it, or with what went wrong.
    """
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        begun: deque[tuple[Job, Future[list[str]]]] = deque()
        for job, reading in _read_ahead(reader, jobs, options):
            unwritten = 1  # results that may be in memory besides the one being made
            try:
                work = reading.result()
                if work.picture.pixels.nbytes * engine.scale**2 > _LARGE:
                    unwritten = 0
                    yield from _settled(begun, unwritten)
                show = functools.partial(progress, job) if progress else None
                work.upscale(engine, float_engine, show)
                writing = writer.submit(work.write)
            except Exception as error:
                writing = Future()
                writing.set_exception(error)
            begun.append((job, writing))
            yield from _settled(begun, unwritten)
        yield from _settled(begun, 0)


class _Work:
    """A picture on its way from file to file, with the time that it took; making one reads it."""

    def __init__(self, job: Job, options: UpscaleOptions) -> None:
        start = time.monotonic()
        self.job, self.options = job, options
        self.picture = read_picture(job.source, options.max_megapixels)
        self.size = self.picture.pixels.shape[1::-1]
        self.notes = [f"not kept: {lost}" for lost in losses(self.picture, job.format)]
        self.more: list[Picture] = []  # frames of an animation
        if self.picture.frames > 1 and {job.format, self.picture.format} <= set(ANIMATED):
            self.picture, *self.more = read_animation(job.source, options.max_megapixels)
        elif self.picture.frames > 1:
            self.notes.insert(0, f"the first of {self.picture.frames} images in the file")
        self.seconds = time.monotonic() - start

    def upscale(
        self,
        engine: Engine,
        float_engine: Callable[[], Engine] | None,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        start = time.monotonic()
        if float_engine and self.picture.pixels.dtype == np.uint16 and engine.dtype == np.uint8:
            engine = float_engine()
            self.notes.append("16 bits: upscaled in floating point")
        frames = []
        for number, picture in enumerate([self.picture, *self.more], 1):
            pixels, alpha = upscale_with(
                engine,
                picture.pixels,
                picture.alpha,
                self.options.tile,
                self.options.self_ensemble,
                None if self.more else progress,
                canvas_for(self.job.format, picture.pixels.dtype),
            )
            frames.append(replace(picture, pixels=pixels, alpha=alpha))
            if self.more and progress:
                progress(number, len(self.more) + 1)
        self.picture, *self.more = frames
        self.seconds += time.monotonic() - start

    def write(self) -> list[str]:
        start = time.monotonic()
        write_picture(
            self.picture, self.job.target, self.job.format, self.options.quality, self.more
        )
        self.seconds += time.monotonic() - start
        height, width = self.picture.pixels.shape[:2]
        sizes = "{}x{} -> {}x{}".format(*self.size, width, height)
        if self.more:
            sizes += f"  {len(self.more) + 1} frames"
        done = f"{self.job.source} -> {self.job.target}  {sizes}  {self.seconds:.1f} s"
        return [done, *(f"  note: {note}" for note in self.notes)]


def _read_ahead(
    reader: ThreadPoolExecutor, jobs: list[Job], options: UpscaleOptions
) -> Iterator[tuple[Job, Future[_Work]]]:
    """Each job with its picture, while the next one is being read."""
    begun: deque[tuple[Job, Future[_Work]]] = deque()
    for job in jobs:
        begun.append((job, reader.submit(_Work, job, options)))
        if len(begun) > 1:
            yield begun.popleft()
    yield from begun


def _settled(
    begun: deque[tuple[Job, Future[list[str]]]], keep: int
) -> Iterator[tuple[Job, list[str] | BaseException]]:
    """What became of the jobs that were begun first, all but `keep` of them."""
    while len(begun) > keep:
        job, writing = begun.popleft()
        yield job, writing.exception() or writing.result()
