"""Putting the pieces of a video together, with all other tracks of the file it was made from."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .clip import Clip
from .decoding import clock
from .reading import is_cover, opened, video_track

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.stream import Stream

# Of results: what FFmpeg calls their containers.
CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
_COPIED = ("audio", "subtitle", "attachment", "video")
_TRIED = 200  # packets
# Of these the result has its own.
_OF_THE_FILE = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}


def check_tracks(clip: Clip, path: Path) -> list[str]:
    """What of a clip is not kept in a file of this name, in words.

    Raises:
        InputError: A track of sound or subtitles cannot be put into it.
    """
    import av

    kind = CONTAINERS[path.suffix.lower()]
    with opened(clip.path) as source:
        target = av.open(os.devnull, "w", kind)
        try:
            tracks = _add_others(source, target, clip, kind)
            if tracks:
                target.start_encoding()
                begin = itertools.islice(_copied(clip, source, tracks), _TRIED)
                for packet in begin:
                    with contextlib.suppress(*_damage()):
                        target.mux_one(packet)
            target.close()
        except (ValueError, av.error.FFmpegError):
            codecs = {
                f"{stream.type} {stream.codec_context.name if stream.codec_context else ''}".strip()
                for stream in source.streams
                if stream.type in _COPIED and stream is not video_track(source, clip.path)
            }
            raise InputError(
                f"{path}: {path.suffix} cannot hold one of the tracks of {clip.path} "
                f"({', '.join(sorted(codecs))}): name the result .mkv."
            ) from None
        # Chapters and time codes also lie in tracks of data, which the result gets anew.
        own = {"bin_data"} if source.chapters() else set()
        data = sum(
            s.type == "data" and s.name not in own and "timecode" not in s.metadata
            for s in source.streams
        )
    lost = [f"{data} data track{'s' * (data > 1)}"] if data else []
    return [*lost, *["transparency"] * clip.has_alpha]


def join(clip: Clip, pieces: list[Path], path: Path, temporary: Path) -> list[str]:
    """Join what `Encoder.write` has written, and copy sound, subtitles, chapters and tags.

    The pieces' decode times begin anew in each, and may be later than what follows them where
    the frame rate varies. So they are made afresh: those of presentation, in order, and late by as
    many frames as the most that any packet is moved forward in the order of decoding.

    Args:
        clip: What all else is copied from.
        pieces: In order.
        path: Name of the result, which says what container it is.
        temporary: The file to write.

    Returns:
        What of the other tracks was too damaged to copy, in words.
    """
    import av

    kind = CONTAINERS[path.suffix.lower()]
    lost: dict[str, list[float]] = {}
    with opened(clip.path) as source, opened(pieces[0]) as first:
        options = _options(kind, clip, source)
        with av.open(os.fspath(temporary), "w", kind, container_options=options) as target:
            target.metadata.update(_tags(source))
            target.set_chapters(source.chapters())
            encoded, original = first.streams.video[0], video_track(source, clip.path)
            track = target.add_stream_from_template(encoded, opaque=True)
            track.time_base = clip.time_base
            track.rate = clip.rate.limit_denominator(1001)  # players show it, nothing follows it
            track.set_display_matrix(clip.display_matrix)
            if encoded.codec_context.name == "hevc" and kind != "matroska":
                track.codec_tag = "hvc1"  # Apple's players take no other
            track.metadata.update(_tags(original))
            track.disposition = original.disposition
            tracks = _add_others(source, target, clip, kind)
            target.start_encoding()
            copied = _copied(clip, source, tracks)
            for packet in heapq.merge(_retimed(clip, pieces, track), copied, key=_seconds):
                kind_of_track, seconds = packet.stream.type, float(_seconds(packet))
                try:
                    target.mux_one(packet)
                except _damage():
                    if packet.stream is track:
                        raise
                    lost.setdefault(kind_of_track, []).append(seconds)
    return [
        f"{clock(at[0])}: damaged {kind} left out ({len(at)} packets in all)"
        for kind, at in lost.items()
    ]


def _damage() -> tuple[type[Exception], ...]:
    """What a container raises for packets that it cannot take."""
    from av.error import ArgumentError, InvalidDataError

    return ArgumentError, InvalidDataError


def _add_others(
    source: InputContainer, target: OutputContainer, clip: Clip, kind: str
) -> dict[Stream, Stream]:
    """Tracks of `target` for those of `source` that are copied."""
    tracks = {}
    video = video_track(source, clip.path)
    for stream in source.streams:
        if stream.type not in _COPIED or stream.index == video.index:
            continue
        if kind == "matroska" and is_cover(stream):
            picture = next(bytes(packet) for packet in source.demux(stream) if packet.size)
            source.seek(0)
            suffix = "png" if stream.codec_context.name == "png" else "jpeg"
            target.add_attachment(f"cover.{suffix}", f"image/{suffix}", picture)
            continue
        tracks[stream] = copy = target.add_stream_from_template(stream, opaque=True)
        copy.metadata.update(_tags(stream))
        copy.disposition = stream.disposition
    return tracks


def _options(kind: str, clip: Clip, source: InputContainer) -> dict[str, str]:
    """What the container is told: the same file for the same input, at exact times."""
    options = {"fflags": "+bitexact"}
    if kind != "matroska":
        # Phones use keys of the kind com.apple.quicktime.make.
        more = "+use_metadata_tags" if any("." in key for key in source.metadata) else ""
        options["movflags"] = "+faststart" + more
        options["movie_timescale"] = str(max(1000, clip.time_base.denominator))
    return options


def _tags(holder: InputContainer | Stream) -> dict[str, str]:
    return {key: text for key, text in holder.metadata.items() if key.lower() not in _OF_THE_FILE}


def _packets(clip: Clip, pieces: list[Path]) -> Iterator[Packet]:
    """Those of the video, with times in ticks of the clip."""
    for piece in pieces:
        with opened(piece) as container:
            for packet in container.demux(video=0):
                if packet.size:
                    packet.pts = int(packet.pts * packet.time_base / clip.time_base)
                    packet.time_base = clip.time_base
                    yield packet


def _retimed(clip: Clip, pieces: list[Path], track: Stream) -> Iterator[Packet]:
    """The packets of the video with decode times that suit the whole."""
    decoded = [packet.pts for packet in _packets(clip, pieces)]
    shown = sorted(decoded)
    rank = {time: number for number, time in enumerate(shown)}
    delay = max(number - rank[time] for number, time in enumerate(decoded))
    early = shown[delay] - shown[0]
    mean = round(1 / clip.rate / clip.time_base)
    for number, packet in enumerate(_packets(clip, pieces)):
        packet.dts = shown[number - delay] if number >= delay else shown[number] - early
        place = min(rank[packet.pts], len(shown) - 2)  # the last is shown as long as that before
        packet.duration = shown[place + 1] - shown[place] if place >= 0 else mean
        packet.stream = track
        yield packet


def _copied(clip: Clip, source: InputContainer, tracks: dict[Stream, Stream]) -> Iterator[Packet]:
    """The packets of the other tracks."""
    if not tracks:
        return
    for packet in source.demux(list(tracks)):
        if not packet.size:  # ends a track
            continue
        if packet.dts is None and packet.stream.type != "video":
            packet.dts = packet.pts
        start = round(clip.start * clip.time_base / packet.time_base)
        if packet.pts is not None:
            packet.pts -= start
        if packet.dts is not None:
            packet.dts -= start
        packet.stream = tracks[packet.stream]
        yield packet


def _seconds(packet: Packet) -> Fraction:
    time = packet.pts if packet.dts is None else packet.dts
    return (time or 0) * packet.time_base
