"""LiteRT's benchmark command, with the peak memory of the process added to its result.

    python -m export.litert_benchmark --model=FILE ... --result_json=RESULT

Only the process itself can tell: on Linux the figure that its parent is given starts from
the parent's own memory.
"""

import json
import resource
import sys
from pathlib import Path

from ai_edge_litert.tools.benchmark_litert_model import main as litert_benchmark


def peak_mb() -> float:
    """Largest resident memory of this process so far."""
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


def main() -> None:
    litert_benchmark()
    path = Path(sys.argv[-1].removeprefix("--result_json="))
    path.write_text(json.dumps({**json.loads(path.read_text()), "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
