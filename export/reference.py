"""The network that an exported file is compared with."""

from awsrn_keras.network.model import AWSRN


def unrounded(model: AWSRN) -> AWSRN:
    """A copy that computes in the format of its weights, float32, not in 16 bits."""
    dtype = model.dtype_policy.variable_dtype
    copy = AWSRN(model.variant, model.scale, model.kernel_sizes, dtype=dtype)
    copy.set_weights(model.get_weights())
    return copy
