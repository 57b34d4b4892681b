"""Decoded image pairs in one memory-mapped file, and the cache folder of such files."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import mmap
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import InputError
from ..files import cache_folder, remove_unfinished, replacing

Pair = tuple[str, np.ndarray, np.ndarray]  # name, LR, HR: both uint8 (height, width, 3)

_MAGIC = b"AWSRNbk3"
_LARGE = 512 * 2**20
_VIEWS_KEPT = 256  # images looked at in a large bank before its pages are given back


class PairBank:
    """LR and HR images of one scale, decoded, as views of one flat memory-mapped array.

    A bank is a file: the pixels of every image, then a JSON index, its length and a magic
    word. A small bank stays in memory once read. The pages of a large one (above 512 MiB)
    are given back to the kernel's cache of files now and then, so that the resident set
    stays small however long the training.

    Attributes:
        names: One name per pair, for messages.
        scale: HR side / LR side.
        identity: What the pixels were made from, as `cached_bank` was told.
        digest: SHA-256 of names, sizes and pixels.
        left_out: Why images are not in the bank that should be, a message for each.
        path: The file, or None for a bank without a name.

    `lr(i)` and `hr(i)` are read-only uint8 RGB arrays `(height, width, 3)`, `hr` exactly
    `scale` times larger.

    Raises:
        ValueError: The file is not a whole bank.
    """

    def __init__(self, file: BinaryIO, path: Path | None = None) -> None:
        self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if len(self._map) < 16 or self._map[-8:] != _MAGIC:
            raise ValueError("Not a whole bank.")
        end = len(self._map) - 16
        index_bytes = int.from_bytes(self._map[end : end + 8], "little")
        index = json.loads(self._map[end - index_bytes : end])
        self._pixels = np.frombuffer(self._map, np.uint8)
        self._images = index["images"]
        self._views = 0
        self.scale: int = index["scale"]
        self.identity: str = index["identity"]
        self.digest: str = index["digest"]
        self.left_out: list[str] = index["left_out"]
        self.names: list[str] = [image["name"] for image in self._images]
        self.path = path

    @classmethod
    def from_pairs(cls, pairs: Iterable[Pair | InputError], scale: int) -> PairBank:
        """A bank without a name, in a temporary file that vanishes with it."""
        with tempfile.TemporaryFile() as file:
            _write(file, pairs, scale, identity="")
            return cls(file)

    def only(self, images: list[int]) -> PairBank:
        """The same bank with these images alone, by their numbers."""
        chosen = copy.copy(self)
        chosen._images = [self._images[i] for i in images]
        chosen.names = [self.names[i] for i in images]
        chosen.digest = _digest([self.digest, chosen.names])
        return chosen

    def __len__(self) -> int:
        return len(self._images)

    def lr(self, i: int) -> np.ndarray:
        return self._view(i, "lr")

    def hr(self, i: int) -> np.ndarray:
        return self._view(i, "hr")

    def lr_size(self, i: int) -> tuple[int, int]:
        """Height and width of `lr(i)`, without touching its pixels."""
        return tuple(self._images[i]["lr"][1:])

    def pair(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        return self.lr(i), self.hr(i)

    def pairs(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """LR and HR of each pair, in order."""
        return map(self.pair, range(len(self)))

    def _view(self, i: int, side: str) -> np.ndarray:
        self._views += 1
        large = len(self._map) > _LARGE and hasattr(mmap, "MADV_DONTNEED")  # not on Windows
        if large and self._views % _VIEWS_KEPT == 0:
            self._map.madvise(mmap.MADV_DONTNEED)  # what is touched again is read again
        offset, height, width = self._images[i][side]
        return self._pixels[offset : offset + height * width * 3].reshape(height, width, 3)


def cached_bank(
    label: str,
    place: Sequence[str],
    sources: Iterable[str | os.PathLike],
    make_pairs: Callable[[], Iterable[Pair | InputError]],
    scale: int,
    cache_dir: str | os.PathLike | None = None,
) -> PairBank:
    """The bank of `make_pairs()`, made at the first call and read from a file afterwards.

    The file is made anew when `place` is another one, or a source file was added, removed,
    moved or changed (size or time of modification). A second process waits until the first
    one has made it.

    Args:
        label: Start of the file's name, for people.
        place: What was asked for, e.g. the folders: each place has a file of its own.
        sources: The files that decide the pixels.
        make_pairs: Yields the pairs, one at a time, in place of one that has to be left out the
            error that says why; never called if the cache is valid.
        scale: HR side / LR side.
        cache_dir: Folder of the file; default `$AWSRN_CACHE`, else `~/.cache/awsrn_keras`.

    Raises:
        InputError: The cache cannot be written.
    """
    folder = Path(cache_dir).expanduser() if cache_dir else cache_folder()
    path = folder / f"{label[:50]}_{_digest([*place, scale])[:8]}.bank"
    identity = _identity(place, sources, scale)
    with _writing_to(path), _locked(path.with_suffix(".lock")):
        bank = _open_if_valid(path, identity)
        if bank is None:
            remove_unfinished(path)
            with replacing(path) as part, part.open("wb") as file:
                _write(file, make_pairs(), scale, identity)
            bank = _open(path)
    return bank


def _identity(place: Sequence[str], sources: Iterable[str | os.PathLike], scale: int) -> str:
    paths = [os.path.abspath(source) for source in sources]
    stats = [os.stat(path) for path in paths]
    return _digest([*place, scale, paths, [(stat.st_size, stat.st_mtime_ns) for stat in stats]])


def _digest(facts: list) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _open(path: Path) -> PairBank:
    with path.open("rb") as file:
        return PairBank(file, path)


def _open_if_valid(path: Path, identity: str) -> PairBank | None:
    try:
        bank = _open(path)
    except (FileNotFoundError, ValueError):
        return None
    return bank if bank.identity == identity else None


def _write(file: BinaryIO, pairs: Iterable[Pair | InputError], scale: int, identity: str) -> None:
    images, left_out, digest = [], [], hashlib.sha256()
    for pair in pairs:
        if isinstance(pair, InputError):
            left_out.append(str(pair))
            continue
        name, lr, hr = pair
        if hr.shape != (lr.shape[0] * scale, lr.shape[1] * scale, 3):
            raise ValueError(f"{name}: HR {hr.shape} is not {scale} times LR {lr.shape}.")
        entry: dict[str, Any] = {"name": name}
        for side, image in (("lr", lr), ("hr", hr)):
            entry[side] = (file.tell(), *image.shape[:2])
            pixels = np.ascontiguousarray(image, np.uint8)
            file.write(pixels.data)
            digest.update(pixels.data)
        images.append(entry)
    digest.update(json.dumps([scale, images]).encode())
    facts = {
        "scale": scale,
        "identity": identity,
        "digest": digest.hexdigest(),
        "images": images,
        "left_out": left_out,
    }
    index = json.dumps(facts).encode()
    file.write(index + len(index).to_bytes(8, "little") + _MAGIC)
    file.flush()


@contextlib.contextmanager
def _writing_to(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.filename is not None and not str(error.filename).startswith(str(path.parent)):
            raise  # about an image, not about the cache
        raise InputError(
            f"Cannot write the cache of decoded images {path} ({error.strerror}): "
            "make room or set AWSRN_CACHE to another folder."
        ) from error


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        from filelock import FileLock, Timeout
    except ModuleNotFoundError:
        raise InputError(
            "Decoded images are kept with the help of filelock: pip install filelock."
        ) from None
    lock = FileLock(path)  # a process that is killed gives it back
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"Waiting for another process that writes {path.parent}", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
