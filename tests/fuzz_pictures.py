"""Feed damaged pictures to all that reads pictures: `awsrn upscale`, training data, the server.

    make fuzz

tries 10,000 files. Each must be upscaled, or refused by an error that names the file: an
`InputError` of one line, or INVALID_ARGUMENT with the index from the SavedModel. A crash, a
case of more than a minute, and more memory than 2 GB are failures. `--cases 1 --first N`
repeats case N.

Before them come 2,000 valid but unusual files (`unusual_pictures.py`), each of which must be
read to the pixels that it means, upscaled, and written and read back, or be refused if it is
of a kind that is not read. `--unusual 1 --first N --cases 0` repeats file N.
"""

import argparse
import faulthandler
import itertools
import re
import resource
import tempfile
from argparse import Namespace
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from damage import damaged, healthy_files
from unusual_pictures import unusual_file

from awsrn_keras.data.pairs import PairFiles, read_pair
from awsrn_keras.errors import InputError
from awsrn_keras.pictures import read_picture
from awsrn_keras.upscaling.files import upscale_files
from awsrn_keras.upscaling.jobs import Job

SECONDS, MEGABYTES = 60, 2000
LARGEST = 300_000  # pixels that are not only read but upscaled, to save time
OK, INVALID_ARGUMENT = 0, 3
OPTIONS = Namespace(
    overwrite=True, max_megapixels=100, tile=None, self_ensemble=False, quality=None
)


class Repeat:
    """The cheapest `Engine`: nearest neighbour, x2."""

    dtype = np.dtype("float32")
    scale, margin, window_pixels = 2, 0, 10**6

    def __call__(self, window):
        return window.repeat(2, axis=0).repeat(2, axis=1)


def upscale(path: Path) -> None:
    if read_picture(path).pixels.size <= LARGEST:
        for format in ("png", "jpeg"):
            upscale_file(path, path.with_suffix(f".{format}"), format)


def upscale_file(path: Path, target: Path, format: str) -> None:
    ((_, outcome),) = upscale_files([Job(path, target, format)], Repeat(), OPTIONS)
    if isinstance(outcome, BaseException):
        raise outcome


def read_unusual(number: int, folder: Path) -> str:
    """Read, upscale and write file `number` of `unusual_pictures`; "taken" or "refused".

    Raises:
        AssertionError: Its pixels or alpha are not what it means, or a refusal is wrong.
    """
    file = unusual_file(number)
    path = folder / f"unusual{file.suffix}"
    path.write_bytes(file.content)
    what = f"file {number}, {file.what}"
    if file.pixels is None:
        assert _outcome(read_picture, path, number) == "refused", what
        return "refused"
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.pixels, file.pixels, what, strict=True)
    assert (picture.alpha is None) == (file.alpha is None), what
    if file.alpha is not None:
        np.testing.assert_array_equal(picture.alpha, file.alpha, what, strict=True)
    for format in ("png", "jpeg", "webp", "tiff", "bmp"):
        target = folder / f"result.{format}"
        upscale_file(path, target, format)
        again = read_picture(target)
        if format in ("png", "tiff"):
            twice = file.pixels.repeat(2, axis=0).repeat(2, axis=1)
            if file.alpha is not None:
                visible = file.alpha.repeat(2, axis=0).repeat(2, axis=1) > 0
                twice, again = twice[visible], replace(again, pixels=again.pixels[visible])
            np.testing.assert_array_equal(again.pixels, twice, f"{what} as {format}", strict=True)
    return "taken"


def train(path: Path) -> None:
    if read_picture(path).pixels.size <= LARGEST:
        _, lr, hr = read_pair(PairFiles(path, None), 2)
        assert hr.shape == (2 * lr.shape[0], 2 * lr.shape[1], 3)
        assert lr.dtype == hr.dtype == np.uint8


def fuzz_files(contents) -> Counter:
    """How often `upscale` and `train` took a file and refused it."""
    counts = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.img"
        for number, content in contents:
            path.write_bytes(content)
            for reader in (upscale, train):
                faulthandler.dump_traceback_later(SECONDS, exit=True)
                counts[reader.__name__, _outcome(reader, path, number)] += 1
                faulthandler.cancel_dump_traceback_later()
    return counts


def _outcome(reader, path, number):
    try:
        reader(path)
    except InputError as error:
        message = str(error)
    except BaseException as error:
        error.add_note(f"case {number} of {reader.__name__}")
        raise
    else:
        return "taken"
    assert message.startswith(str(path)), f"case {number}: {message}"
    assert "\n" not in message, f"case {number}: {message}"
    return "refused"


def fuzz_server(contents, folder: Path) -> Counter:
    """How often `upscale_bytes` of an export folder took a file and refused it."""
    from served_model import meta_graph, resolved, run_script

    counts, graph = Counter(), meta_graph(folder)
    for chunk in iter(lambda: list(itertools.islice(contents, 1000)), []):
        requests = [
            resolved(graph, "upscale_bytes", {"image_bytes": [content]}) for _, content in chunk
        ]
        # A process for each thousand: the time limit is then one for a hang.
        limit = SECONDS + len(chunk)
        result = run_script("run_saved_model.py", folder, timeout=limit, requests=requests)
        for (number, _), (code, message, _) in zip(chunk, result["answers"], strict=True):
            named = code == INVALID_ARGUMENT and "image_bytes[0]: " in message
            assert code == OK or named, f"case {number}: {code} {message}"
            counts["server", "taken" if code == OK else "refused"] += 1
        print(f"server: as far as case {chunk[-1][0]}", flush=True)
    return counts


def megabytes() -> float:
    """Most memory that this process or one of its own has had.

    `ru_maxrss` of this process would count what started it.
    """
    status = Path("/proc/self/status").read_text()
    own = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


def main():
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parse.add_argument("--cases", type=int, default=10_000, help="default %(default)s")
    parse.add_argument("--first", type=int, default=0, help="number of the first case")
    parse.add_argument("--unusual", type=int, default=2000, help="default %(default)s")
    parse.add_argument("--seed", type=int, default=0, help="default %(default)s")
    parse.add_argument("--saved-model", type=Path, help="export folder (default: made for this)")
    options = parse.parse_args()
    faulthandler.enable()
    files, counts = healthy_files(), Counter()

    def cases():
        last = options.first + options.cases
        numbered = enumerate(damaged(files, last, options.seed))
        return itertools.islice(numbered, options.first, last)

    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.first, options.first + options.unusual):
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            counts["unusual", read_unusual(number, Path(folder))] += 1
            faulthandler.cancel_dump_traceback_later()
    print("unusual: all files", flush=True)
    counts += fuzz_files(cases())
    print("upscale and train: all cases", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        counts += fuzz_server(cases(), options.saved_model or _exported(Path(folder) / "export"))
    for (reader, outcome), count in sorted(counts.items()):
        print(f"{reader}: {count} {outcome}")
    print(f"{options.cases} cases, at most {megabytes():.0f} MB")
    assert megabytes() < MEGABYTES, f"more than {MEGABYTES} MB"


def _exported(folder):
    from awsrn_keras import AWSRN
    from export.serving.saved_model import publish

    publish(AWSRN.from_preset("awsrn_sd_x2"), folder, tile=32, window=64)
    return folder


if __name__ == "__main__":
    main()
