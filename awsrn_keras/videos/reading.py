"""Opening a video file and decoding its track of video."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


def opened(path: str | os.PathLike) -> InputContainer:
    """The file, open for reading.

    Raises:
        InputError: It is missing or no video, or PyAV is missing.
    """
    try:
        import av
    except ImportError as error:
        raise InputError(f"{path}: videos need PyAV ({error}): pip install av.") from None
    try:
        return av.open(os.fspath(path), metadata_errors="replace")
    except (av.error.FileNotFoundError, av.error.PermissionError) as error:
        raise InputError(f"{path}: {error.strerror}.") from None
    except av.error.FFmpegError:
        raise InputError(f"{path}: damaged or not a video.") from None


def video_track(container: InputContainer, path: str | os.PathLike) -> VideoStream:
    """The first track of video that is no cover picture.

    Raises:
        InputError: There is none.
    """
    for stream in container.streams.video:
        if not is_cover(stream):
            return stream
    raise InputError(f"{path}: holds no video.")


def is_cover(stream: Stream) -> bool:
    """Whether a track is a cover picture."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def decoded(
    container: InputContainer, stream: VideoStream, report: Callable[[float, str], None]
) -> Iterator[VideoFrame]:
    """Frames of one of its tracks, in the order in which they are shown.

    Args:
        report: Called with seconds and a reason for what cannot be decoded.
    """
    from av.error import FFmpegError

    seconds, packets = 0.0, container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except FFmpegError as error:
            report(seconds, f"damaged, nothing after this can be read ({error.strerror})")
            return
        if packet.pts is not None:
            seconds = float(packet.pts * stream.time_base)
        try:
            yield from packet.decode()
        except FFmpegError as error:
            report(seconds, f"damaged ({error.strerror})")
