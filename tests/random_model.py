"""Networks in which every weight counts."""

import keras
import numpy as np
from keras import ops

from awsrn_keras import AWSRN


def random_model(variant="awsrn_sd", scale=2, dtype="float32", lambdas=None, seed=0, **kwargs):
    """An AWSRN with every weight moved from its initial value; lambdas of both signs."""
    keras.utils.set_random_seed(seed)
    model = AWSRN(variant, scale, dtype=dtype, **kwargs)
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        if variable.shape == ():
            variable.assign(rng.choice([-1, 1]) * rng.uniform(0.4, 1.6))
        elif len(variable.shape) == 1:
            variable.assign(ops.convert_to_numpy(variable) * rng.uniform(0.5, 1.5, variable.shape))
    for variable in model.trainable_variables:
        for path, value in (lambdas or {}).items():
            if variable.path.endswith(path):
                variable.assign(value)
    return model
