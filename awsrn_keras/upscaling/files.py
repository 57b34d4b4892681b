"""One picture file in, one out."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..command_line import messages_kept_back
from ..errors import InputError
from ..pictures import canvas_for, check_size, losses, read_picture, write_picture
from .engine import Engine
from .jobs import Job
from .upscale import upscale_with


@dataclass(frozen=True)
class UpscaleOptions:
    """How files are upscaled.

    Attributes:
        tile, self_ensemble: As of `upscale`.
        quality: Of JPEG and WebP, 1 to 100; None is 95. 100 makes WebP lossless.
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


def upscale_file(
    job: Job,
    engine: Engine,
    options: UpscaleOptions,
    progress: Callable[[int, int], None] | None = None,
) -> list[str]:
    """Upscale one file; lines to print about it.

    Raises:
        InputError: It cannot be read, or the result exists, or the format cannot hold it.
    """
    if job.target.exists() and not options.overwrite:
        raise InputError(f"{job.target}: is there already; --overwrite replaces it.")
    start = time.monotonic()
    with messages_kept_back():  # libtiff has its own words for damage
        picture = read_picture(job.source, options.max_megapixels)
    height, width = picture.pixels.shape[:2]
    size = (width * engine.scale, height * engine.scale)
    check_size(job.target, *size, job.format)
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
