"""Starting a network from the weights of another one."""

from dataclasses import replace

from awsrn_keras.errors import InputError
from awsrn_keras.model import AWSRN
from awsrn_keras.variants import VARIANTS


def copy_weights(source: AWSRN, target: AWSRN) -> None:
    """Copy all weights that both networks have in common.

    Networks of different scales share all but tail and skip. A network with more blocks than
    `source` computes the same as `source` at first: the blocks that it has more follow those
    that are copied, with `lambda_res` 0, which lets features through as they are.

    Raises:
        InputError: The blocks of the networks are not alike, or `source` has more of them.
    """
    old, new = VARIANTS[source.variant], VARIANTS[target.variant]
    if replace(old, blocks=new.blocks) != new or old.blocks > new.blocks:
        raise InputError(
            f"--init holds {source.variant}, whose blocks do not fit into {target.variant}: "
            "choose another."
        )
    names = {layer.name for layer in source.layers}
    for layer in target.layers:
        if layer.name not in names:
            layer.lambda_res.assign(0.0)
            continue
        old_weights = source.get_layer(layer.name).get_weights() if layer.weights else []
        if [w.shape for w in old_weights] == [w.shape for w in layer.weights]:
            layer.set_weights(old_weights)
