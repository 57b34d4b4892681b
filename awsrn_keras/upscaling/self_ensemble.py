"""The average over the eight flips and rotations of a picture."""

import numpy as np

from .engine import Engine


class SelfEnsemble:
    """An engine's mean over the eight flips and rotations of the window, in float32."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.dtype, self.scale = engine.dtype, engine.scale
        self.margin, self.window_pixels = engine.margin, engine.window_pixels

    def __call__(self, window: np.ndarray) -> np.ndarray:
        total = np.float32(0)
        for quarter_turns in range(4):
            for flip in (False, True):
                turned = np.rot90(window, quarter_turns)
                turned = turned[:, ::-1] if flip else turned
                upscaled = self.engine(np.ascontiguousarray(turned))
                upscaled = upscaled[:, ::-1] if flip else upscaled
                total = total + np.rot90(upscaled, -quarter_turns)
        return total / 8
