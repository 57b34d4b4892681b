"""Starting a network from the weights of another one."""

from awsrn_keras.errors import InputError
from awsrn_keras.model import AWSRN


def copy_weights(source: AWSRN, target: AWSRN) -> None:
    """Copy all weights, or all but tail and skip where only the scales differ.

    Raises:
        InputError: The networks are of different variants.
    """
    if source.variant != target.variant:
        raise InputError(f"--init holds {source.variant}, not {target.variant}: choose another.")
    for layer in target.layers:
        old = source.get_layer(layer.name).get_weights() if layer.weights else []
        if [w.shape for w in old] == [w.shape for w in layer.weights]:
            layer.set_weights(old)
