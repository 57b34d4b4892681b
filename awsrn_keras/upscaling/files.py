"""One picture file in, one out."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..command_line import messages_kept_back
from ..errors import InputError
from ..files import existing_part
from ..pictures import canvas_for, check_size, losses, read_picture, read_size, write_picture
from .engine import Engine
from .jobs import Job
from .upscale import upscale_with


@dataclass(frozen=True)
class UpscaleOptions:
    """How files are upscaled.

    Attributes:
        tile, self_ensemble: As of `upscale`.
        quality: Of JPEG, WebP, AVIF and HEIC, 1 to 100; None is 95. 100 makes WebP lossless.
        overwrite: Replace results that are there already.
        max_megapixels: Larger inputs are refused before they are decoded.

    Raises:
        InputError: A value is out of range.
    """

    tile: int | None = None
    self_ensemble: bool = False
    quality: int | None = None
    overwrite: bool = False
    max_megapixels: float = 100

    def __post_init__(self) -> None:
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise InputError(f"The quality must be 1 to 100, got {self.quality}.")
        if self.tile is not None and self.tile < 1:
            raise InputError(f"The tile must be at least 1 pixel, got {self.tile}.")


def is_there(path: Path) -> bool:
    """Whether something has this name, be it a link to nothing.

    Raises:
        InputError: No file can have this name here, e.g. as it is too long.
    """
    place = existing_part(path.parent) / path.name  # in a missing folder no name is too long
    try:
        place.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}.") from None
    return place == path


def check_job(job: Job, scale: int, options: UpscaleOptions) -> None:
    """Find out in a moment what would make `upscale_file` fail after its work.

    Raises:
        InputError: The result exists, the header of the picture cannot be read, it is too
            large, the format cannot hold the result, or its name is too long.
    """
    present = is_there(job.target)
    if present and job.target.is_dir():
        raise InputError(f"{job.target}: is a folder, no place for a picture.")
    if present and not options.overwrite:
        raise InputError(
            f"{job.target}: is there already; --overwrite replaces it, --skip-existing leaves "
            "the picture out."
        )
    with messages_kept_back():  # libtiff has its own words for damage
        width, height = read_size(job.source, options.max_megapixels)
    check_size(job.target, width * scale, height * scale, job.format)


def upscale_file(
    job: Job,
    engine: Engine,
    options: UpscaleOptions,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Upscale one file that passed `check_job`; lines to print about it.

    Raises:
        InputError: It cannot be read, or the format cannot hold the result.
    """
    start = time.monotonic()
    with messages_kept_back():  # libtiff has its own words for damage
        picture = read_picture(job.source, options.max_megapixels)
    height, width = picture.pixels.shape[:2]
    size = (width * engine.scale, height * engine.scale)
    pixels, alpha = upscale_with(
        engine,
        picture.pixels,
        picture.alpha,
        options.tile,
        options.self_ensemble,
        progress,
        canvas_for(job.format, picture.pixels.dtype),
    )
    picture = replace(picture, pixels=pixels, alpha=alpha)
    write_picture(picture, job.target, job.format, options.quality)

    seconds = time.monotonic() - start
    lines = [
        f"{job.source} -> {job.target}  {width}x{height} -> {size[0]}x{size[1]}  {seconds:.1f} s"
    ]
    if picture.frames > 1:
        lines.append(f"  note: the first of {picture.frames} images in the file")
    lines += [f"  note: not kept: {lost}" for lost in losses(picture, job.format)]
    return lines
