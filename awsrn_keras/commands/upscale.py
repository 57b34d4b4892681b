"""Upscale pictures (PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF, HEIC) and videos, with their metadata.

    awsrn upscale photo.jpg -o photo_x2.jpg
    awsrn upscale photos/ 'scans/*.tif' -o upscaled/ --scale 4
    awsrn upscale clip.mp4 -o clip_x2.mp4

A file that cannot be upscaled is reported and the rest go on; the exit status is then 1.
HEIC needs pip install pillow-heif, videos need pip install av.
"""

import argparse
import functools
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..command_line import libraries_silenced, messages_kept_back, printable, start_backend
from ..errors import InputError
from ..network.variants import SCALES
from ..progress import ProgressBar
from ..urls import is_url

if TYPE_CHECKING:
    from ..upscaling.cluster import Cluster
    from ..upscaling.engine import Engine
    from ..upscaling.files import UpscaleOptions
    from ..upscaling.jobs import Job

    Outcome = tuple[Job, list[str] | BaseException]
    Progress = Callable[[Job, int, int], None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option(
        "inputs",
        nargs="+",
        metavar="IN",
        help="picture and video files, folders (searched recursively), globs",
    )
    option(
        "-o",
        "--output",
        required=True,
        metavar="OUT",
        help="folder for the results, which keep the names of the inputs; for one input, a file",
    )
    option(
        "--scale",
        type=int,
        choices=SCALES,
        help="magnification (default: that of --preset, or 2)",
    )
    option(
        "--preset",
        metavar="MODEL",
        help="trained weights, see `awsrn presets`; also a run folder, .keras, .weights.h5, .pt "
        "or .npz (default: awsrn_sd_x<scale>, for videos the faster awsrn_nano_x<scale>)",
    )
    option(
        "--photo",
        action="store_true",
        help="for photographs with JPEG artifacts or noise: removes them instead of sharpening "
        "them (the preset's version for photographs, e.g. awsrn_sd_x2_photo)",
    )
    option(
        "--engine",
        choices=("auto", "litert", "keras"),
        default="auto",
        help="what runs the network; litert starts faster and needs neither Keras nor "
        "TensorFlow, but knows presets only; auto takes it where it can, unless there is a GPU "
        "(default %(default)s)",
    )
    option(
        "--precision",
        choices=("float", "int8"),
        help="int8 computes in 8 bits: three to four times as fast, about 0.1 dB less; for presets "
        "(default: float, for videos int8)",
    )
    option(
        "--self-ensemble",
        action="store_true",
        help="average over the eight flips and rotations: slightly better, eight times slower",
    )
    option(
        "--tile",
        type=int,
        metavar="PIXELS",
        help="rows of input pixels in a tile; changes memory and time, never the result "
        "(default: as many as fit in half a gigabyte)",
    )
    option(
        "--format",
        metavar="FORMAT",
        help="of pictures in a folder: png, jpeg, webp, tiff, bmp, gif, avif or heic (default: "
        "that of the input)",
    )
    option(
        "--suffix",
        default="",
        metavar="TEXT",
        help="added to the names of results in a folder, e.g. _x2",
    )
    option(
        "--quality",
        type=int,
        metavar="1..100",
        help="of JPEG, WebP, AVIF and HEIC; 100 makes WebP lossless (default 95)",
    )
    option(
        "--codec",
        choices=("h264", "hevc"),
        help="of videos: h264 plays everywhere, hevc makes smaller files and keeps 10 bits "
        "(default h264; hevc for videos of more than 8 bits)",
    )
    option(
        "--crf",
        type=float,
        metavar="0..51",
        help="constant rate factor of videos: 6 more halve the size (default 18 for h264, 20 for "
        "hevc)",
    )
    present = parser.add_mutually_exclusive_group().add_argument
    present("--overwrite", action="store_true", help="replace results that are there already")
    present(
        "--skip-existing",
        action="store_true",
        help="leave out inputs whose results are there already, to finish an interrupted folder",
    )
    present(
        "--resume",
        action="store_true",
        help="--skip-existing, and go on with videos where an interrupted run stopped",
    )
    option(
        "--cluster",
        metavar="WHERE",
        help="do pictures (no videos) on a Ray cluster: local is one of this machine's cores, auto "
        "the one that this machine belongs to, HOST:PORT one by its head",
    )
    option(
        "--max-megapixels",
        type=float,
        default=100,
        metavar="MP",
        help="refuse larger inputs, before they are decoded (default %(default)s)",
    )


class Work(NamedTuple):
    """Jobs of one kind, how they are checked and done, and what is to be said at the end."""

    jobs: "list[Job]"
    check: "Callable[[Job], None]"
    upscale: "Callable[[list[Job], Progress], Iterator[Outcome]]"
    remarks: "Sequence[str]" = ()


def run(options: argparse.Namespace) -> int:
    """Upscale all inputs; 0 if all succeeded, else 1."""
    from ..pictures import describe_skipped
    from ..upscaling.jobs import VIDEO, plan
    from ..upscaling.video import is_interrupted

    on_cluster = options.cluster is not None
    jobs, skipped = plan(
        options.inputs, options.output, options.format, options.suffix, videos=not on_cluster
    )
    pictures = [job for job in jobs if job.format != VIDEO]
    videos = [job for job in jobs if job.format == VIDEO]
    _check_options(options, pictures, videos)
    works = [_picture_work(pictures, options)] if pictures else []
    works += [_video_work(videos, options)] if videos else []
    failed: list[Job] = []
    present: list[Job] = []
    with libraries_silenced(), ProgressBar() as bar:
        bar.start(f"Checking {len(jobs)} files")
        possible = [_possible(work, options, failed, present, bar) for work in works]
        numbers = {job: number for number, job in enumerate(itertools.chain(*possible), 1)}

        def show(job: "Job", done: int, total: int) -> None:
            if done == 1 and on_cluster:
                bar.start("Upscaling on the cluster", "pictures")
            elif done == 1:
                unit = "frames" if job.format == VIDEO else ""
                bar.start(f"[{numbers[job]}/{len(numbers)}] {job.source.name}", unit)
            bar.update(done, total)

        try:
            if on_cluster:
                bar.start("Starting workers")
            for work, checked in zip(works, possible, strict=True):
                for job, outcome in work.upscale(checked, show):
                    if isinstance(outcome, BaseException):
                        failed.append(job)
                        _report(job, outcome, bar)
                    else:
                        bar.clear()
                        print(*map(printable, outcome), sep="\n", flush=True)
        except KeyboardInterrupt:
            bar.clear()
            for job in videos:
                if is_interrupted(job):
                    print(f"{printable(str(job.target))}: begun, --resume goes on", file=sys.stderr)
            raise
    for line in itertools.chain.from_iterable(work.remarks for work in works):
        print(f"left out: {printable(line)}", flush=True)
    if pictures and not on_cluster and (hint := _photo_hint(options, possible[0])):
        print(hint, flush=True)
    if skipped:
        print(describe_skipped(skipped), flush=True)
    if len(jobs) > 1 or present:
        kind = "pictures" if not videos else "videos" if not pictures else "files"
        done = f"{len(jobs) - len(present) - len(failed)} of {len(jobs)} {kind} upscaled"
        print(done + (f", {len(present)} were there already" if present else ""), flush=True)
    return 1 if failed else 0


def _check_options(options: argparse.Namespace, pictures: "list[Job]", videos: "list[Job]") -> None:
    """Raise an `InputError` for options that say nothing about these inputs."""
    kinds = {"pictures": (pictures, ("format", "quality")), "videos": (videos, ("codec", "crf"))}
    for kind, (given, names) in kinds.items():
        for name in names:
            if not given and getattr(options, name) is not None:
                raise InputError(f"--{name} is for {kind}, and there are none: leave it out.")
    if videos and options.cluster is not None:
        raise InputError(f"{videos[0].source}: --cluster is for pictures: leave videos out.")
    for path in itertools.chain.from_iterable((job.source, job.target) for job in videos):
        if is_url(path):
            raise InputError(f"{path}: videos are read from files and written to files, not URLs.")


def _picture_work(jobs: "list[Job]", options: argparse.Namespace) -> Work:
    from ..upscaling.files import check_job, check_target, upscale_files
    from ..upscaling.jobs import Job

    how = _upscale_options(options)
    model = choose_preset(options.preset, options.scale, options.photo)
    precision = options.precision or "float"
    if options.cluster is not None:
        cluster = _cluster(model, precision, options)
        return Work(
            [Job(job.source.absolute(), job.target.absolute(), job.format) for job in jobs],
            lambda job: check_target(job, how.overwrite),  # workers check the rest
            lambda checked, show: cluster.upscale(checked, how, show),
            cluster.left_out,
        )
    engine, float_engine = _engines(model, precision, options)
    return Work(
        jobs,
        lambda job: check_job(job, engine.scale, how),
        lambda checked, show: upscale_files(checked, engine, how, float_engine, show),
    )


def _upscale_options(options: argparse.Namespace) -> "UpscaleOptions":
    from ..upscaling.files import UpscaleOptions

    return UpscaleOptions(
        options.tile,
        options.self_ensemble,
        options.quality,
        options.overwrite,
        options.max_megapixels,
    )


def _video_work(jobs: "list[Job]", options: argparse.Namespace) -> Work:
    from ..upscaling.engines import has_int8
    from ..upscaling.video import VideoOptions, check_video, upscale_videos

    _upscale_options(options)  # which of them are right is the same for pictures
    model = choose_preset(options.preset, options.scale, options.photo, "awsrn_nano")
    fast = options.engine != "keras" and has_int8(model)
    precision = options.precision or ("int8" if fast else "float")
    version = f", changed at {os.stat(model).st_mtime_ns} ns" if os.path.exists(model) else ""
    how = VideoOptions(
        f"{model} in {precision}{version}",
        options.codec,
        options.crf,
        options.tile,
        options.self_ensemble,
        options.overwrite,
        options.resume,
        options.max_megapixels,
    )
    engine, float_engine = _engines(model, precision, options)
    return Work(
        jobs,
        lambda job: check_video(job, engine.scale, how),
        lambda checked, show: upscale_videos(checked, engine, how, float_engine, show),
    )


def _possible(
    work: Work,
    options: argparse.Namespace,
    failed: "list[Job]",
    present: "list[Job]",
    bar: ProgressBar,
) -> "list[Job]":
    """The jobs that can be done and are not yet; the others are added to `failed` or `present`."""
    from ..upscaling.files import is_there
    from ..upscaling.video import is_interrupted

    possible = []
    for job in work.jobs:
        try:
            done = options.skip_existing or (options.resume and not is_interrupted(job))
            if done and is_there(job.target):
                present.append(job)
            else:
                work.check(job)
                possible.append(job)
        except Exception as error:
            failed.append(job)
            _report(job, error, bar)
    return possible


def _report(job: "Job", error: BaseException, bar: ProgressBar) -> None:
    """Name a file on which something failed."""
    from ..upscaling.files import reason

    bar.clear()
    print(f"error: {printable(reason(job, error))}", file=sys.stderr, flush=True)


def choose_preset(
    preset: str | None, scale: int | None, photo: bool, variant: str = "awsrn_sd"
) -> str:
    """The MODEL that the options ask for; of this variant if they name none."""
    from ..network.presets import PHOTO, default_preset, presets

    if preset is None:
        return default_preset(scale or 2, photo, variant)
    known = preset in presets() or os.path.exists(preset)
    if not photo or preset.endswith(PHOTO) or not known:  # a typing error is reported later
        return preset
    if preset + PHOTO not in presets():
        choices = ", ".join(name for name in presets() if name.endswith(PHOTO))
        raise InputError(f"--photo: {preset} has no version for photographs: choose {choices}.")
    return preset + PHOTO


def _photo_hint(options: argparse.Namespace, jobs: "list[Job]") -> str:
    """What to say where --photo would choose another network for compressed pictures."""
    from ..pictures import visibly_compressed

    try:
        model, other = (
            choose_preset(options.preset, options.scale, photo) for photo in (options.photo, True)
        )
    except InputError:
        return ""
    compressed = sum(visibly_compressed(job.source) for job in jobs) if model != other else 0
    if not compressed:
        return ""
    return (
        f"JPEG below quality 92 or lossy WebP: {compressed} of {len(jobs)} pictures; --photo "
        "removes compression artifacts"
    )


def _engines(
    model: str, precision: str, options: argparse.Namespace
) -> "tuple[Engine, Callable[[], Engine]]":
    """The engine for `model`, and what makes one for 16 bits; says where it computes."""
    from ..upscaling.engines import choose_engine, make_engine
    from ..upscaling.litert_engine import device_line

    engine = choose_engine(model, options.engine, precision)
    print(device_line() if engine == "litert" else start_backend(), flush=True)
    with messages_kept_back():  # LiteRT tells that it uses XNNPACK
        made = make_engine(model, engine, precision, options.scale)
    return made, functools.cache(lambda: make_engine(model, engine))


def _cluster(model: str, precision: str, options: argparse.Namespace) -> "Cluster":
    """The cluster that is to run `model`; says what it is."""
    from ..network.presets import presets
    from ..upscaling.cluster import Cluster
    from ..upscaling.engines import choose_engine

    engine = choose_engine(model, options.engine, precision)
    if model not in presets() and os.path.exists(model):
        model = os.path.abspath(model)
    cluster = Cluster(options.cluster, model, engine, precision, options.scale)
    print(cluster, flush=True)
    return cluster
