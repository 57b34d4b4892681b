"""What the header of a video file says."""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .colours import Colours
from .reading import decoded, opened, video_track

if TYPE_CHECKING:
    from av.video.stream import VideoStream

SUFFIXES = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".mpg"}
SUFFIXES |= {".mpeg", ".vob", ".wmv", ".flv", ".3gp", ".ogv", ".mxf"}
_FASTEST = 1000  # frames a second; headers that name more mean ticks
_PROGRESSIVE = (0, 1)  # unknown counts as such


@dataclass(frozen=True)
class Clip:
    """What a video file says of its first track of video.

    Attributes:
        path: The file.
        width, height: Of a stored frame, before any rotation.
        bits: Of what its frames are read as: 16 where samples have more than 8.
        colours: What the samples mean.
        rate: Frames a second in the mean.
        count: Frames, or about as many where the header gives the duration; 0 where it does not.
        seconds: Duration that the header gives for the track; 0 where it gives none.
        time_base: Seconds of a tick, in which times are counted.
        start: Ticks of the file's clock at time 0: 0 unless it runs free (MPEG).
        aspect: Width of a pixel by its height.
        display_matrix: How players turn the frames, 9 numbers of a container; None for not at all.
        has_alpha: Frames have transparency, which is not read.
    """

    path: Path
    width: int
    height: int
    bits: int
    colours: Colours
    rate: Fraction
    count: int
    seconds: float
    time_base: Fraction
    start: int
    aspect: Fraction
    display_matrix: tuple[int, ...] | None
    has_alpha: bool


def is_video(path: Path) -> bool:
    """Whether the name of a file is that of a video."""
    return path.suffix.lower() in SUFFIXES


def video_suffixes() -> set[str]:
    """Suffixes of the videos that can be read here, in lower case: none without PyAV."""
    return SUFFIXES if importlib.util.find_spec("av") else set()


def open_clip(path: str | os.PathLike) -> Clip:
    """What the header and the first frame of a video file say.

    Raises:
        InputError: The file is missing, damaged, no video, encrypted, interlaced, HDR (PQ or
            HLG) or of unknown colours; or PyAV is missing.
    """
    with opened(path) as container:
        stream = video_track(container, path)
        context = stream.codec_context
        if context.field_order not in _PROGRESSIVE:
            raise interlaced(path)
        packet = next((packet for packet in container.demux(stream) if packet.size), None)
        if packet is not None and packet.has_sidedata("encryption_info"):
            raise InputError(f"{path}: is encrypted (DRM) and cannot be read.")
    with opened(path) as container:
        stream = video_track(container, path)
        frame = next(decoded(container, stream, lambda seconds, reason: None), None)
        if frame is None:
            raise InputError(f"{path}: no frame of it can be decoded.")
        if frame.interlaced_frame:
            raise interlaced(path)
        try:
            colours = Colours.of(stream.codec_context, frame)
        except InputError as error:
            raise InputError(f"{path}: {error}.") from None
        rates = stream.average_rate, stream.guessed_rate, stream.base_rate
        rate = next((rate for rate in rates if rate and rate <= _FASTEST), Fraction(25))
        seconds = _seconds(stream)
        free_clock = container.format.name in ("mpegts", "mpeg")
        begin = Fraction(container.start_time or 0, 10**6) if free_clock else 0
        turn = frame.side_data.get("DISPLAYMATRIX")
        samples = [component.bits for component in frame.format.components]
        return Clip(
            path=Path(path),
            width=frame.width,
            height=frame.height,
            bits=8 if max(samples) <= 8 else 16,
            colours=colours,
            rate=rate,
            count=stream.frames or round((seconds or (container.duration or 0) / 1e6) * rate),
            seconds=seconds,
            time_base=stream.time_base,
            start=round(begin / stream.time_base),
            aspect=stream.sample_aspect_ratio or Fraction(1),
            display_matrix=tuple(np.frombuffer(bytes(turn), np.int32).tolist()) if turn else None,
            has_alpha=len(samples) in (2, 4),
        )


def _seconds(stream: VideoStream) -> float:
    """Of the track, as its header says, or a Matroska file's tag such as "00:01:02.345"."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    try:
        hours, minutes, seconds = stream.metadata.get("DURATION", "").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return 0


def interlaced(path: str | os.PathLike) -> InputError:
    """The error for interlaced video."""
    return InputError(
        f"{path}: is interlaced: deinterlace it first, e.g. ffmpeg -i {Path(path).name} -vf bwdif "
        "-crf 12 progressive.mkv."
    )
