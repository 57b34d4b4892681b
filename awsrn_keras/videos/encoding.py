"""Encoding pieces of a video, each by an encoder of its own, so that they can be joined."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .colours import Colours
from .decoding import Frame

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

# With the constant rate factor whose result can hardly be told from what was encoded.
CODECS = {"h264": 18, "hevc": 20}


def _libraries() -> dict[str, tuple[str, dict[str, str]]]:
    """The encoder of each codec, and options with which the same frames give the same bytes.

    What comes out depends on the number of threads, so that is not the machine's. x264's
    AVX-512 code for macroblock trees gives other bytes each time at some widths, such as 96.
    """
    x264 = {"threads": "4"}
    with contextlib.suppress(OSError):
        if "avx512" in Path("/proc/cpuinfo").read_text():
            x264["x264-params"] = "asm=avx2"
    x265 = {"x265-params": "pools=4:frame-threads=2:open-gop=0:log-level=error"}
    return {"h264": ("libx264", x264), "hevc": ("libx265", x265)}


@dataclass(frozen=True)
class Encoder:
    """How the frames of a video are encoded.

    Attributes:
        codec: "h264" or "hevc".
        crf: Constant rate factor, 0 (lossless or nearly so) to 51; 6 less doubles the size.
        bits: Of a sample: 8 or 10.
        width, height: Of a frame, even; what frames have beyond that is left out.
        colours: What the samples mean, and their tags.
        rate: Frames a second in the mean.
        time_base: Seconds of a tick.
        aspect: Width of a pixel by its height.
    """

    codec: str
    crf: float
    bits: int
    width: int
    height: int
    colours: Colours
    rate: Fraction
    time_base: Fraction
    aspect: Fraction

    def check(self) -> None:
        """Raise an `InputError` if the encoder takes no frames of this size."""
        self._open(os.devnull)[0].close()

    def write(self, path: str | os.PathLike, frames: Iterable[Frame]) -> None:
        """Encode frames into a NUT file, which keeps times exactly; it begins with a key frame."""
        import av

        container, stream = self._open(path)
        rgb = av.VideoFormat("rgb24" if self.bits == 8 else "rgb48le")
        graph = self.colours.from_rgb(rgb, self.width, self.height, stream.pix_fmt, self.time_base)
        with container:
            for frame in frames:
                pixels = np.ascontiguousarray(frame.pixels[: self.height, : self.width])
                picture = av.VideoFrame.from_ndarray(pixels, rgb.name)
                picture.pts, picture.time_base = frame.time, self.time_base
                graph.vpush(picture)
                container.mux(stream.encode(graph.vpull()))
            container.mux(stream.encode(None))

    def _open(self, path: str | os.PathLike) -> tuple[OutputContainer, VideoStream]:
        import av

        library, options = _libraries()[self.codec]
        exact = {"avoid_negative_ts": "disabled"}
        container = av.open(os.fspath(path), "w", "nut", container_options=exact)
        stream = container.add_stream(library, self.rate, {"crf": f"{self.crf:g}", **options})
        stream.width, stream.height = self.width, self.height
        stream.pix_fmt = "yuv420p" if self.bits == 8 else "yuv420p10le"
        context = stream.codec_context
        context.time_base = self.time_base
        context.sample_aspect_ratio = self.aspect
        self.colours.tag(context)
        try:
            context.open()
        except av.error.FFmpegError:
            raise InputError(
                f"{self.codec} cannot encode frames of {self.width} x {self.height} pixels."
            ) from None
        return container, stream
