"""Progress on a terminal, and a line now and then elsewhere."""

import os
import pty
import subprocess
import sys

from awsrn_keras.progress import ProgressBar

PROGRAM = """
import sys, time
from awsrn_keras.progress import ProgressBar, with_progress
assert list(with_progress("abc", 3, "Counting")) == ["a", "b", "c"]
with ProgressBar() as bar:
    for name in ("first [1/2].png", "second"):
        bar.start(name)
        for done in range(5):
            bar.update(done, 4)
            time.sleep(0.03)
        bar.clear()
        print(f"{name} is done", flush=True)
    bar.start("Pictures", "pictures")
    bar.update(1, 9)
    bar.clear()
    print("one is done", flush=True)
    bar.update(2, 9)  # it is shown again and goes on
    time.sleep(0.3)
    assert ("rich" in sys.modules) == sys.stderr.isatty()
    bar.start("third")
    time.sleep(0.3)
    raise SystemExit(3)
"""


def run(**options):
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, **options)


def test_a_bar_moves_on_a_terminal_and_leaves_nothing_behind():
    own, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    result = run(stderr=terminal, env=environment)
    os.close(terminal)
    shown = b""
    try:
        while block := os.read(own, 4096):
            shown += block
    except OSError:  # the other end is closed
        pass
    os.close(own)
    shown = shown.decode()

    assert result.returncode == 3
    for text in ("Counting", "first [1/2].png", "second", "third", "100%", "22%", "pictures/s"):
        assert text in shown
    assert "\n" not in shown.split("\033[2K")[-1]  # the last line is erased
    assert shown.count("\033[?25l") == shown.count("\033[?25h") == 6  # the cursor is back
    assert result.stdout == "first [1/2].png is done\nsecond is done\none is done\n"  # not mixed up


def test_without_a_terminal_short_work_shows_nothing():
    result = run(stderr=subprocess.PIPE)
    assert (result.returncode, result.stderr) == (3, "")
    assert result.stdout == "first [1/2].png is done\nsecond is done\none is done\n"


def test_without_a_terminal_long_work_shows_a_line_now_and_then(monkeypatch, capsys):
    clock = iter([0, 3, 14, 16, 30, 32, 40])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    bar = ProgressBar()  # at 0
    bar.start("[1/2] cat.jpg")
    for done in range(1, 7):
        bar.update(done, 6)
    assert capsys.readouterr().err == "[1/2] cat.jpg: 3 of 6\n[1/2] cat.jpg: 5 of 6\n"


def test_counted_things_come_with_their_speed_and_the_time_left(monkeypatch, capsys):
    clock = iter([0, 1, 5, 17])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    bar = ProgressBar()
    bar.start("clip.mp4", "frames")  # at 1
    bar.update(1, 1000)
    bar.update(81, 1000)  # 80 more in 16 s
    assert capsys.readouterr().err == "clip.mp4: 81 of 1000, 5.0 frames/s, 3:04 min left\n"
