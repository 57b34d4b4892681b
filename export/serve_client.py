"""Upscale picture files with a TensorFlow server that serves an export of to_saved_model.py.

    python export/serve_client.py photo.jpg -o photo_x2.png --server http://localhost:8501

Takes PNG, JPEG, WebP, TIFF and BMP. Each is rotated by its EXIF orientation and sent as PNG; its
EXIF and colour profile are copied to the result. Transparency is upscaled as a second picture;
16 bits are rounded to 8. A picture that cannot be upscaled is reported and the rest go on; the
exit status is then 1.
"""

import argparse
import dataclasses
import io
import math
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from awsrn_keras.command_line import command_parser, run_command
from awsrn_keras.errors import InputError
from awsrn_keras.network.variants import VARIANTS, Variant
from awsrn_keras.pictures import (
    describe_skipped,
    losses,
    read_picture,
    to_eight_bits,
    write_picture,
)
from awsrn_keras.pictures.alpha import constant_around, fill_transparent
from awsrn_keras.upscaling.jobs import Job, plan
from export.serving.servers import GrpcServer, RestServer, ServerError, connect


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    option = parse.add_argument
    option("inputs", nargs="+", metavar="IN", help="picture files, folders (all in them), globs")
    into = "folder for the results, under the names of the inputs; for one file also a file"
    option("-o", "--output", required=True, metavar="OUT", help=into)
    option(
        "--server",
        default="http://localhost:8501",
        metavar="URL",
        help="http:// for REST, grpc:// for gRPC, which sends a quarter less and needs "
        "tensorflow-serving-api; https:// and grpcs:// with TLS (default %(default)s)",
    )
    certificates = "certificates (PEM) that may have signed the server's (default: the system's)"
    option("--ca", type=Path, metavar="FILE", help=certificates)
    named = "name in the server's models.config (default %(default)s)"
    option("--model", default="awsrn_sd_x2", metavar="NAME", help=named)
    wait = "to wait for each picture (default %(default)s)"
    option("--timeout", type=float, default=600, metavar="SECONDS", help=wait)
    option("--overwrite", action="store_true", help="replace results that are there already")
    return parse


def main(arguments: list[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if not 0 < options.timeout <= 1e6:
        raise InputError(f"--timeout {options.timeout:g}: give more than 0 seconds, at most 1e6.")
    jobs, skipped = plan(options.inputs, options.output)
    server = connect(options.server, options.model, options.timeout, options.ca)
    failures = 0
    for job in jobs:
        try:
            print(*upscale_file(job, server, options.overwrite), sep="\n", flush=True)
        except (ServerError, BrokenPipeError):
            raise
        except Exception as error:  # whatever a file does, the others are sent
            failures += 1
            reason = (str(error) or type(error).__name__).splitlines()[0]
            print(f"error: {job.source}: {reason}", file=sys.stderr, flush=True)
    if skipped:
        print(describe_skipped(skipped), flush=True)
    return 1 if failures else 0


def upscale_file(job: Job, server: RestServer | GrpcServer, overwrite: bool) -> list[str]:
    """Upscale one file; lines to print about it.

    Raises:
        InputError: It cannot be read, the result exists, or the server refuses it.
    """
    if job.target.exists() and not overwrite:
        raise InputError(f"{job.target} is there already; --overwrite replaces it.")
    picture = read_picture(job.source)
    pixels, alpha = to_eight_bits(picture.pixels), picture.alpha
    if alpha is None:
        (upscaled,) = upscale_pixels(server, [pixels])
    else:
        pixels, small = fill_transparent(pixels, alpha > 0), to_eight_bits(alpha)
        upscaled, alpha = upscale_pixels(server, [pixels, small])
        # As `upscale` does; the server does not say how far its network sees.
        same = constant_around(small, max(map(Variant.receptive_field, VARIANTS.values())))
        times = np.ones((len(alpha) // len(small), alpha.shape[1] // small.shape[1]), np.uint8)
        alpha = np.where(np.kron(same, times), np.kron(small, times), alpha)
    notes = losses(picture, job.format)
    if picture.pixels.dtype == np.uint16:
        notes = [*(note for note in notes if "16 bits" not in note), "16 bits (rounded to 8)"]
    picture = dataclasses.replace(picture, pixels=upscaled, alpha=alpha)
    write_picture(picture, job.target, job.format)
    (height, width), (new_height, new_width) = pixels.shape[:2], upscaled.shape[:2]
    line = f"{job.source} -> {job.target}  {width}x{height} -> {new_width}x{new_height}"
    return [line, *(f"  note: not kept: {note}" for note in notes)]


def upscale_pixels(server: RestServer | GrpcServer, pictures: list[np.ndarray]) -> list[np.ndarray]:
    """Send uint8 pictures, `(height, width[, 3])`, in one batch; they come back as they went.

    Raises:
        InputError: The server refuses them.
        ServerError: It gives something else than each picture, all times the same scale.
    """
    files = server.upscale([_png(picture) for picture in pictures])
    if len(files) != len(pictures):
        raise ServerError(f"The server gives {len(files)} pictures for {len(pictures)}.")
    results = [_pixels(content) for content in files]
    scale = results[0].shape[0] // pictures[0].shape[0]
    for picture, result in zip(pictures, results, strict=True):
        (height, width), (new_height, new_width) = picture.shape[:2], result.shape[:2]
        if scale < 2 or (new_height, new_width) != (scale * height, scale * width):
            raise ServerError(
                f"The server gives {new_width}x{new_height} pixels for {width}x{height}."
            )
    return [
        np.rint(result.mean(axis=2)).astype(np.uint8) if picture.ndim == 2 else result
        for picture, result in zip(pictures, results, strict=True)
    ]


def _png(pixels: np.ndarray) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG", compress_level=1)
    return content.getvalue()


def _pixels(content: bytes) -> np.ndarray:
    """uint8 RGB of a file that the server gives."""
    try:
        picture = read_picture(io.BytesIO(content), max_megapixels=math.inf)
    except InputError:
        raise ServerError("The server's answer is no PNG file.") from None
    pixels = picture.pixels
    if picture.format != "png" or pixels.ndim != 3 or pixels.dtype != np.uint8:
        raise ServerError("The server's answer is no PNG file of 8-bit RGB.")
    return pixels


if __name__ == "__main__":
    run_command(main)
