"""Call a SavedModel from many threads at once, without Python code of TensorFlow or Keras.

Run as a script, it reads a pickled dictionary from stdin: `library` and `folder` as for
run_saved_model.py, `requests` (each `(feeds, fetch)`), `threads` and `times`. Every request is
first answered alone; then every thread asks as many times, in an order of its own. It writes a
pickled dictionary to stdout: `alone` (those first answers), `served` (how often each was asked),
`wrong` (numbers of requests that were answered otherwise), `megabytes` (resident memory after
each answer) and `modules`.
"""

import pickle
import random
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parent))
from run_saved_model import Session


def main():
    task = pickle.load(sys.stdin.buffer)
    session = Session(task["library"], task["folder"])
    requests = task["requests"]
    alone = [session.run(*request) for request in requests]
    served, wrong, megabytes, failures = [], [], [], []

    def ask(seed):
        draw, number = random.Random(seed), seed % len(requests)
        try:
            for _ in range(task["times"]):
                if not _same(session.run(*requests[number]), alone[number]):
                    wrong.append(number)
                served.append(number)
                megabytes.append(_resident_megabytes())
                number = draw.randrange(len(requests))
        except Exception as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(task["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(failures[0])
    result = {"alone": alone, "served": Counter(served), "wrong": wrong, "megabytes": megabytes}
    pickle.dump({**result, "modules": sorted(sys.modules)}, sys.stdout.buffer)


def _same(answer, other):
    """To the last bit."""
    if isinstance(answer[2], np.ndarray):
        return answer[:2] == other[:2] and np.array_equal(answer[2], other[2])
    return answer == other


def _resident_megabytes():
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmRSS")


if __name__ == "__main__":
    main()
