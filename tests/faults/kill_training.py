"""Kill training again and again, resume it, and compare with a run that was left alone.

    make faults

kills 25 times by SIGKILL, 13 of them inside the writing of a checkpoint, and interrupts
five times by Ctrl-C or SIGTERM; about ten minutes on two cores. The run must end with the
weights, averages and optimizer of the other one to the last bit.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from training_runs import arguments, assert_same_run, make_photographs, saved_state

from training.fit import main as main_of_fit

FIT = Path(__file__).parents[2] / "training" / "fit.py"
DYING_FIT = Path(__file__).with_name("dying_fit.py")
# Operations in the first two checkpoints of a life.
MOST = {"archive": 8, "chunk": 200, "fsync": 8, "rename": 4, "renamed": 4, "unlink": 2}


def kill_and_resume(folder: Path, inside: int, outside: int, interrupts: int, seed: int) -> Counter:
    """Run it all in an empty folder; how often the run was stopped, by kind.

    Args:
        inside: Kills while a checkpoint is written.
        outside: Kills at any moment of the training.
        interrupts: Ctrl-C and SIGTERM, in turns.
    """
    draw = random.Random(seed)
    lives = ["inside a write"] * inside + ["SIGKILL"] * outside
    lives += [("SIGINT", "SIGTERM")[i % 2] for i in range(interrupts)]
    draw.shuffle(lives)
    epochs = ["--epochs", str(2 * len(lives) + 2), "--deterministic", "--ema", "0.9"]
    photographs = make_photographs(folder / "photographs")
    whole, killed = folder / "whole", folder / "killed"
    start = arguments(photographs, killed, *epochs)
    stops, kinds = Counter(), draw.sample(sorted(MOST), len(MOST))

    main_of_fit(arguments(photographs, whole, *epochs))
    for life in lives:
        begun = (killed / "config.json").exists()
        options = ["--resume", "--run-dir", str(killed)] if begun else start
        if life == "SIGKILL":
            where = _kill_after(2 * draw.random(), options)
        elif life == "inside a write":
            kind = kinds[stops[life] % len(kinds)]
            where = _die(kind, draw.randint(1, MOST[kind]), options)
        else:
            where = _die(life, draw.choice((1, 2, 4, 5)), options)
        stops[life] += 1
        at = saved_state(killed) if (killed / "checkpoint/state.json").exists() else None
        state = f"epoch {at['epoch']}, step {at['step']}" if at else "none yet"
        print(f"{sum(stops.values())}/{len(lives)}: {where}; saved state: {state}", flush=True)
    main_of_fit(["--resume", "--run-dir", str(killed)])
    assert_same_run(whole, killed)
    return stops


def _die(kind, count, options):
    command = [sys.executable, DYING_FIT, f"{kind}:{count}", *options]
    result = subprocess.run(command, capture_output=True, text=True)
    expected = {"SIGINT": 130, "SIGTERM": 143}.get(kind, -signal.SIGKILL)
    assert result.returncode == expected, f"{kind}:{count}: {result.stdout}{result.stderr}"
    assert ("state saved after step" in result.stdout) == (expected > 0)
    return next(line for line in result.stdout.splitlines() if line.startswith("SIG"))


def _kill_after(seconds, options):
    """Kill the run some seconds after the end of its first epoch."""
    command = [sys.executable, FIT, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("epoch"):
                break
        time.sleep(seconds)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    return f"SIGKILL after {seconds:.1f} s"


def main():
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parse.add_argument("--inside", type=int, default=13, help="default %(default)s")
    parse.add_argument("--outside", type=int, default=12, help="default %(default)s")
    parse.add_argument("--interrupts", type=int, default=5, help="default %(default)s")
    parse.add_argument("--seed", type=int, default=0, help="default %(default)s")
    options = parse.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stops = kill_and_resume(Path(folder), **vars(options))
    counts = ", ".join(f"{count} {name}" for name, count in sorted(stops.items()))
    print(f"Survived {counts}: same weights, averages and optimizer to the last bit.")


if __name__ == "__main__":
    main()
