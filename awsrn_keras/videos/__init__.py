"""Video files in and out, by PyAV: frames as arrays, everything else in the file as it is.

`clip` and `decoding` read, `encoding` writes pieces that hold pictures only, and `joining` puts
these and the other tracks together. `colours` is what both ways have in common.
"""

from .clip import Clip, is_video, open_clip, video_suffixes
from .decoding import Frame, clock, frames
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
