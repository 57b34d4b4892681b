"""Times of frames that a file gets wrong."""

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from awsrn_keras import InputError
from awsrn_keras.videos.clip import Clip
from awsrn_keras.videos.colours import Colours
from awsrn_keras.videos.decoding import _in_order, _times

CLIP = Clip(
    path=Path("clip.ts"),
    width=8,
    height=8,
    bits=8,
    colours=Colours(1, 1, 1, False),
    rate=Fraction(25),
    count=0,
    seconds=0,
    time_base=Fraction(1, 1000),
    start=100,
    aspect=Fraction(1),
    display_matrix=None,
    has_alpha=False,
)


def corrected(given, start=0):
    """Times as they come out, and the notes."""
    clip = CLIP if start else CLIP.__class__(**{**CLIP.__dict__, "start": 0})
    frames = [SimpleNamespace(pts=time, dts=None, duration=0) for time in given]
    notes = []
    times = _times(clip, frames, by_decoding=False)
    found = _in_order(clip, times, lambda seconds, reason: notes.append((seconds, reason)))
    return [time for time, _ in found], notes


def test_right_times_stay_however_uneven():
    assert corrected([0, 40, 41, 5000, 5040]) == ([0, 40, 41, 5000, 5040], [])
    assert corrected([140, 180], start=100) == ([40, 80], [])


def test_a_single_wrong_time_moves_its_own_frame_only():
    wrong = "replaced a time that cannot be right"
    assert corrected([0, 40, 3_600_000, 120, 160]) == ([0, 40, 80, 120, 160], [(0.08, wrong)])
    assert corrected([0, 40, 80, 7, 160]) == ([0, 40, 80, 120, 160], [(0.12, wrong)])
    assert corrected([9000, 40, 80]) == ([0, 40, 80], [(0.0, wrong)])
    assert corrected([0, 40, 40, 42]) == ([0, 40, 41, 42], [(0.041, wrong)])


def test_frames_without_times_lie_where_the_others_leave_room():
    assert corrected([None, None, 200, 240, None, 320]) == ([120, 160, 200, 240, 280, 320], [])
    assert corrected([None] * 20)[0] == list(range(0, 800, 40))
    times, notes = corrected([0, None, 1])
    assert (times, len(notes)) == ([0, 1], 1)


def test_a_clock_that_jumps_back_is_refused():
    with pytest.raises(InputError, match=r"^clip\.ts: time jumps back by 9 s at 0:09\.\d: cut it"):
        corrected([9000, 9040, 0, 40, 80])
    assert corrected([9000, 9040, 8900, 8940, 9200])[0] == [9000, 9040, 9080, 9120, 9200]
