"""Send tensors of all shapes and types to every signature of a SavedModel, by the C++ loader.

    make fuzz

tries 3,000 of them. What a signature declares must be computed, and all else be refused with
INVALID_ARGUMENT. A process that dies or hangs is a failure, and its requests are then asked by
halves to name the case. `--cases 1 --first N` repeats case N.
"""

import argparse
import io
import itertools
import math
import random
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from run_saved_model import TYPES
from served_model import meta_graph, resolved, run_script

OK, INVALID_ARGUMENT = 0, 3
SECONDS = 120  # for the requests of one process
MOST_PIXELS = 2**22  # of a batch, by docs/serving.md
VALUES = (0.0, 100.0, 255.0, -1.0, 1e-40, 3e38, math.nan, math.inf)
BAD = (b"", b"no picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0")


class Case(NamedTuple):
    """A tensor for a signature, as run_saved_model.py takes it: an array and its shape."""

    signature: str
    array: np.ndarray
    shape: tuple[int, ...]

    def __str__(self) -> str:
        values = str(self.array.ravel()[:3])[:60]
        return f"{self.signature}: {self.array.dtype} {self.shape} of {values}"


def file(height: int, width: int, format: str) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (width, height), (250, 120, 3)).save(content, format)
    return content.getvalue()


SIZES = {file(5, 7, "PNG"): (5, 7), file(30, 11, "JPEG"): (30, 11), file(1, 1, "PNG"): (1, 1)}


def systematic(graph) -> Iterator[Case]:
    """Every rank up to 6, every type, every side 0 or odd, and sizes that nobody can compute."""
    for signature, declared in declarations(graph).items():
        good = tuple(2 if side < 0 else side for side in declared)
        array = sample(signature)
        for rank in range(7):
            yield Case(signature, array, ((3,) * 7 + good)[-rank:] if rank else ())
        for name in TYPES:
            yield Case(signature, np.array(b"x" if name == "object" else 1, name), good)
        for axis, side in itertools.product(range(len(good)), (0, 1, 4, 5)):
            yield Case(signature, array, (*good[:axis], side, *good[axis + 1 :]))
        yield Case(signature, array, (0,) * len(good))
        if len(good) == 4:
            for value in VALUES:
                yield Case(signature, np.float32(value), good)
            for shape in (
                (1, 2049, 2048, 3),
                (1, 1, MOST_PIXELS + 1, 3),
                (4097, *good[1:]),
                (0, 2**40, 3, 3),
                (0, 2**31, 2**30, 3),
                (1, 2**62, 0, 3),
            ):
                yield Case(signature, array, shape)


def drawn(graph, count: int, seed: int) -> Iterator[Case]:
    """As many cases; case i depends on `seed` and i alone."""
    declared = declarations(graph)
    for i in range(count):
        draw = random.Random(f"{seed} {i}")
        signature = draw.choice(sorted(declared))
        strings = len(declared[signature]) == 1
        shape = [draw.randint(1, 9 if strings else 40) if n < 0 else n for n in declared[signature]]
        for _ in range(draw.choice((0, 1, 1, 2))):
            draw.choice((_drop, _insert, _resize, _empty))(shape, draw)
        if 0 not in shape or math.prod(side or 1 for side in shape) > 2**60:
            shape = [min(side, 50) for side in shape]
        array = np.float32(draw.choice(VALUES))
        if strings and len(shape) == 1:
            files = [*SIZES, draw.choice(BAD)] if draw.random() < 0.5 else [*SIZES]
            array = np.array([draw.choice(files) for _ in range(shape[0])], object)
        elif strings:
            array = sample(signature)
        if draw.random() < 0.2:
            name = draw.choice(list(TYPES))
            array = np.array(b"x" if name == "object" else 1, name)
        yield Case(signature, array, tuple(shape))


def _drop(shape, draw):
    if shape:
        del shape[draw.randrange(len(shape))]


def _insert(shape, draw):
    shape.insert(draw.randint(0, len(shape)), draw.choice((1, 1, 2, 3)))


def _resize(shape, draw):
    if shape:
        shape[draw.randrange(len(shape))] = draw.choice((1, 2, 3, 4, 31, 32, 33))


def _empty(shape, draw):
    """Without elements any side may be huge."""
    if shape:
        shape[draw.randrange(len(shape))] = draw.choice((2, 2**16, 2**31, 2**40))
        shape[draw.randrange(len(shape))] = 0


def declarations(graph) -> dict[str, tuple[int, ...]]:
    """The shape of the one input of each signature, -1 where any side will do."""
    declared = {}
    for signature, names in graph.signature_def.items():
        for info in names.inputs.values():
            declared[signature] = tuple(side.size for side in info.tensor_shape.dim)
    return declared


def sample(signature: str) -> np.ndarray:
    """A value of the type that a signature takes."""
    return np.array(next(iter(SIZES)), object) if "bytes" in signature else np.float32(100)


def valid(case: Case, declared: tuple[int, ...]) -> bool:
    """Whether the server must compute a case, by docs/serving.md."""
    strings = len(declared) == 1
    if case.array.dtype != (object if strings else np.float32):
        return False
    sides = zip(case.shape, declared, strict=False)
    if len(case.shape) != len(declared) or any(b not in (-1, a) for a, b in sides):
        return False
    if strings:
        return not case.shape[0] or all(content in SIZES for content in case.array.flat)
    return 0 < math.prod(case.shape[:3]) <= MOST_PIXELS


def check(folder: Path, cases: Iterable[Case], scale: int) -> Counter:
    """Ask an export folder; how often each signature computed and refused.

    Raises:
        AssertionError: A case is answered otherwise than it must be, or ends the process.
    """
    graph, counts = meta_graph(folder), Counter()
    declared = declarations(graph)
    cases = list(cases)
    for case, answer in zip(cases, _answers(folder, graph, cases), strict=True):
        code, message, result = answer
        must = valid(case, declared[case.signature])
        assert code == (OK if must else INVALID_ARGUMENT), f"{case}: {code} {message}"
        if must:
            _check_result(case, result, scale)
        else:
            assert message, str(case)
        counts[case.signature, "computed" if must else "refused"] += 1
    return counts


def _answers(folder, graph, cases):
    requests = []
    for case in cases:
        (name,) = graph.signature_def[case.signature].inputs
        requests.append(resolved(graph, case.signature, {name: (case.array, case.shape)}))
    try:
        answers = run_script("run_saved_model.py", folder, timeout=SECONDS, requests=requests)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        if len(cases) == 1:
            raise AssertionError(f"{cases[0]} ends the server: {error}") from None
        half = len(cases) // 2
        return [*_answers(folder, graph, cases[:half]), *_answers(folder, graph, cases[half:])]
    return answers["answers"]


def _check_result(case, result, scale):
    if case.array.dtype == object:
        contents = np.broadcast_to(case.array, case.shape)
        for content, upscaled in zip(contents, result, strict=True):
            height, width = SIZES[content]
            with Image.open(io.BytesIO(upscaled)) as image:
                assert (image.format, image.mode) == ("PNG", "RGB"), str(case)
                assert image.size == (scale * width, scale * height), str(case)
        return
    batch, height, width, channels = case.shape
    assert result.shape == (batch, scale * height, scale * width, channels), str(case)
    if np.abs(case.array) < 1e30:  # else sums may overflow
        assert result.min() >= 0, str(case)
        assert result.max() <= 255, str(case)


def main() -> None:
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parse.add_argument("--cases", type=int, default=3000, help="default %(default)s")
    parse.add_argument("--first", type=int, default=0, help="number of the first case")
    parse.add_argument("--seed", type=int, default=0, help="default %(default)s")
    options = parse.parse_args()
    from awsrn_keras import AWSRN
    from export.serving.saved_model import publish

    with tempfile.TemporaryDirectory() as folder:
        folder, model = Path(folder) / "export", AWSRN.from_preset("awsrn_sd_x2")
        publish(model, folder, tile=32, window=64)
        last = options.first + options.cases
        cases = itertools.islice(drawn(meta_graph(folder), last, options.seed), options.first, None)
        counts = Counter()
        for chunk in iter(lambda: list(itertools.islice(cases, 500)), []):
            counts += check(folder, chunk, model.scale)
    for (signature, outcome), count in sorted(counts.items()):
        print(f"{signature}: {count} {outcome}")


if __name__ == "__main__":
    main()
