"""The part of a release training that runs on the accelerator, many steps per call.

The images stay on the device; a step draws its own crops there, so between two calls of the
compiled program nothing is sent but three numbers.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from awsrn_keras.data import PairBank
from awsrn_keras.errors import InputError
from awsrn_keras.network.model import AWSRN
from training.losses import LOSSES
from training.optimizers import averaged, is_kernel, orthogonal

from .recipe import Recipe

LARGEST_NORM = 100  # of a gradient; training reaches it in the first steps only
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class DeviceBank(NamedTuple):
    """All images that hold a patch, on the device.

    A crop position is a corner at which a patch fits, counted through all images.

    Attributes:
        pixels: uint8 `(LR pixels of all images, 3 + 3 * scale**2)`: an LR pixel and the HR
            pixels that it covers, `(row, column, colour)`; so a pair of crops is aligned.
        first_pixel: Per image, the row of `pixels` that is its top left corner.
        width: Per image, LR pixels.
        columns: Per image, crop positions side by side.
        first_position: Per image, its first crop position.
        last_position: Per image, one more than its last crop position.
    """

    pixels: jax.Array
    first_pixel: jax.Array
    width: jax.Array
    columns: jax.Array
    first_position: jax.Array
    last_position: jax.Array


class State(NamedTuple):
    """Everything that a step changes; the lists are in the order of `trainable_variables`."""

    weights: list[jax.Array]
    average: list[jax.Array]
    first_moment: list[jax.Array]
    second_moment: list[jax.Array]
    step: jax.Array


def host_bank(pairs: PairBank, patch_size: int) -> DeviceBank:
    """The bank in NumPy; `jax.device_put` brings it to the device.

    Raises:
        InputError: No image holds a patch, or there are too many pixels for 32-bit indices.
    """
    kept = [i for i in range(len(pairs)) if min(pairs.lr_size(i)) >= patch_size]
    if not kept:
        raise InputError(
            f"No image holds a patch of {patch_size}x{patch_size} LR pixels at x{pairs.scale}: "
            "give larger images or a smaller --patch-size."
        )
    heights, widths = np.array([pairs.lr_size(i) for i in kept], np.int64).T
    columns = widths - patch_size + 1
    ends, last = np.cumsum(heights * widths), np.cumsum((heights - patch_size + 1) * columns)
    if ends[-1] >= 2**31:
        raise InputError("The images have more than 2^31 LR pixels together: give fewer.")
    first_pixel = np.concatenate([[0], ends[:-1]])
    pixels = np.empty((ends[-1], 3 + 3 * pairs.scale**2), np.uint8)
    for i, start, end in zip(kept, first_pixel, ends, strict=True):
        lr, hr = pairs.pair(i)
        pixels[start:end, :3] = lr.reshape(-1, 3)
        pixels[start:end, 3:] = _pixels_below(hr, pairs.scale)
    tables = (first_pixel, widths, columns, np.concatenate([[0], last[:-1]]), last)
    return DeviceBank(pixels, *(table.astype(np.int32) for table in tables))


def _pixels_below(hr: np.ndarray, scale: int) -> np.ndarray:
    """HR pixels `(LR pixels, 3 * scale**2)`, those of one LR pixel in a row."""
    height, width, _ = hr.shape
    cells = hr.reshape(height // scale, scale, width // scale, scale, 3)
    return cells.swapaxes(1, 2).reshape(-1, 3 * scale**2)


def draw_crops(bank: DeviceBank, key: jax.Array, batch_size: int, patch_size: int):
    """A batch of LR and HR crops, uint8, from all crop positions alike.

    Both crops of a pair are mirrored and transposed in the same way, one of eight.
    """
    position_key, turn_key = jax.random.split(key)
    position = jax.random.randint(position_key, (batch_size,), 0, bank.last_position[-1])
    image = jnp.searchsorted(bank.last_position, position, side="right")
    row, column = jnp.divmod(position - bank.first_position[image], bank.columns[image])
    width = bank.width[image]
    corner = bank.first_pixel[image] + row * width + column
    side = jnp.arange(patch_size)
    index = corner[:, None, None] + side[:, None] * width[:, None, None] + side
    cells = bank.pixels.at[index].get(mode="promise_in_bounds")

    scale = math.isqrt(cells.shape[-1] // 3 - 1)
    hr = cells[..., 3:].reshape(batch_size, patch_size, patch_size, scale, scale, 3)
    hr = hr.swapaxes(2, 3).reshape(batch_size, scale * patch_size, scale * patch_size, 3)
    turns = jax.random.bernoulli(turn_key, shape=(3, batch_size, 1, 1, 1))
    return _turned(cells[..., :3], turns), _turned(hr, turns)


def _turned(images, turns):
    images = jnp.where(turns[0], images.swapaxes(1, 2), images)
    images = jnp.where(turns[1], images[:, ::-1], images)
    return jnp.where(turns[2], images[:, :, ::-1], images)


def new_state(model: AWSRN) -> State:
    """The state before the first step, from the weights that `model` has now."""
    values = [np.asarray(variable.value) for variable in model.trainable_variables]
    weights, average = ([jnp.array(value) for value in values] for _ in range(2))
    first, second = ([jnp.zeros_like(weight) for weight in weights] for _ in range(2))
    return State(weights, average, first, second, jnp.int32(0))


def compile_steps(model: AWSRN, recipe: Recipe, state: State, bank: DeviceBank) -> Callable:
    """The compiled program `(state, bank, schedule) -> (state, mean loss)`.

    A call takes `recipe.chunk` steps and uses up the memory of the state given. `schedule`
    is float32: how far the training is before and after the call, 0 to 1, and the step
    before it. Crops and flips depend on the seed and the number of the step alone.
    """

    def loss_of(weights, lr, hr):
        sr, _ = model.stateless_call(weights, [], lr)
        return LOSSES[recipe.loss](hr, sr).mean()

    def take_step(state, _, bank, schedule):
        key = jax.random.fold_in(jax.random.key(recipe.seed), state.step)
        crops = draw_crops(bank, key, recipe.batch_size, recipe.patch_size)
        lr, hr = (crop.astype(jnp.float32) for crop in crops)
        loss, gradients = jax.value_and_grad(loss_of)(state.weights, lr, hr)
        before, after, first_step = schedule
        done = (state.step + 1 - first_step) / recipe.chunk
        fraction = jnp.clip(before + (after - before) * done, 0, 1)
        return optimizer_step(state, gradients, recipe, fraction), loss

    def take_steps(state, bank, schedule):
        step = partial(take_step, bank=bank, schedule=schedule)
        state, losses = jax.lax.scan(step, state, None, length=recipe.chunk)
        return state, losses.mean()

    program = jax.jit(take_steps, donate_argnums=0)
    return program.lower(state, bank, np.zeros(3, np.float32)).compile()


def learning_rate(recipe: Recipe, step, fraction):
    """The rate of step `step`, counted from 1, when `fraction` of the training is done."""
    cosine = 0.5 * (1 + jnp.cos(jnp.pi * fraction))
    rate = recipe.final_rate + (recipe.learning_rate - recipe.final_rate) * cosine
    return rate * jnp.minimum(step / recipe.warm_up, 1)


def optimizer_step(state: State, gradients: list, recipe: Recipe, fraction) -> State:
    """One step of Adam or Muon on clipped gradients, and of the average of the weights.

    `fraction` of the training is done with this step. The average is one over few steps at
    first, so that the random start has no weight in it.
    """
    step = state.step + 1
    count = step.astype(jnp.float32)
    norm = jnp.sqrt(sum(jnp.square(gradient).sum() for gradient in gradients))
    shrink = jnp.minimum(1, LARGEST_NORM / (norm + 1e-9))
    gradients = [gradient * shrink for gradient in gradients]
    rate = learning_rate(recipe, count, fraction)
    momentum = jnp.minimum(recipe.ema, (count + 1) / (count + 10))

    moments = zip(state.first_moment, state.second_moment, gradients, strict=True)
    adam = [_adam(*tensors, count) for tensors in moments]
    steps, first, second = map(list, zip(*adam, strict=True))
    if recipe.optimizer == "muon":
        kernels = [i for i, weight in enumerate(state.weights) if is_kernel(weight)]
        for i in kernels:
            first[i] = averaged(state.first_moment[i], gradients[i])
        ahead = [averaged(first[i], gradients[i]) for i in kernels]
        for i, kernel_step in zip(kernels, _orthogonal(ahead), strict=True):
            steps[i] = kernel_step
    weights = [w - rate * s for w, s in zip(state.weights, steps, strict=True)]
    pairs = zip(state.average, weights, strict=True)
    average = [momentum * a + (1 - momentum) * w for a, w in pairs]
    return State(weights, average, first, second, step)


def _adam(first, second, gradient, count):
    """Adam's step and new moments."""
    first = BETA_1 * first + (1 - BETA_1) * gradient
    second = BETA_2 * second + (1 - BETA_2) * jnp.square(gradient)
    root = jnp.sqrt(second / (1 - BETA_2**count))
    return first / (1 - BETA_1**count) / (root + EPSILON), first, second


def _orthogonal(kernels: list) -> list:
    """`orthogonal` of each; those of one shape at once, for few large products."""
    steps = list(kernels)
    for shape in {kernel.shape for kernel in kernels}:
        alike = [i for i, kernel in enumerate(kernels) if kernel.shape == shape]
        stack = orthogonal(jnp.stack([kernels[i] for i in alike]))
        for i, step in zip(alike, stack, strict=True):
            steps[i] = step
    return steps
