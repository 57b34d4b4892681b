"""What several test files share."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the checkout with benchmark images and reference checkpoints.

    Where it exists nothing is skipped for want of it: a file missing inside it is a failure.
    """
    if not SHARED.is_dir():
        pytest.skip("needs the reference data, a folder `shared` beside the checkout")
    return SHARED
