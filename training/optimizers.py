"""Muon: steps that move a kernel in all its directions alike.

A gradient has a few strong directions and many weak ones. Adam scales every weight by itself
and leaves that as it is; Muon takes a kernel as a matrix, taps and inputs by outputs, and makes
the averaged gradient nearly orthogonal, so that weak directions are learned as fast as strong
ones. Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks"
(2024); the size of the steps is that of arXiv:2502.16982. docs/lab/experiments.md has what it
is worth here.

Why not Keras's own (3.15.1): `keras.optimizers.Muon` sends every variable that is not a matrix to
AdamW, and the kernels of convolutions have four axes. `keras.callbacks.SwapEMAWeights` would
leave the averages in the model while the state is saved; `--ema` swaps them in for validation
and for the best weights only (`averaged_weights` in training/fitting/callbacks.py).
"""

import keras
from keras import KerasTensor as Tensor
from keras import ops

MOMENTUM = 0.95  # of the averaged gradient
ITERATIONS = 5
POLYNOMIAL = 3.4445, -4.7750, 2.0315  # brings singular values to 0.7..1.2 in five iterations
EPSILON = 1e-12  # so that no gradient gives no step
STEP_SIZE = 0.2  # root mean square over a kernel's weights: as large as Adam's steps


class Muon(keras.optimizers.Adam):
    """Muon for the kernels of convolutions, Adam for biases, gains and scalars."""

    def update_step(
        self, gradient: Tensor, variable: keras.Variable, learning_rate: Tensor
    ) -> None:
        if not is_kernel(variable):
            super().update_step(gradient, variable, learning_rate)
            return
        average = self._momentums[self._get_variable_index(variable)]
        self.assign(average, averaged(average, gradient))
        step = orthogonal(averaged(average, gradient))
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * step)


OPTIMIZERS = {"adam": keras.optimizers.Adam, "muon": Muon}


def is_kernel(weight: keras.Variable) -> bool:
    """Whether it is the kernel of a convolution, `(height, width, inputs, outputs)`."""
    return len(weight.shape) == 4


def averaged(average: Tensor, gradient: Tensor) -> Tensor:
    """The gradients' moving average; once more with the newest one it looks a step ahead."""
    return MOMENTUM * average + (1 - MOMENTUM) * gradient


def orthogonal(kernel: Tensor) -> Tensor:
    """The nearest orthogonal matrix to a kernel, roughly, as a step.

    Args:
        kernel: `(height, width, inputs, outputs)`, taken as a matrix
            `(height * width * inputs, outputs)`.

    Returns:
        The same shape: all singular values, up to the rank, are about alike (within 0.7 to
        1.2 of each other), and the root mean square is about `STEP_SIZE`.
    """
    height, width, inputs, outputs = kernel.shape
    rows = height * width * inputs
    x = ops.reshape(kernel, (rows, outputs))
    x = x if rows < outputs else ops.transpose(x)
    x = x / (ops.sqrt(ops.sum(ops.square(x))) + EPSILON)
    a, b, c = POLYNOMIAL
    for _ in range(ITERATIONS):  # Newton-Schulz
        square = ops.matmul(x, ops.transpose(x))
        x = a * x + ops.matmul(b * square + c * ops.matmul(square, square), x)
    x = x if rows < outputs else ops.transpose(x)
    return STEP_SIZE * max(rows, outputs) ** 0.5 * ops.reshape(x, kernel.shape)
