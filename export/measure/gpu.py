"""The GPU of this machine as LiteRT sees it."""

import functools
import os
import re
import tempfile
from pathlib import Path

from awsrn_keras.upscaling.litert_engine import tflite_path

from .running import Device, start
from .timings import DidNotRun

_PACKAGES = "libvulkan1 chromium"  # Debian: the Vulkan loader; SwiftShader, a driver in software
_SWIFTSHADER = (
    "/usr/lib/chromium/vk_swiftshader_icd.json",
    "/usr/lib64/chromium-browser/vk_swiftshader_icd.json",
)
_DRIVER_VARIABLES = ("VK_DRIVER_FILES", "VK_ICD_FILENAMES")  # new and old name for the loader
_ADAPTER = re.compile(r"Selected adapter: (.*?), arch=.*adapterType=(.*)")


def find_gpu() -> Device | None:
    """The GPU that this system's drivers offer, or else SwiftShader, or else None.

    Where the environment names a driver (VK_DRIVER_FILES), no other is tried. LiteRT is
    asked once for each driver: it chooses a GPU when it compiles a file, so that a preset's
    is compiled.
    """
    return _find_gpu(tuple(filter(None, map(os.environ.get, _DRIVER_VARIABLES))))


def require_gpu() -> Device:
    """What `find_gpu` finds.

    Raises:
        DidNotRun: Nothing; the message names the packages that would help.
    """
    gpu = find_gpu()
    if gpu is None:
        cure = f"apt-get install {_PACKAGES}"
        raise DidNotRun(f"LiteRT finds no GPU and no driver in software: {cure}")
    return gpu


@functools.cache
def _find_gpu(named: tuple[str, ...]) -> Device | None:
    model = Path(tflite_path("awsrn_sd_x2"))
    software = [file for file in _SWIFTSHADER if Path(file).is_file() and not named]
    for environment in [{}, *(dict.fromkeys(_DRIVER_VARIABLES, file) for file in software)]:
        with tempfile.TemporaryDirectory() as folder:
            gpu = Device("GPU", "", environment=environment)
            done = start(gpu, model, Path(folder) / "none.npz")
        adapter = _ADAPTER.search(done.stderr)
        if adapter:
            name, kind = adapter.groups()
            stand_in = "a driver in software, no GPU" if "CPU" in kind else None
            return gpu._replace(name=name, stand_in=stand_in)
    return None
