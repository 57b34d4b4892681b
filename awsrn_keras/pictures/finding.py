"""The picture files in a folder and below."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from ..urls import files_below, is_url
from .formats import CURES, SUFFIXES, readable_suffixes

# Folders that systems keep in places full of pictures; theirs are copies or deleted ones.
_OF_SYSTEMS = {"#recycle", "$RECYCLE.BIN", "@eaDir", "__MACOSX", "lost+found"}
_OF_SYSTEMS |= {"System Volume Information"}


class FolderContents(NamedTuple):
    """What lies in a folder and below it.

    Attributes:
        images: Picture files, sorted by path.
        skipped: How many other files there are of each suffix or kind.
    """

    images: list[Path]
    skipped: Counter[str]


def survey(folder: str | os.PathLike, more: Iterable[str] = ()) -> FolderContents:
    """The picture files in `folder` and below, by their suffixes, and a count of other files.

    Args:
        more: Suffixes, in lower case, of files that are taken as well.

    Hidden files and folders are neither. Links to folders are followed, but each folder is
    visited once, whatever links lead to it.

    Raises:
        InputError: The folder is missing, is a file, cannot be read, or holds no picture.
    """
    folder = folder if is_url(folder) else Path(folder)
    if not folder.is_dir():
        found = "is a file, not a folder" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {found}.")
    suffixes, images, skipped = [*readable_suffixes(), *more], [], Counter[str]()
    for file in _files(folder):
        suffix = file.suffix.lower()
        # A link to a missing file is taken, so that whoever reads it hears of it.
        if not is_url(file) and file.exists() and not file.is_file():
            skipped["pipe or device"] += 1
        elif suffix in suffixes:
            images.append(file)
        else:
            skipped[suffix or "no suffix"] += 1
    if not images:
        others = f"; {describe_skipped(skipped)}" if skipped else ""
        raise InputError(f"{folder}: no image in it ({', '.join(suffixes)}){others}.")
    return FolderContents(sorted(images), skipped)


def describe_skipped(skipped: Counter[str]) -> str:
    """E.g. "2 files skipped: .gif, .heic"; says so if more packages could read some of them."""
    count = skipped.total()
    text = f"{count} file{'s' if count > 1 else ''} skipped: {', '.join(sorted(skipped))}"
    cures = [CURES[name] for name in CURES if skipped.keys() & set(SUFFIXES[name])]
    return f"{text} ({'; '.join(cures)})" if cures else text


def _files(folder: Path) -> Iterator[Path]:
    """All files below that are not hidden; real folders come before links to them."""

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}).") from None

    if is_url(folder):
        shown = (name for name in files_below(folder) if all(map(_is_shown, name.parts)))
        yield from (folder / name.as_posix() for name in shown)
        return
    visited, starts = set(), [folder]
    for start in starts:
        for place, folders, files in os.walk(start, onerror=refuse):
            real = os.path.realpath(place)
            if real in visited:
                folders.clear()
                continue
            visited.add(real)
            folders[:] = [name for name in folders if _is_shown(name)]
            starts += [path for name in folders if (path := Path(place, name)).is_symlink()]
            yield from (Path(place, name) for name in files if _is_shown(name))


def _is_shown(name: str) -> bool:
    return not name.startswith(".") and name not in _OF_SYSTEMS
