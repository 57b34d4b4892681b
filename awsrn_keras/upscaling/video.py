"""Video files in, video files out, in segments so that an interrupted run can go on."""

import functools
import itertools
import math
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..files import remove_unfinished, replacing
from ..videos import CODECS, Clip, Encoder, Frame, check_tracks, frames, join, open_clip
from .engine import Engine
from .files import check_target
from .frames import upscale_frames
from .jobs import Job
from .segments import Segments

SEGMENT = 10  # seconds


@dataclass(frozen=True)
class VideoOptions:
    """How videos are upscaled.

    Attributes:
        model: What upscales them, in words: an interrupted run goes on with the same only.
        codec: A key of `CODECS`; None is "h264", or "hevc" for clips of more than 8 bits.
        crf: Constant rate factor of the encoder, 0 to 51; None is that of `CODECS`.
        tile, self_ensemble: As of `upscale`.
        overwrite: Replace results that are there already.
        resume: Go on where an interrupted run stopped.
        max_megapixels: Videos of larger frames are refused.

    Raises:
        InputError: The constant rate factor is out of range.
    """

    model: str
    codec: str | None = None
    crf: float | None = None
    tile: int | None = None
    self_ensemble: bool = False
    overwrite: bool = False
    resume: bool = False
    max_megapixels: float = 100

    def __post_init__(self) -> None:
        if self.crf is not None and not 0 <= self.crf <= 51:
            raise InputError(f"The constant rate factor must be 0 to 51, got {self.crf:g}.")

    def encoder(self, clip: Clip, scale: int) -> Encoder:
        """For the result of a clip. H.264 gets 8 bits, which is what plays everywhere."""
        codec = self.codec or ("h264" if clip.bits == 8 else "hevc")
        return Encoder(
            codec=codec,
            crf=CODECS[codec] if self.crf is None else self.crf,
            bits=10 if clip.bits > 8 and codec == "hevc" else 8,
            width=clip.width * scale // 2 * 2,
            height=clip.height * scale // 2 * 2,
            colours=clip.colours,
            rate=clip.rate,
            time_base=clip.time_base,
            aspect=clip.aspect,
        )


def check_video(job: Job, scale: int, how: VideoOptions) -> None:
    """Find out in a moment what would make `upscale_video` fail after its work.

    Raises:
        InputError: As `upscale_video`; or an interrupted run has left segments, and `how` does
            not say what to do with them.
    """
    parts = _parts(job)
    check_target(job, how.overwrite or (how.resume and parts.exists()))
    clip = open_clip(job.source)
    if clip.width * clip.height > how.max_megapixels * 1e6:
        raise InputError(
            f"{job.source}: has frames of {clip.width} x {clip.height} pixels, more than the limit "
            f"of {how.max_megapixels:g} megapixels. Allow more with --max-megapixels."
        )
    check_tracks(clip, job.target)
    encoder = how.encoder(clip, scale)
    encoder.check()
    if not parts.exists():
        return
    segments = Segments.read(parts)
    if how.resume:
        segments.check(_options(job, encoder, how))
    elif segments.files() and not how.overwrite:
        raise InputError(
            f"{parts}: left by an interrupted run: --resume goes on with it, --overwrite begins "
            "anew."
        )


def upscale_video(
    job: Job,
    engine: Engine,
    how: VideoOptions,
    float_engine: Callable[[], Engine] | None = None,
    progress: Callable[[Job, int, int], None] | None = None,
) -> list[str]:
    """Upscale a video that passed `check_video`.

    Frames are decoded, upscaled and encoded at the same time. Every ten seconds of the video
    become a file in the folder `TARGET.parts`, which is removed at the end. The result is the
    same to the bit however often the work is interrupted.

    Args:
        engine: What upscales frames.
        float_engine: Gives the engine for frames of more than 8 bits where `engine` takes 8.
        progress: Called with the job, the frames done and how many there are to do, about.

    Returns:
        Lines to print about it.

    Raises:
        InputError: The video cannot be read, its tracks do not fit into the result's format, or
            its frames change their size; or the interrupted run had other options.
    """
    begun = time.monotonic()
    clip = open_clip(job.source)
    lost = [f"not kept: {what}" for what in check_tracks(clip, job.target)]
    encoder = how.encoder(clip, engine.scale)
    if clip.bits > 8 and encoder.bits == 8:
        lost.append("not kept: more than 8 bits; --codec hevc keeps 10")
        clip = replace(clip, bits=8)
    elif clip.bits > 8 and float_engine and engine.dtype == np.uint8:
        lost.append("more than 8 bits: upscaled in floating point")
        engine = float_engine()
    if (encoder.width, encoder.height) != (clip.width * engine.scale, clip.height * engine.scale):
        lost.append("not kept: the last row or column, as videos have even sizes")
    parts = _parts(job)
    segments = _begin(parts, _options(job, encoder, how), how)
    first = segments.next_number()
    begin = math.ceil(first * SEGMENT / clip.time_base) if first else None
    rest = clip.count - round(first * SEGMENT * clip.rate)
    count = 0

    def upscaled() -> Iterator[Frame]:
        nonlocal count
        for frame in _upscaled(frames(clip, segments.note, begin), engine, how):
            yield frame
            count += 1
            if progress:
                progress(job, count, max(rest, count))

    try:
        for number, segment in itertools.groupby(upscaled(), lambda frame: _segment(clip, frame)):
            segments.write(number, functools.partial(encoder.write, frames=segment))
        remove_unfinished(job.target)
        with replacing(job.target) as temporary:
            damaged = join(clip, segments.files(), job.target, temporary)
    except BaseException as error:
        if isinstance(error, InputError) or not segments.files():
            shutil.rmtree(parts)  # nothing in it is of use
        raise
    shutil.rmtree(parts)
    seconds = time.monotonic() - begun
    sizes = f"{clip.width}x{clip.height} -> {encoder.width}x{encoder.height}"
    speed = f"{count} frame{'s' * (count != 1)}  {seconds:.1f} s ({count / seconds:.1f} frames/s)"
    notes = [*lost, *segments.notes, *damaged]
    return [f"{job.source} -> {job.target}  {sizes}  {speed}", *(f"  note: {x}" for x in notes)]


def upscale_videos(
    jobs: list[Job],
    engine: Engine,
    how: VideoOptions,
    float_engine: Callable[[], Engine] | None = None,
    progress: Callable[[Job, int, int], None] | None = None,
) -> Iterator[tuple[Job, list[str] | BaseException]]:
    """Upscale videos that passed `check_video`, one after the other; see `upscale_video`.

    Yields:
        Each job with lines to print about it, or with what went wrong.
    """
    for job in jobs:
        try:
            yield job, upscale_video(job, engine, how, float_engine, progress)
        except Exception as error:
            yield job, error


def is_interrupted(job: Job) -> bool:
    """Whether a run has left segments of the result."""
    return _parts(job).is_dir()


def _upscaled(clip_frames: Iterator[Frame], engine: Engine, how: VideoOptions) -> Iterator[Frame]:
    times: deque[Frame] = deque()

    def pictures() -> Iterator[np.ndarray]:
        for frame in clip_frames:
            times.append(frame)
            yield frame.pixels

    for pixels in upscale_frames(pictures(), engine, how.tile, how.self_ensemble):
        yield times.popleft()._replace(pixels=pixels)


def _segment(clip: Clip, frame: Frame) -> int:
    return max(0, frame.time * clip.time_base // SEGMENT)


def _parts(job: Job) -> Path:
    return job.target.with_name(job.target.name + ".parts")


def _begin(parts: Path, options: dict[str, object], how: VideoOptions) -> Segments:
    """The segments that an earlier run has made if that is to go on, else none."""
    if parts.exists():
        segments = Segments.read(parts)
        if how.resume:
            segments.check(options)
            return segments
        shutil.rmtree(parts)
    return Segments.create(parts, options)


def _options(job: Job, encoder: Encoder, how: VideoOptions) -> dict[str, object]:
    """What must be the same when an interrupted run goes on."""
    import av

    from .. import __version__

    status = job.source.stat()
    return {
        "clip": f"of {status.st_size} bytes, changed at {status.st_mtime_ns} ns",
        "model": how.model,
        "size": f"{encoder.width}x{encoder.height}",
        "--codec": encoder.codec,
        "--crf": encoder.crf,
        "--self-ensemble": how.self_ensemble,
        "version": f"awsrn-keras {__version__}, PyAV {av.__version__}",
    }
