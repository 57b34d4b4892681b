"""What an exported file says about its network, whatever its format."""

from pathlib import Path
from typing import Any

from awsrn_keras import __version__, presets
from awsrn_keras.network.counts import receptive_field
from awsrn_keras.network.model import AWSRN


def network_facts(model: AWSRN, origin: str) -> dict[str, Any]:
    """For the metadata of a file.

    Args:
        model: The network.
        origin: What names the weights: a preset or a file.
    """
    card = presets().get(origin, {})
    return {
        "project": "awsrn-keras",
        "version": __version__,
        "variant": model.variant,
        "scale": model.scale,
        "kernel_sizes": model.kernel_sizes,
        "receptive_field": receptive_field(model),
        "tile_advice": "overlap tiles by the receptive field on every side and drop the margin",
        "license": card.get("license", "that of the weights in 'origin'"),
        "origin": {
            "weights": Path(origin).name,
            "history": card.get("origin"),
            "trained_on": card.get("trained_on"),
        },
    }
