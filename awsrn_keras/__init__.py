"""AWSRN: lightweight image super-resolution, from training to phones and servers.

Names load on first use: `import awsrn_keras` itself imports neither Keras nor TensorFlow.
"""

import importlib

_HOME = {
    "AWSRN": "model",
    "VARIANTS": "variants",
    "branch_weights": "model",
    "from_pytorch": "pytorch",
    "fuse": "fusion",
    "imresize": "resize",
    "multiply_adds": "model",
    "presets": "pretrained",
    "prune_branches": "pruning",
    "psnr_y": "metrics",
    "receptive_field": "model",
    "ssim_y": "metrics",
    "upscale": "upscaling",
}
__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__():
    return [*globals(), *__all__]
