"""Writing files so that a kill at any moment leaves the last good state."""

import contextlib
import glob
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary name beside `path`; on success flush it to disk and rename it to `path`.

    What is written may be a file or a folder; the temporary name ends as `path`
    does, since writers choose formats by it. An exception removes the temporary file
    and leaves `path` as it was. An `OSError` that names no file, as of a full disk, comes out
    with the name of `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".part-{os.getpid()}.{path.name}")
    try:
        yield temporary
        for file in [temporary, *temporary.rglob("*")]:
            _flush(file)
        if temporary.is_dir() and path.exists():
            shutil.rmtree(path)  # a folder cannot be renamed over one that is not empty
        temporary.replace(path)
        _flush(path.parent)
    except OSError as error:
        if error.filename is not None or error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


def remove_unfinished(path: str | os.PathLike) -> None:
    """Remove the files that killed processes left of writing `path`; nobody may be writing it."""
    path = Path(path)
    for part in path.parent.glob(f".part-*.{glob.escape(path.name)}"):
        part.unlink()


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
