"""Files behind URLs such as s3://bucket/name, by fsspec and its libraries."""

import contextlib
import re
import secrets
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, TypeGuard, cast

from .errors import InputError

# What is put there has its name when it is whole, and moving it would copy it.
_ATOMIC = {"abfs", "abfss", "az", "gcs", "gs", "memory", "s3", "s3a"}
_HEADER_BYTES = 2**16


def as_path(name: str) -> Path:
    """`name` as a path; a URL as a `UPath`, which has the methods of a `Path`.

    Raises:
        InputError: It is a URL, and what reads it is not installed.
    """
    if not re.match(r"\w[\w+.-]+://", name):
        return Path(name)
    try:
        from upath import UPath
    except ImportError:
        raise InputError(f"{name}: URLs need universal-pathlib: pip install it.") from None
    try:
        url = UPath(name)
        _ = url.fs  # says which package is missing
    except Exception as error:
        raise _unreachable(name, error) from None
    return Path(url.path) if url.protocol in ("file", "local") else cast(Path, url)


def is_url(path: object) -> TypeGuard[Path]:
    """Whether `as_path` has made this of a URL."""
    return hasattr(path, "storage_options")


@contextlib.contextmanager
def reaching(path: object) -> Iterator[None]:
    """Whatever goes wrong inside, if `path` is a URL, becomes an `InputError` that names it."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if not is_url(path):
            raise
        raise _unreachable(path, error) from None


@contextlib.contextmanager
def opened(url: Path, whole: bool) -> Iterator[BinaryIO]:
    """The file's content; if it is not wanted as a whole, little more than is read is fetched."""
    with reaching(url):
        file = cast(Any, url).open("rb", **({} if whole else {"block_size": _HEADER_BYTES}))
    with file:
        yield file


def files_below(folder: Path) -> list[Path]:
    """Names of all files in `folder` and below, relative to it."""
    url = cast(Any, folder)
    with reaching(folder):
        return [Path(PurePosixPath(name).relative_to(url.path)) for name in url.fs.find(url.path)]


def matching(pattern: Path) -> list[Path]:
    """The files that match a pattern."""
    url = cast(Any, pattern)
    with reaching(pattern):
        names = sorted(url.fs.glob(url.path))
        return [as_path(url.fs.unstrip_protocol(name)) for name in names]


def upload(file: Path, target: Path) -> None:
    """Copy a file to a URL, where it appears under its name when it is whole."""
    url = cast(Any, target)
    with reaching(target):
        if url.protocol in _ATOMIC:
            url.fs.put_file(str(file), url.path)
            return
        url.fs.makedirs(url.parent.path, exist_ok=True)
        temporary = url.with_name(f".part-{secrets.token_hex(4)}{url.suffix}").path
        url.fs.put_file(str(file), temporary)
        url.fs.mv(temporary, url.path)


def _unreachable(url: object, error: Exception) -> InputError:
    if isinstance(error, NotImplementedError):
        return InputError(f"{url}: files of this kind cannot be written to: choose another place.")
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return InputError(f"{url}: {reason[:200]}")
