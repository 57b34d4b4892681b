"""Some seconds of what `make load` does for a minute."""

import pytest
from serve_load import load


@pytest.mark.slow
def test_sixteen_threads_get_what_each_would_alone_and_memory_stays_flat(exported):
    figures = load(exported[1], seconds=8)
    assert figures["requests"] >= 16
    assert 0 < figures["refused"] < figures["requests"]
