"""Y'CbCr to RGB and back, by FFmpeg's scaler, with matrix and range stated both ways.

Tags alone change nothing: without these statements FFmpeg takes SMPTE 170M and limited range.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InputError

if TYPE_CHECKING:
    from av.filter import Graph
    from av.video.codeccontext import VideoCodecContext
    from av.video.format import VideoFormat
    from av.video.frame import VideoFrame

# Numbers of ITU-T H.273, and FFmpeg's names of the matrices.
_MATRICES = {1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc"}
_BT709, _SMPTE170M, _UNSPECIFIED = 1, 6, 2
_HDR = {16: "PQ", 18: "HLG"}
_LIMITED, _FULL = 1, 2
# Chroma is interpolated and sums are rounded as well as the scaler can.
_QUALITY = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"


class Colours(NamedTuple):
    """What the samples of a video mean.

    Attributes:
        matrix: Of Y'CbCr, a number of ITU-T H.273.
        primaries, transfer: Numbers of ITU-T H.273, 2 where the file does not say.
        full_range: Whether samples use all values, as in JPEG.
        chroma: Where chroma samples lie between those of luma, "left" or "center", if they are
            fewer.
    """

    matrix: int
    primaries: int
    transfer: int
    full_range: bool
    chroma: str = "left"

    @classmethod
    def of(cls, context: VideoCodecContext, frame: VideoFrame) -> Colours:
        """Those of a decoded frame.

        Where the file names no matrix it is the one that players take: BT.709 from 720 lines
        or 1280 columns on, else SMPTE 170M.

        Raises:
            InputError: They are HDR, or of a matrix that is not known.
        """
        if context.color_trc in _HDR:
            raise InputError(
                f"is HDR video ({_HDR[context.color_trc]}), which is not supported: convert it to "
                "SDR first"
            )
        matrix = context.colorspace
        if matrix == _UNSPECIFIED or frame.format.is_rgb:
            large = frame.height >= 720 or frame.width >= 1280
            matrix = _BT709 if large else _SMPTE170M
        if matrix not in _MATRICES:
            raise InputError(f"has a colour matrix that is not supported (number {matrix})")
        full = context.color_range == _FULL or frame.format.name.startswith("yuvj")
        centred = context.name in ("mjpeg", "mpeg1video")
        return cls(
            matrix,
            context.color_primaries,
            context.color_trc,
            full and not frame.format.is_rgb,
            "center" if centred else "left",
        )

    def tag(self, context: VideoCodecContext) -> None:
        """Have an encoder write them into its stream."""
        context.colorspace = self.matrix
        context.color_primaries = self.primaries
        context.color_trc = self.transfer
        context.color_range = _FULL if self.full_range else _LIMITED

    def to_rgb(self, frame: VideoFrame, rgb: str, time_base: Fraction) -> Graph:
        """What turns frames like this one into a format such as "rgb24"."""
        conversion = f"in_color_matrix={_MATRICES[self.matrix]}:in_range={self._range}:out_range=pc"
        conversion += f":in_chroma_loc={self.chroma}"
        return _graph(conversion, rgb, frame.width, frame.height, frame.format, time_base)

    def from_rgb(
        self, rgb: VideoFormat, width: int, height: int, samples: str, time_base: Fraction
    ) -> Graph:
        """What turns RGB frames into a format such as "yuv420p", with chroma on the left."""
        matrix = _MATRICES[self.matrix]
        conversion = f"out_color_matrix={matrix}:in_range=pc:out_range={self._range}"
        conversion += ":out_chroma_loc=left"
        return _graph(conversion, samples, width, height, rgb, time_base)

    @property
    def _range(self) -> str:
        return "pc" if self.full_range else "tv"


def _graph(
    conversion: str, output: str, width: int, height: int, input: VideoFormat, time_base: Fraction
) -> Graph:
    from av.filter import Graph

    graph = Graph()
    graph.link_nodes(
        graph.add_buffer(width=width, height=height, format=input, time_base=time_base),
        graph.add("scale", f"{conversion}:{_QUALITY}"),
        graph.add("format", output),
        graph.add("buffersink"),
    ).configure()
    return graph
