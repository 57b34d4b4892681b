"""Training pictures of a release training: folders or packs, to one bank for the device."""

import os
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from awsrn_keras.data import PairBank, load_pairs

from .device_loop import DeviceBank, host_bank
from .picture_packs import unpack


def load_sources(sources: Sequence[str | os.PathLike], scale: int) -> PairBank:
    """Decoded pictures of folders and packs (.zip), LR made from them.

    Raises:
        InputError: A source is missing or damaged.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folders = [_folder(source, Path(scratch, f"{i}")) for i, source in enumerate(sources)]
        # The cache is of no use for folders that vanish again.
        packed = any(folder.is_relative_to(scratch) for folder in folders)
        return load_pairs(folders, scale, cache_dir=scratch if packed else None)


def load_images(
    sources: Sequence[str | os.PathLike], scale: int, patch_size: int
) -> tuple[DeviceBank, dict]:
    """The bank of all pictures that hold a patch, and what the record says about them.

    Args:
        sources: As `load_sources`.
        scale: HR side / LR side.
        patch_size: Side of an LR patch, pixels.

    Raises:
        InputError: As `load_sources`, or no picture is large enough.
    """
    pairs = load_sources(sources, scale)
    bank = host_bank(pairs, patch_size)
    kept = len(bank.width)
    record = {
        "sources": [Path(source).name for source in sources],
        "images": kept,
        "too_small": len(pairs) - kept,
        "hr_megapixels": round(len(bank.pixels) * scale**2 / 1e6, 1),
        "crc32": f"{zlib.crc32(bank.pixels):08x}",
    }
    return bank, record


def _folder(source: str | os.PathLike, scratch: Path) -> Path:
    if not str(source).lower().endswith(".zip"):
        return Path(source)
    unpack(source, scratch)
    return scratch
