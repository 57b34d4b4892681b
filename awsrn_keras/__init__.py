"""AWSRN: lightweight image super-resolution, from training to phones and servers.

Names load on first use: `import awsrn_keras` itself imports neither Keras nor TensorFlow.
"""

import importlib
from typing import Any

_HOME = {
    "AWSRN": "network.model",
    "VARIANTS": "network.variants",
    "branch_weights": "network.counts",
    "from_pytorch": "network.loading",
    "fuse": "network.fusion",
    "imresize": "pictures.resize",
    "multiply_adds": "network.counts",
    "presets": "network.presets",
    "prune_branches": "network.pruning",
    "psnr_y": "scoring.metrics",
    "receptive_field": "network.counts",
    "save_pytorch": "network.loading",
    "ssim_y": "scoring.metrics",
    "upscale": "upscaling.upscale",
}
__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
