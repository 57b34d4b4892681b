"""LiteRT's benchmark command, made to wait for the GPU, with two figures added to its result.

    python -m export.measure.litert_benchmark --model=FILE ... --result_json=RESULT

By itself the command (ai-edge-litert 2.3) times how long it takes to hand a picture to the
GPU: 0.4 ms where the result is there after 600. `p90_ms`: it keeps the 5th and 95th
percentile only. `peak_mb`: only the process itself can tell, since on Linux the figure that
its parent is given starts from the parent's own memory.
"""

import json
import sys
from pathlib import Path

from ai_edge_litert.tools import benchmark_litert_model as litert


def peak_mb() -> float:
    """Largest resident memory of this process so far."""
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


def main() -> None:
    create_options, percentile, slow = litert.create_model_options, litert.percentile, {}

    def waiting(*arguments):
        options = create_options(*arguments)
        options.gpu_options.benchmark_mode = True
        return options

    def noting(times, percent):
        slow["p90_ms"] = percentile(times, 90)
        return percentile(times, percent)

    litert.create_model_options, litert.percentile = waiting, noting
    litert.main()
    path = Path(sys.argv[-1].removeprefix("--result_json="))
    path.write_text(json.dumps({**json.loads(path.read_text()), **slow, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
