"""The one error that commands report without a traceback."""


class InputError(ValueError):
    """A mistake in what the user gave: the message is one line with the value and the cure."""
