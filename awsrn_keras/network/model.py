"""The AWSRN network.

Source: Wang, Li and Shi, "Lightweight Image Super-Resolution with Adaptive Weighted
Learning Network" (2019), arXiv:1904.02358; github.com/ChaofWang/AWSRN at b7e285e.
"""

import os
from typing import Any

import keras
import numpy as np
from keras import ops

from ..command_line import BACKENDS
from ..errors import InputError
from . import layers  # not its names: it may be what imported Keras, which imports this file
from .composite import layer_states, restore_states
from .official import from_official
from .presets import preset_path, presets
from .tensor_files import read_tensors
from .variants import VARIANTS, check_variant_and_scale

RGB_MEAN = 255 * np.array([0.4488, 0.4371, 0.4040])  # of DIV2K, as in the official code
HALF_RANGE = 127.5


@keras.saving.register_keras_serializable(package="awsrn_keras")
class AWSRN(keras.Model):
    """Super-resolution network: `pixel_shuffle(AWMS(LFBs(head(x))) + skip(x))`.

    Args:
        variant: A key of `VARIANTS`: "awsrn", "awsrn_m", "awsrn_s", "awsrn_sd"
            or "awsrn_nano".
        scale: Magnification: 2, 3, 4 or 8.
        kernel_sizes: Branches of the AWMS tail, those of the variant if None: 3, 5, 7 and 9 in
            the published networks.

    Input: RGB images `(batch, height, width, 3)`, float32, 0..255. Height and width are
    free. Output: `(batch, scale * height, scale * width, 3)`, same range, not clipped.
    With `dtype="mixed_bfloat16"` or `"mixed_float16"` the convolutions compute in 16
    bits, all but the skip path, which carries the picture itself; input and output stay
    float32.

    It is saved and loaded as other Keras models are, with the optimizer and with what is frozen.
    The legacy `.h5` format is refused.

    Raises:
        ValueError: The variant or the scale is unknown.
        InputError: Keras runs on another backend than TensorFlow or JAX.
    """

    def __init__(
        self,
        variant: str = "awsrn_sd",
        scale: int = 2,
        kernel_sizes: tuple[int, ...] | None = None,
        dtype=None,
        name: str | None = None,
        **kwargs,
    ) -> None:
        check_variant_and_scale(variant, scale)
        backend = keras.backend.backend()
        if backend not in BACKENDS:
            raise InputError(
                f"Keras runs on {backend}, AWSRN on {' or '.join(BACKENDS)}: "
                "set KERAS_BACKEND before Keras is imported."
            )
        size = VARIANTS[variant]
        kernel_sizes = tuple(kernel_sizes or size.kernel_sizes)
        policy = keras.dtype_policies.get(dtype or keras.config.dtype_policy())
        pixel_type = policy.variable_dtype  # float32 under a mixed policy
        channels = 3 * scale**2

        image = keras.Input((None, None, 3), dtype=pixel_type, name="image")
        # Arrays, because Rescaling rounds Python numbers to float32 even in a float64 model.
        x = keras.layers.Rescaling(
            np.array(1 / HALF_RANGE), -RGB_MEAN / HALF_RANGE, dtype=pixel_type, name="normalize"
        )(image)
        features = layers.WeightNormConv2D(size.filters, 3, dtype=policy, name="head")(x)
        features = ops.cast(features, pixel_type)
        for block in range(size.blocks):
            features = layers.LFB(
                size.filters,
                size.units,
                size.expanded_filters,
                dtype=policy,
                name=f"lfb_{block + 1}",
            )(features)
        tail = layers.AWMS(channels, kernel_sizes, dtype=policy, name="awms")(features)
        skip = layers.WeightNormConv2D(channels, 3, dtype=pixel_type, name="skip")(x)
        pixels = ops.depth_to_space(tail + skip, scale)
        upscaled = keras.layers.Rescaling(
            HALF_RANGE, RGB_MEAN, dtype=pixel_type, name="denormalize"
        )(pixels)

        super().__init__(image, upscaled, name=name or f"{variant}_x{scale}", **kwargs)
        self.variant = variant
        self.scale = scale
        self.kernel_sizes = kernel_sizes
        self.dtype_policy = policy

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "trainable": self.trainable,
            "variant": self.variant,
            "scale": self.scale,
            "kernel_sizes": self.kernel_sizes,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            "parts": layer_states(self.layers[1:]),  # the first is the input
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "AWSRN":
        arguments = dict(config)
        states = arguments.pop("parts", {})  # older files have none
        model = cls(**arguments)
        restore_states(model.layers[1:], states)
        return model

    def save(self, filepath: str | os.PathLike, *args, **kwargs) -> None:
        """As `keras.Model.save`, but for the legacy `.h5`, which Keras could not load again."""
        if str(filepath).endswith((".h5", ".hdf5")):
            raise InputError(
                f"{filepath}: name the file *.keras, or write *.weights.h5 by save_weights."
            )
        super().save(filepath, *args, **kwargs)

    @classmethod
    def from_preset(cls, preset: str, dtype: Any = None) -> "AWSRN":
        """A trained network by its name, a key of `awsrn_keras.presets()`.

        Args:
            dtype: Keras dtype or policy, as of `AWSRN`.
        """
        path, card = preset_path(preset), presets()[preset]
        model = build_model(read_tensors(path), path, cls, dtype)
        found = f"{model.variant} x{model.scale} of {model.count_params():,} parameters"
        expected = f"{card['variant']} x{card['scale']} of {card['params']:,} parameters"
        if found != expected:
            raise InputError(f"{path}: holds {found}, not {expected}; install the package anew.")
        return model


def build_model(
    tensors: dict[str, np.ndarray], source: object, cls: type[AWSRN] = AWSRN, dtype: Any = None
) -> AWSRN:
    """A `cls` with these official tensors; `source` names them in errors.

    Raises:
        InputError: They are not those of a network; the message names the first that differs.
    """
    variant, scale, kernel_sizes, weights = from_official(tensors, source)
    model = cls(variant, scale, kernel_sizes, dtype=dtype)
    for variable in model.variables:
        variable.assign(weights[variable.path].reshape(variable.shape))
    return model
