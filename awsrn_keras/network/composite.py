"""Layers made of others; saved, they keep what is frozen in them and their dtype policies."""

from collections.abc import Mapping
from typing import Any, Self

import keras


def layer_states(layers: list[keras.layers.Layer]) -> dict[str, dict[str, Any]]:
    """By name whether each layer is trainable, its dtype policy, and the same of its parts."""
    kept = ("trainable", "dtype", "parts")
    return {
        layer.name: {key: value for key, value in layer.get_config().items() if key in kept}
        for layer in layers
    }


def restore_states(layers: list[keras.layers.Layer], states: Mapping[str, dict[str, Any]]) -> None:
    """Give layers what `layer_states` returned; one that is not named there stays as it is."""
    for layer in layers:
        if layer.name in states:
            state = states[layer.name]
            layer.dtype_policy = state["dtype"]
            layer.trainable = state["trainable"]  # of its parts as well, which come next
            if isinstance(layer, Composite):
                restore_states(layer.parts(), state["parts"])


class Composite(keras.layers.Layer):
    """A layer made of others. Their states are in its config: Keras keeps those of models only."""

    def parts(self) -> list[keras.layers.Layer]:
        """The layers in it; no attribute, since Keras would save their weights under its name."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "parts": layer_states(self.parts())}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        arguments = dict(config)
        states = arguments.pop("parts", {})
        layer = super().from_config(arguments)
        restore_states(layer.parts(), states)
        return layer
