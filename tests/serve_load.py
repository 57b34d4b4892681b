"""Serving under load: a SavedModel asked by 16 threads at once, with pictures of all sizes.

    make load

asks 2,400 times and prints what was served and how much memory it took. No answer may differ
from that to the same request asked alone, damaged pictures among them; memory must be flat
once warm.
"""

import argparse
import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from served_model import meta_graph, resolved, run_script

OK, INVALID_ARGUMENT = 0, 3
SIZES = [(1, 1), (7, 60), (24, 24), (33, 20), (50, 61), (64, 64), (90, 130)]


def requests() -> list[tuple[str, dict, int]]:
    """Signature, arguments and expected status of each request; sizes in pixels are mixed."""
    random = np.random.default_rng(0)
    files = []
    for i, size in enumerate(SIZES):
        content = io.BytesIO()
        pixels = random.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(content, ("PNG", "JPEG")[i % 2])
        files.append(content.getvalue())
    asked = [("upscale_bytes", {"image_bytes": [file]}, OK) for file in files]
    asked.append(("upscale_bytes", {"image_bytes": files[:4]}, OK))
    for size in SIZES[:5]:
        image = random.uniform(0, 255, (1, *size, 3)).astype("float32")
        asked.append(("serving_default", {"image": image}, OK))
    for poison in (b"", b"no picture", files[4][:-500], files[5][:300]):
        batch = [files[0], poison]
        asked.append(("upscale_bytes", {"image_bytes": batch}, INVALID_ARGUMENT))
    return asked


def load(folder: Path, times: int, asked: list, threads: int = 16) -> dict:
    """Have each thread ask the export folder so many times; figures, or an AssertionError.

    Args:
        folder: Of the export.
        times: That each thread asks.
        asked: Of `requests()`.
        threads: That ask at once.
    """
    graph = meta_graph(folder)
    result = run_script(
        "load_saved_model.py",
        folder,
        requests=[resolved(graph, signature, arguments) for signature, arguments, _ in asked],
        threads=threads,
        times=times,
    )
    for (_, _, status), (code, message, _) in zip(asked, result["alone"], strict=True):
        assert code == status, message
        assert code == OK or "image_bytes[1]: " in message
    assert not result["wrong"], f"other answers than alone: {result['wrong'][:9]}"
    served = result["served"]
    packages = {name.partition(".")[0] for name in result["modules"]}
    assert not packages & {"tensorflow", "keras", "awsrn_keras", "export"}

    memory = result["megabytes"]
    warm, late = max(memory[: len(memory) // 2]), max(memory[len(memory) // 2 :])
    assert late < 1.1 * warm + 20, f"memory grew from {warm:.0f} to {late:.0f} MB"
    refused = sum(served[i] for i, (_, _, status) in enumerate(asked) if status != OK)
    return {
        "requests": sum(served.values()),
        "refused": refused,
        "megabytes_first_half": round(warm),
        "megabytes_second_half": round(late),
    }


def main():
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parse.add_argument("--times", type=int, default=150, help="by thread, default %(default)s")
    parse.add_argument("--threads", type=int, default=16, help="default %(default)s")
    options = parse.parse_args()

    from awsrn_keras import AWSRN
    from export.serving.saved_model import publish

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder) / "awsrn_sd_x2"
        publish(AWSRN.from_preset("awsrn_sd_x2"), folder, tile=32, window=64)
        figures = load(folder, options.times, requests(), options.threads)
    print(
        "{requests} requests served, {refused} of them refused as they must be, all as if asked "
        "alone; at most {megabytes_first_half} MB during the first half, "
        "{megabytes_second_half} MB during the second".format(**figures)
    )


if __name__ == "__main__":
    main()
