"""Video files in and out, by PyAV: frames as arrays, everything else in the file as it is.

`clip` reads, `encoding` writes pieces of pictures alone, and `joining` makes of them and of the
other tracks the result. `colours` is what both ways have in common.
"""

from .clip import Clip, Frame, clock, frames, is_video, open_clip, video_suffixes
from .encoding import CODECS, Encoder
from .joining import CONTAINERS, check_tracks, join

__all__ = [
    "CODECS",
    "CONTAINERS",
    "Clip",
    "Encoder",
    "Frame",
    "check_tracks",
    "clock",
    "frames",
    "is_video",
    "join",
    "open_clip",
    "video_suffixes",
]
