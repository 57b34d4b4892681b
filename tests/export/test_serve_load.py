"""A little of what `make load` does."""

import pytest
from serve_load import load, requests


@pytest.mark.slow
def test_sixteen_threads_get_what_each_would_alone_and_memory_stays_flat(exported):
    figures = load(exported[1], 8, requests())
    assert figures["requests"] == 16 * 8
    assert 0 < figures["refused"] < figures["requests"]


@pytest.mark.slow
def test_convolutions_at_the_same_time_do_not_disturb_each_other(exported):
    """Decoding leaves little time for them above; merged with sums they crash in seconds."""
    asked = [request for request in requests() if request[0] == "serving_default"]
    assert load(exported[1], 30, asked)["requests"] == 16 * 30
