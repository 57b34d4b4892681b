"""Writing files so that a kill at any moment leaves the last good state."""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .errors import InputError
from .urls import is_url, reaching, upload


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary name beside `path`; on success flush it to disk and rename it to `path`.

    What is written may be a file or a folder; the temporary name ends as `path`
    does, since writers choose formats by it, and is no longer than file systems allow. An
    exception removes the temporary file and leaves `path` as it was. An `OSError` that names
    the temporary file, or none as of a full disk, comes out with the name of `path`.

    What goes to a URL is written to a temporary folder and then uploaded.
    """
    if is_url(path):
        with tempfile.TemporaryDirectory() as folder:
            yield (written := Path(folder, f"part{path.suffix}"))
            upload(written, path)
        return
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path, "part")
    try:
        yield temporary
        for file in [temporary, *temporary.rglob("*")]:
            if not file.is_symlink():  # it may point to what only another root holds
                _flush(file)
        if temporary.is_dir() and path.is_dir():
            _replace_folder(temporary, path)
        else:
            temporary.replace(path)
        _flush(path.parent)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(temporary), temporary):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    finally:
        _remove(temporary)


def write_json(path: str | os.PathLike, facts: object) -> None:
    """Write `facts` as an indented JSON file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def remove_unfinished(path: str | os.PathLike) -> None:
    """Remove what killed processes left of writing `path`; nobody may be writing it."""
    if is_url(path):
        return
    path = Path(path)
    for part in path.parent.glob(f".part-{_digest(path)}-*"):
        _remove(part)


def cache_folder() -> Path:
    """For what took long to fetch or to decode: `$AWSRN_CACHE`, else `~/.cache/awsrn_keras`."""
    return Path(os.environ.get("AWSRN_CACHE") or "~/.cache/awsrn_keras").expanduser().absolute()


def check_folder(folder: str | os.PathLike) -> None:
    """Raise an `InputError` unless files can be put into `folder`, which need not exist yet."""
    if is_url(folder):
        with reaching(folder):
            probe = folder / f".awsrn-{secrets.token_hex(4)}"
            probe.touch()
            probe.unlink()
        return
    existing = existing_part(Path(folder))
    if not existing.is_dir():
        raise InputError(f"{existing}: is no folder; name another one for the results.")
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise InputError(f"{existing}: cannot be written to ({error.strerror}).") from None


def existing_part(path: Path) -> Path:
    """`path` or the nearest of the folders above it that is there."""
    places = (path, *path.parents)
    return path if is_url(path) else next(place for place in places if os.path.lexists(place))


def _beside(path: Path, kind: str) -> Path:
    """A hidden name beside `path`, short whatever its length, that ends as it does.

    Other machines that share the folder have processes of the same number.
    """
    return path.with_name(f".{kind}-{_digest(path)}-{secrets.token_hex(4)}.{path.name[-16:]}")


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]


def _replace_folder(new: Path, path: Path) -> None:
    """A folder cannot be renamed over one that is not empty: the old one steps aside first."""
    old = _beside(path, "old")
    path.rename(old)
    try:
        new.rename(path)
    except BaseException:
        old.rename(path)
        raise
    shutil.rmtree(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Have the system write a file or folder to disk; Windows can do so for open writers only."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
