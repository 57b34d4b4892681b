"""Putting the pieces of a video together, with all other tracks of the file it was made from."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .clip import Clip
from .reading import opened, video_track

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream

# Of results: what FFmpeg calls their containers.
CONTAINERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
_COPIED = ("audio", "subtitle", "attachment", "video")
# Of these the result has its own.
_OF_THE_FILE = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration"}


def check_tracks(clip: Clip, path: Path) -> list[str]:
    """What of a clip is not kept in a file of this name, in words.

    Raises:
        InputError: A track of sound or subtitles cannot be put into it.
    """
    import av

    kind = CONTAINERS[path.suffix.lower()]
    with opened(clip.path) as source, av.open(os.devnull, "w", kind) as target:
        for stream in _others(source, clip):
            try:
                target.add_stream_from_template(stream, opaque=True)
            except ValueError:  # as PyAV says it
                name = stream.codec_context.name if stream.codec_context else "of unknown codec"
                raise InputError(
                    f"{path}: {path.suffix} cannot hold a track of the clip ({stream.type}, "
                    f"{name}): name the result .mkv."
                ) from None
        # Chapters also lie in a track of texts, which the result gets anew.
        own = {"bin_data"} if source.chapters() else set()
        data = sum(s.type == "data" and s.name not in own for s in source.streams)
    lost = [f"{data} data track{'s' * (data > 1)}"] if data else []
    return [*lost, *["transparency"] * clip.has_alpha]


def join(clip: Clip, pieces: list[Path], path: Path, temporary: Path) -> None:
    """Join what `Encoder.write` has written, and copy sound, subtitles, chapters and tags.

    The pieces' decode times begin anew in each, and may be later than what follows them where
    the frame rate varies. So they are made afresh: those of presentation, in order, and late by as
    many frames as the most that any packet is moved forward in the order of decoding.

    Args:
        clip: What all else is copied from.
        pieces: In order.
        path: Name of the result, which says what container it is.
        temporary: The file to write.
    """
    import av

    kind = CONTAINERS[path.suffix.lower()]
    with opened(clip.path) as source, opened(pieces[0]) as first:
        options = _options(kind, clip, source)
        with av.open(os.fspath(temporary), "w", kind, container_options=options) as target:
            target.metadata.update(_tags(source))
            target.set_chapters(source.chapters())
            encoded, original = first.streams.video[0], video_track(source, clip.path)
            track = target.add_stream_from_template(encoded, opaque=True)
            track.time_base = clip.time_base
            track.set_display_matrix(clip.display_matrix)
            if encoded.codec_context.name == "hevc" and kind != "matroska":
                track.codec_tag = "hvc1"  # Apple's players take no other
            tracks = {
                stream: target.add_stream_from_template(stream, opaque=True)
                for stream in _others(source, clip)
            }
            for stream, copy in [(original, track), *tracks.items()]:
                copy.metadata.update(_tags(stream))
                copy.disposition = stream.disposition
            copied = _copied(clip, source, tracks)
            for packet in heapq.merge(_retimed(clip, pieces, track), copied, key=_seconds):
                target.mux_one(packet)


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


def _others(source: InputContainer, clip: Clip) -> Iterator[Stream]:
    """The tracks that are copied."""
    video = video_track(source, clip.path)
    for stream in source.streams:
        if stream.type in _COPIED and stream.index != video.index:
            yield stream


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
        if packet.dts is None:
            packet.dts = packet.pts
        start = round(clip.start * clip.time_base / packet.time_base)
        if packet.pts is not None:
            packet.pts -= start
        if packet.dts is not None:
            packet.dts -= start
        packet.stream = tracks[packet.stream]
        yield packet


def _seconds(packet: Packet) -> Fraction:
    return (packet.dts or 0) * packet.time_base
