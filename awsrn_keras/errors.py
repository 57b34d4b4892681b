"""The one error that commands report without a traceback."""


class InputError(ValueError):
    """A mistake in what the user gave: the message is one line with the value and the cure."""


def damaged_file(path: object, kind: str, error: Exception) -> InputError:
    """What to raise when a reader fails on a file that should be `kind`: its reason, one line."""
    reason = (str(error).splitlines() or [""])[0].strip() or type(error).__name__
    return InputError(f"{path}: damaged or not {kind} ({reason[:120]}).")
