"""What every command shares: exit statuses, one-line errors, the line that names the device."""

import os
import sys
from collections.abc import Callable


def run_command(main: Callable[[], int | None]) -> None:
    """Run `main` and exit: 0 or what it returns, 2 for a user's mistake, 130 for Ctrl-C.

    A mistake is an `InputError`, or an operating system error that names a file (missing,
    no permission, disk full): one line on stderr, no traceback. Any other exception is a
    bug and keeps its traceback.
    """
    from .errors import InputError

    try:
        status = main() or 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        status = 2
    except OSError as error:
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 130
    sys.exit(status)


def quiet_tensorflow() -> None:
    """Keep TensorFlow's start-up messages off stderr; call before it is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def device_line() -> str:
    """E.g. "Computing on CPU (2 cores), Keras 3.15.1 with tensorflow 2.21.0"."""
    import keras

    backend = keras.backend.backend()
    version = __import__(backend).__version__
    devices = keras.distribution.list_devices()
    accelerators = [name for name in devices if not name.lower().startswith("cpu")]
    where = ", ".join(accelerators) or f"CPU ({len(os.sched_getaffinity(0))} cores)"
    return f"Computing on {where}, Keras {keras.__version__} with {backend} {version}"
