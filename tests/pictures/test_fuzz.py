"""A few hundred of the fuzzer's cases; `make fuzz` tries ten thousand."""

import subprocess
import sys
from pathlib import Path

import pytest
from damage import damaged, healthy_files

FUZZ = Path(__file__).parents[1] / "fuzz_pictures.py"


@pytest.mark.slow
def test_damaged_pictures_are_upscaled_or_refused_by_name_and_never_crash(exported):
    command = [sys.executable, FUZZ, "--cases", "400", "--seed", "1"]
    result = subprocess.run(
        [*command, "--saved-model", exported[1]], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    counts = {}
    for line in result.stdout.splitlines():
        if line.endswith((" taken", " refused")):
            reader, count, outcome = line.split()
            counts[reader, outcome] = int(count)
    for reader in ("upscale:", "train:", "server:"):
        assert counts[reader, "taken"] > 20  # some damage leaves a picture
        assert counts[reader, "refused"] > 200


def test_a_case_can_be_repeated_and_differs_from_the_others():
    files = healthy_files()
    cases = list(damaged(files, 50, seed=3))
    assert cases == list(damaged(files, 50, seed=3))
    assert len(set(cases)) > 45
    assert not set(cases) & set(damaged(files, 50, seed=4)) - {b""} - set(files)
