"""The frames of a video as RGB, at their times."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import InputError
from .clip import Clip, interlaced
from .reading import decoded, opened, video_track

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_MOST_WITHOUT = 16  # frames without a time before the first that has one
Tell = Callable[[float, str], None]


class Frame(NamedTuple):
    """A frame and when it is shown.

    Attributes:
        time: In ticks of the clip's `time_base`.
        pixels: RGB `(height, width, 3)`, uint8 or uint16.
    """

    time: int
    pixels: np.ndarray


def frames(clip: Clip, report: Tell, begin: int | None = None) -> Iterator[Frame]:
    """The frames in the order in which they are shown, as RGB.

    Times are those of the file; one that cannot be right is replaced by one after that of the
    frame before. What cannot be decoded is left out, so that the frame before it is shown for
    longer.

    Args:
        report: Called with seconds and a reason for each place where the file is damaged.
        begin: Ticks; frames before that are decoded, but left out.

    Raises:
        InputError: Frames change their size, are interlaced after all, or jump back in time.
    """
    kind = graph = None
    seconds = 0.0
    with opened(clip.path) as container:
        stream = video_track(container, clip.path)
        stream.thread_type = "AUTO"

        def tell(seconds: float, reason: str) -> None:
            if begin is None or seconds >= begin * clip.time_base:
                report(seconds, reason)

        times = _times(clip, decoded(container, stream, tell), container.format.name == "avi")
        for time, frame in _in_order(clip, times, tell):
            seconds = float(time * clip.time_base)
            if frame.is_corrupt:
                tell(seconds, "damaged, concealed by the decoder")
            if frame.interlaced_frame:
                raise interlaced(clip.path)
            if kind not in (None, (frame.width, frame.height, frame.format.name)):
                raise InputError(
                    f"{clip.path}: frames change their size at {clock(seconds)}: cut it there."
                )
            if begin is not None and time < begin:
                continue
            if graph is None:
                kind = frame.width, frame.height, frame.format.name
                rgb = "rgb24" if clip.bits == 8 else "rgb48"
                graph = clip.colours.to_rgb(frame, rgb, clip.time_base)
            graph.vpush(frame)
            yield Frame(time, graph.vpull().to_ndarray())
        if seconds < clip.seconds - 1:
            tell(seconds, f"the video ends, although its header says {clock(clip.seconds)}")


def _times(
    clip: Clip, decoded_frames: Iterable[VideoFrame], by_decoding: bool
) -> Iterator[tuple[int | None, VideoFrame]]:
    """When the file says that each frame is shown; AVI only knows when they are decoded.

    The first frames may have no times, as in files that were cut: theirs follow from the first
    time that there is.
    """
    first: list[VideoFrame] = []
    found = False
    for frame in decoded_frames:
        time = frame.dts if by_decoding else frame.pts
        found = found or time is not None or len(first) == _MOST_WITHOUT
        if not found:
            first.append(frame)
            continue
        for number, early in enumerate(first):
            lead = (len(first) - number) * _usual(clip)
            yield (None if time is None else time - clip.start - lead), early
        first = []
        yield (None if time is None else time - clip.start), frame
    yield from ((None, frame) for frame in first)


def _usual(clip: Clip) -> int:
    """Ticks of a frame in the mean."""
    return max(1, round(1 / clip.rate / clip.time_base))


def _in_order(
    clip: Clip, frames: Iterable[tuple[int | None, VideoFrame]], tell: Tell
) -> Iterator[tuple[int, VideoFrame]]:
    """Frames with times that increase, in ticks.

    A time that is not after that of the frame before, or not before a next one that is, gives way
    to one between them. So does a missing one.
    """
    last: int | None = None
    behind = 0
    end: list[tuple[int | None, Any]] = [(None, None)]
    for (given, frame), (following, _) in itertools.pairwise(itertools.chain(frames, end)):
        duration = frame.duration or _usual(clip)
        limit = following
        if limit is not None and last is not None and limit <= last:
            limit = None
        if (
            given is not None
            and (last is None or given > last)
            and (limit is None or given <= limit)
        ):
            time, behind = given, 0
        else:
            if given is not None and last is not None:
                jump = float((last - given) * clip.time_base)
                behind = behind + 1 if jump > 1 else 0
                if behind > 1:
                    where = clock(float(last * clip.time_base))
                    raise InputError(
                        f"{clip.path}: time jumps back by {jump:.0f} s at {where}: cut it there."
                    )
            time = duration + (last if last is not None else -duration)
            if limit is not None:
                time = limit - duration if last is None else min(time, limit - 1)
            if last is not None and time <= last:
                tell(float(last * clip.time_base), "left out a frame for which there is no time")
                continue
            if given is not None:
                tell(float(time * clip.time_base), "replaced a time that cannot be right")
        last = time
        yield time, frame


def clock(seconds: float) -> str:
    """E.g. "1:02:03.4"."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{seconds:04.1f}" if hours else f"{minutes}:{seconds:04.1f}"
