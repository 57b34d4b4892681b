"""What lies in a folder, to compare it with what lay there before."""

from pathlib import Path


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file below `folder` with its bytes."""
    return {file: file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
