"""What several test files share."""

import os
import signal
from pathlib import Path

import pytest
from optional import missing

SHARED = Path(__file__).parents[2] / "shared"

# A shell makes its background jobs ignore Ctrl-C, and their children with them; tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the checkout with benchmark images and reference checkpoints.

    Where it exists nothing is skipped for want of it: a file missing inside it is a failure.
    """
    if not SHARED.is_dir():
        pytest.skip("needs the reference data, a folder `shared` beside the checkout")
    return SHARED


def pytest_sessionfinish(session):
    """In CI all that tests need can be had: a skipped test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")  # not in workers
    if reporter and os.environ.get("CI") and SHARED.is_dir() and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """An untrained AWSRN-SD x3, none of its weights 0 or 1, and its export folder for servers.

    Tiles are of 32 pixels, windows of 24, so that small pictures need several.
    """
    import keras
    import numpy as np

    from awsrn_keras import AWSRN
    from export.serving.saved_model import publish

    keras.utils.set_random_seed(0)
    model = AWSRN("awsrn_sd", 3)
    random = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(variable + random.normal(0, 0.1, variable.shape))
    folder = tmp_path_factory.mktemp("exports") / "awsrn_sd_x3"
    publish(model, folder, tile=32, window=24)
    return model, folder


@pytest.fixture(scope="session")
def exported_tflite(tmp_path_factory):
    """The export folder of the default preset, every precision, for a picture of 48x56.

    Its receptive field of 22 leaves 4x12 pixels of such a window.
    """
    from export import to_tflite

    folder = tmp_path_factory.mktemp("exported")
    to_tflite.main(["--height", "48", "--width", "56", "-o", str(folder)])
    return folder


@pytest.fixture(scope="session")
def gpu():
    """A GPU as LiteRT sees it, or a driver in software; in CI there must be one."""
    from export.measure.gpu import require_gpu
    from export.measure.timings import DidNotRun

    try:
        return require_gpu()
    except DidNotRun as reason:
        missing(str(reason))
