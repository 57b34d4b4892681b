"""Training pictures as a few zip archives, to carry them to another machine."""

import io
import os
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from awsrn_keras.errors import InputError
from awsrn_keras.files import replacing
from awsrn_keras.pictures import find_images, read_rgb
from awsrn_keras.progress import with_progress

PART_BYTES = 30_000_000
_KEPT = (".jpg", ".jpeg", ".webp")  # small as they are; JPEG would grow
_WEBP_SIDE = 16383  # the longest side that WebP can have
_ENTRY_BYTES = 300  # more than an archive spends on an entry beside its data


def write_packs(folders: Iterable[str | os.PathLike], prefix: str | os.PathLike) -> list[Path]:
    """Write all pictures of `folders` to PREFIX-01.zip, PREFIX-02.zip, ...

    Pixels are kept exactly: JPEG and WebP files as they are, others as lossless WebP. Each
    archive has at most `PART_BYTES`.

    Raises:
        InputError: A folder has no picture, a picture is damaged or larger than an archive,
            or such archives exist.
    """
    prefix = Path(prefix)
    old = sorted(prefix.parent.glob(f"{prefix.name}-[0-9]*.zip"))
    if old:
        raise InputError(f"{old[0]} exists: remove it and its other parts, or name another pack.")
    paths = [path for folder in folders for path in find_images(folder)]
    with ThreadPoolExecutor() as pool:
        files = with_progress(pool.map(_packed, paths), len(paths), "Packing")
        return [_write(prefix, number, part) for number, part in enumerate(_parts(files), 1)]


def unpack(pack: str | os.PathLike, folder: Path) -> None:
    """Put the pictures of a zip archive into `folder`.

    Raises:
        InputError: The archive is missing or damaged.
    """
    try:
        with zipfile.ZipFile(pack) as archive:
            archive.extractall(folder)
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{pack}: not a zip archive of pictures ({error}).") from None


def _packed(path: Path) -> tuple[str, bytes]:
    """Name and content of the file that stands for a picture."""
    pixels = read_rgb(path)  # also finds out that a file is damaged
    if path.suffix.lower() in _KEPT or max(pixels.shape[:2]) > _WEBP_SIDE:
        return path.name, path.read_bytes()
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "WEBP", lossless=True, quality=80)
    return f"{path.stem}.webp", content.getvalue()


def _parts(files: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    part, size = [], _ENTRY_BYTES
    for number, (name, content) in enumerate(files):
        entry = (f"{number:05}_{name}", content)
        entry_size = len(content) + 2 * len(entry[0].encode()) + _ENTRY_BYTES
        if entry_size + _ENTRY_BYTES > PART_BYTES:
            raise InputError(
                f"{name}: {len(content)} bytes are more than a pack of {PART_BYTES}: "
                "cut the picture in pieces."
            )
        if size + entry_size > PART_BYTES:
            yield part
            part, size = [], _ENTRY_BYTES
        part.append(entry)
        size += entry_size
    yield part


def _write(prefix: Path, number: int, part: list[tuple[str, bytes]]) -> Path:
    path = prefix.with_name(f"{prefix.name}-{number:02}.zip")
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, content in part:
            archive.writestr(name, content)
    return path
