"""Videos for tests, made of a photograph that moves."""

from fractions import Fraction

import av
import numpy as np
from PIL import Image
from skimage import data

TICK = Fraction(1, 90000)
SRT = "1\n00:00:00,100 --> 00:00:01,000\nHello\n\n2\n00:00:01,200 --> 00:00:01,900\nWorld\n"
CHAPTERS = [
    {
        "id": number,
        "start": start,
        "end": start + 1000,
        "time_base": Fraction(1, 1000),
        "metadata": {"title": title},
    }
    for number, (start, title) in enumerate([(0, "One"), (1000, "Two")], 1)
]


def scene(number, width, height):
    """The picture at one moment, RGB uint8: a window that wanders over a photograph."""
    photograph = Image.fromarray(data.astronaut()).resize((2 * width, 2 * height), Image.LANCZOS)
    x = round(width * (0.5 + 0.45 * np.sin(number / 20)))
    y = round(height * (0.5 + 0.45 * np.cos(number / 33)))
    return np.asarray(photograph.crop((x, y, x + width, y + height)))


def uneven(count, seed=0):
    """Times of frames in `TICK`s, 15 to 60 a second."""
    gaps = np.random.default_rng(seed).integers(1500, 6000, count)
    return [0, *np.cumsum(gaps[1:]).tolist()]


def make_clip(
    path,
    times=range(0, 48 * 3750, 3750),
    size=(96, 54),
    codec="libx264",
    samples="yuv420p",
    picture=scene,
    options=None,
    container_options=None,
    sounds=(),
    subtitles=False,
    chapters=False,
    title="",
    matrix=None,
    timecode="",
    **attributes,
):
    """Write a video whose frames are shown at `times`, in `TICK`s.

    Args:
        picture: Called with the number of the frame, width and height.
        options, container_options: Of encoder and container.
        sounds: Languages of tracks of sound: tones of different pitch.
        matrix: What turns the picture round, as of a phone.
        attributes: Of the encoder, such as `color_trc`.
    """
    rate = Fraction(round(len(times) / (times[-1] * TICK + Fraction(1, 24)) * 1000), 1000)
    with av.open(str(path), "w", container_options=container_options or {}) as container:
        video = container.add_stream(codec, rate, options or {})
        video.width, video.height = size
        video.pix_fmt = samples
        video.codec_context.time_base = TICK
        for name, value in attributes.items():
            setattr(video.codec_context, name, value)
        if matrix:
            video.set_display_matrix(matrix)
        if timecode:
            container.metadata["timecode"] = timecode
        if title:
            container.metadata["title"] = title
        if chapters:
            container.set_chapters(CHAPTERS)
        tracks = []
        for language in sounds:
            tracks.append(container.add_stream("aac", 48000, layout="stereo"))
            tracks[-1].metadata["language"] = language
        text = None
        if subtitles:
            text = av.open(str(subtitles))
            copy = container.add_stream_from_template(text.streams[0], opaque=True)
            copy.metadata["language"] = "nld"
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), "rgb24")
            frame = frame.reformat(format=samples)
            frame.pts, frame.time_base = time, TICK
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for number, track in enumerate(tracks):
            length = int(float(times[-1] * TICK) * 48000)
            wave = 8000 * np.sin(np.arange(length) * 2 * np.pi * 440 * (number + 1) / 48000)
            for start in range(0, length, 1024):
                block = wave[start : start + 1024].astype(np.int16).repeat(2)[None]
                sound = av.AudioFrame.from_ndarray(block, "s16", "stereo")
                sound.sample_rate, sound.pts, sound.time_base = 48000, start, Fraction(1, 48000)
                container.mux(track.encode(sound))
            container.mux(track.encode(None))
        if text:
            for packet in text.demux():
                if packet.size:
                    packet.stream = copy
                    container.mux(packet)
    return path


def packets(path):
    """Of each track by its number: times of presentation in seconds, and contents, in order."""
    found = {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.size:
                seconds = packet.pts * packet.time_base
                found.setdefault(packet.stream.index, []).append((seconds, bytes(packet)))
    return found


def shown(path):
    """Times in seconds, and planes as FFmpeg has decoded them, of all frames."""
    with av.open(str(path)) as container:
        return [(frame.pts * frame.time_base, frame) for frame in container.decode(video=0)]


def luma(frame):
    """The first plane, `(height, width)`, as it is stored."""
    plane = frame.planes[0]
    kind = np.uint16 if frame.format.components[0].bits > 8 else np.uint8
    rows = np.frombuffer(plane, kind).reshape(plane.height, -1)
    return rows[:, : plane.width]
