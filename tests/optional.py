"""What a machine may lack: its tests are skipped with a reason, and in CI they fail."""

import importlib
import os
from types import ModuleType
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skip the running test, or fail it in CI."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


def optional(name: str) -> ModuleType:
    """The module, for a test file that is skipped as a whole without it.

    In CI the import just fails: pytest-xdist does not report files that are skipped.
    """
    return importlib.import_module(name) if os.environ.get("CI") else pytest.importorskip(name)
