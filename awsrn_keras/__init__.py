"""AWSRN: lightweight image super-resolution, from training to phones and servers.

Names load on first use: `import awsrn_keras` itself imports neither Keras nor TensorFlow. Once
Keras is imported, before or after, `keras.saving.load_model` knows the classes of this package.
"""

import contextlib
import importlib
import importlib.abc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_HOME = {
    "AWSRN": "network.model",
    "InputError": "errors",
    "VARIANTS": "network.variants",
    "branch_weights": "network.counts",
    "from_pytorch": "network.loading",
    "fuse": "network.fusion",
    "imresize": "pictures.resize",
    "load_model": "network.loading",
    "multiply_adds": "network.counts",
    "presets": "network.presets",
    "prune_branches": "network.pruning",
    "psnr_y": "scoring.metrics",
    "receptive_field": "network.counts",
    "save_pytorch": "network.loading",
    "ssim_y": "scoring.metrics",
    "upscale": "upscaling.upscale",
    "upscale_frames": "upscaling.frames",
}
__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]


class _KerasWatcher(importlib.abc.MetaPathFinder):
    """Registers the classes of this package with Keras as soon as that is imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "keras":
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in others)), None)
        if spec and spec.loader:
            load = spec.loader.exec_module

            def load_and_register(module: ModuleType) -> None:
                load(module)
                _register()

            spec.loader.exec_module = load_and_register  # type: ignore[method-assign]
        return spec


def _register() -> None:
    """Import what Keras has to know; if that fails it does so again, aloud, where it is used."""
    with contextlib.suppress(Exception):
        importlib.import_module(".network.model", __name__)


sys.meta_path.insert(0, _KerasWatcher())
if sys.modules.get("keras"):
    _register()
