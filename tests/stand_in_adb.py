"""Stands in for adb and one phone: a folder holds the phone's files and its state.

`STAND_IN_PHONE` names the folder: `state` (as `adb devices` shows it; no file, no phone),
`room` (bytes that still fit), `unplug_after` and `interrupt_after` (runs of benchmark_model until
the cable is pulled or Ctrl-C is pressed), `storage/` (its files) and `commands` (what was asked
of it). What benchmark_model prints is what others published:

CPU: a log of android_aarch64_benchmark_model on GitHub, graph tiny_muaalem_int4.tflite, up to
the files' names. GPU: LiteRT's benchmark_model, github.com/mlcommons/mobile_app_open, issue
1134, comment of 2026-07-28; the lines that it leaves out as LiteRT's sources print them
(tflite/tools/benchmark/benchmark_model.cc) and as benchmark/driver/collect.py of
github.com/google-ai-edge/litert-samples reads them. Errors: the first log, int8. The messages
of adb: packages/modules/adb of the Android Open Source Project.
"""

import os
import re
import shutil
import signal
import sys
from pathlib import Path

SERIAL = "1A2B3C4D"
PROPERTIES = {
    "ro.product.brand": "google",
    "ro.product.model": "Pixel 9 Pro",
    "ro.build.version.release": "16",
}
CPU = """\
INFO: STARTING!
INFO: Log parameter values verbosely: [0]
INFO: Min num runs: [5]
INFO: Min warmup runs: [5]
INFO: Graph: [model.tflite]
INFO: Signature to run: []
INFO: Loaded model model.tflite
INFO: Initialized TensorFlow Lite runtime.
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
VERBOSE: Replacing 2136 out of 2168 node(s) with delegate (TfLiteXNNPackDelegate) node, \
yielding 65 partitions for subgraph 0.
INFO: The input model file size (MB): 8.45746
INFO: Initialized session in 207.799ms.
INFO: Running benchmark for at least 5 iterations and at least 0.5 seconds but terminate if \
exceeding 150 seconds.
INFO: count=11 first=90710 curr=42743 min=42209 max=90710 avg=48230.2 std=13845 p5=42209 \
median=42611 p95=90710

INFO: Running benchmark for at least 5 iterations and at least 1 seconds but terminate if \
exceeding 150 seconds.
INFO: count=24 first=42468 curr=41938 min=41938 max=42840 avg=42394.8 std=188 p5=42133 \
median=42419 p95=42671

INFO: Inference timings in us: Init: 207799, First inference: 90710, Warmup (avg): 48230.2, \
Inference (avg): 42394.8
INFO: Note: as the benchmark tool itself affects memory footprint, the following is only \
APPROXIMATE to the actual memory footprint of the model at runtime. Take the information at \
your discretion.
INFO: Memory footprint delta from the start of the tool (MB): init=23.5938 overall=26.6797
INFO: Overall peak memory footprint (MB) via periodic monitoring: 93.2383
"""
GPU = """\
INFO: Replacing 75 out of 75 node(s) with delegate (LITERT_CL) node, yielding 1 partitions for \
subgraph 0 (main).
INFO: count=1 curr=7441040 p5=7441040 median=7441040 p95=7441040
INFO: count=10 first=7416400 curr=7430100 min=7416400 max=7448860 avg=7.4302e+06 std=9920 \
p5=7416400 median=7429950 p95=7448860
INFO: [benchmark_litert_model.h:90]
========== BENCHMARK RESULTS ==========
INFO: [benchmark_litert_model.h:92] Signature name:       prefill_1024
INFO: [benchmark_litert_model.h:94] Model initialization: 23744.73 ms
INFO: [benchmark_litert_model.h:96] Warmup (first):       7441.04 ms
INFO: [benchmark_litert_model.h:98] Warmup (avg):         7441.04 ms (1 runs)
INFO: [benchmark_litert_model.h:100] Inference (avg):      7430.20 ms (10 runs)
INFO: [benchmark_litert_model.h:104] Inference (min):      7416.40 ms
INFO: [benchmark_litert_model.h:106] Inference (max):      7448.86 ms
INFO: [benchmark_litert_model.h:108] Inference (std):      9.92
INFO: [benchmark_litert_model.h:115] Throughput:           27.46 MB/s
INFO: [benchmark_litert_model.h:124]
Memory Usage:
INFO: [benchmark_litert_model.h:126] Init footprint:       6391.74 MB
INFO: [benchmark_litert_model.h:128] Overall footprint:    6391.74 MB
INFO: [benchmark_litert_model.h:135] Peak memory usage not available. (peak_mem_mb <= 0)
"""
NPU = """\
INFO: STARTING!
ERROR: Node number 57 (BATCH_MATMUL) failed to prepare.
ERROR: Failed to allocate tensors!
ERROR: Benchmarking failed.
"""
UNAUTHORIZED = """\
error: device unauthorized.
This adb server's $ADB_VENDOR_KEYS is not set
Try 'adb kill-server' if that seems wrong.
Otherwise check for a confirmation dialog on your device."""


def fail(message: str, status: int = 1) -> None:
    print(message, file=sys.stderr)
    sys.exit(status)


def in_phone(name: str) -> Path:
    return Path(os.environ["STAND_IN_PHONE"]) / name


def setting(name: str) -> str | None:
    file = in_phone(name)
    return file.read_text().strip() if file.is_file() else None


def comes_now(name: str) -> bool:
    """Whether what a setting counts down to happens in this run."""
    left = setting(name)
    if left:
        in_phone(name).write_text(str(int(left) - 1))
    return left == "0"


def on_phone(path: str) -> Path:
    return in_phone("storage") / path.removeprefix("/")


def push(source: str, target: str) -> None:
    held = sum(file.stat().st_size for file in in_phone("storage").rglob("*") if file.is_file())
    room = setting("room")
    if room is not None and held + Path(source).stat().st_size > int(room):
        fail(
            f"adb: error: failed to copy '{source}' to '{target}': "
            "remote write failed: No space left on device"
        )
    target = target + Path(source).name if target.endswith("/") else target
    if not on_phone(target).parent.is_dir():
        fail(f"adb: error: failed to copy '{source}' to '{target}': remote secure_mkdirs failed")
    shutil.copyfile(source, on_phone(target))
    print(f"{source}: 1 file pushed, 0 skipped. 31.4 MB/s")


def shell(command: str) -> None:
    first, *rest = command.split()
    if first == "getprop":
        print(PROPERTIES[rest[0]], end="\r\n")
    elif first == "mkdir":
        on_phone(rest[-1]).mkdir(parents=True, exist_ok=True)
    elif first == "chmod":
        on_phone(rest[-1]).chmod(int(rest[0], 8))
    elif first == "rm":
        shutil.rmtree(on_phone(rest[-1]), ignore_errors=True)
    else:
        benchmark(command)


def benchmark(command: str) -> None:
    folder = on_phone(re.match(r"cd (\S+) &&", command)[1])
    (model,) = re.findall(r"--graph=(\S+)", command)
    if not os.access(folder / "benchmark_model", os.X_OK):
        print("/system/bin/sh: ./benchmark_model: can't execute: Permission denied")
        sys.exit(126)
    if not (folder / model).is_file():
        print(f"ERROR: Failed to load model {model}\nERROR: Benchmarking failed.")
        sys.exit(1)
    if comes_now("unplug_after"):
        in_phone("state").unlink()
        fail("error: closed")
    if comes_now("interrupt_after"):
        os.kill(os.getppid(), signal.SIGINT)
        os._exit(130)
    if "--use_npu=true" in command:
        print(NPU, end="")
        sys.exit(1)
    print(GPU if "--use_gpu=true" in command else CPU, end="")


def main(arguments: list[str]) -> None:
    with in_phone("commands").open("a") as commands:
        print(*arguments, file=commands)
    state = setting("state")
    if arguments == ["devices"]:
        print("List of devices attached")
        if state:
            print(f"{SERIAL}\t{state}")
        print()
        return
    if arguments[0] == "-s":
        serial, arguments = arguments[1], arguments[2:]
        if not state or serial != SERIAL:
            fail(f"adb: device '{serial}' not found")
    if not state:
        fail("error: no devices/emulators found")
    if state == "unauthorized":
        fail(UNAUTHORIZED)
    if state != "device":
        fail(f"error: device {state}")
    verb, *rest = arguments
    {
        "get-state": lambda: print(state),
        "get-serialno": lambda: print(SERIAL),
        "push": lambda: push(*rest),
        "shell": lambda: shell(" ".join(rest)),
    }[verb]()


if __name__ == "__main__":
    main(sys.argv[1:])
