"""Where an export goes unless told otherwise."""

from pathlib import Path
from typing import TYPE_CHECKING

from awsrn_keras.network.presets import presets

if TYPE_CHECKING:
    from awsrn_keras.network.model import AWSRN

FOLDER_HELP = "default exports/<preset>; for other models exports/<variant>_x<scale>"


def network_name(model: "AWSRN", origin: str) -> str:
    """A preset's name; for other weights the variant and scale of the network.

    Args:
        model: The network.
        origin: What names the weights: a preset or a file.
    """
    return origin if origin in presets() else f"{model.variant}_x{model.scale}"


def default_folder(model: "AWSRN", origin: str) -> Path:
    """The folder for the files of a network; arguments as of `network_name`."""
    return Path("exports") / network_name(model, origin)
