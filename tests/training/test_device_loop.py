"""What runs on the accelerator, value by value; and how far a training is by the clock."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from awsrn_keras.data import PairBank
from awsrn_keras.errors import InputError
from training.release.device_loop import State, draw_crops, host_bank, learning_rate, optimizer_step
from training.release.files import Progress
from training.release.recipe import Recipe
from training.release.run import Pace


def coordinates(image: int, height: int, width: int, scale: int):
    """A pair whose pixels are (row, column, number of the image)."""
    sides = [np.mgrid[: height * s, : width * s] for s in (1, scale)]
    lr, hr = (np.stack([*side, np.full_like(side[0], image)], -1).astype("uint8") for side in sides)
    return f"image {image}", lr, hr


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 3])
def test_crops_are_aligned_and_come_from_everywhere_in_eight_attitudes(scale):
    sizes = [(7, 9), (5, 5), (4, 30), (12, 6)]  # the third holds no patch
    pairs = [coordinates(i, *size, scale) for i, size in enumerate(sizes)]
    bank = jax.device_put(host_bank(PairBank.from_pairs(pairs, scale), 5))
    lr, hr = (np.asarray(crop) for crop in draw_crops(bank, jax.random.key(1), 600, 5))

    assert lr.shape == (600, 5, 5, 3)
    assert hr.shape == (600, 5 * scale, 5 * scale, 3)
    # Each HR pixel lies under its LR pixel, and neighbours are neighbours.
    under = lr.repeat(scale, axis=1).repeat(scale, axis=2)
    np.testing.assert_array_equal(hr[..., :2] // scale, under[..., :2])
    np.testing.assert_array_equal(hr[..., 2], under[..., 2])
    for axis in (1, 2):
        steps = np.abs(np.diff(hr[..., :2].astype(int), axis=axis))
        np.testing.assert_array_equal(steps.sum(axis=-1), 1)

    images = lr[:, 0, 0, 2]
    corners = lr[..., :2].min(axis=(1, 2))
    positions = [(i, y, x) for i in (0, 1, 3) for y in range(sizes[i][0] - 4)
                 for x in range(sizes[i][1] - 4)]  # fmt: skip
    drawn = [(int(i), int(y), int(x)) for i, (y, x) in zip(images, corners, strict=True)]
    counts = {position: drawn.count(position) for position in positions}
    assert sum(counts.values()) == 600  # nothing else was drawn
    # 32 positions: 19 of each on average; 40 is five standard deviations away.
    assert min(counts.values()) > 3
    assert max(counts.values()) < 40
    firsts = lr[:, 0, 0, :2].astype(int) - corners
    along = lr[:, 0, 1, :2].astype(int) - lr[:, 0, 0, :2]
    attitudes = {tuple(row) for row in np.concatenate([firsts, along], axis=1).tolist()}
    assert len(attitudes) == 8


def test_images_without_room_for_a_patch_are_an_error():
    pairs = PairBank.from_pairs([coordinates(0, 7, 9, 2)], 2)
    with pytest.raises(InputError, match="No image holds a patch of 8x8"):
        host_bank(pairs, 8)


def test_the_optimizer_is_adam_on_clipped_gradients_with_an_average():
    recipe = Recipe(learning_rate=0.01, final_rate=0.002, warm_up=4, ema=0.4)
    start, target = np.array([3.0, -2.0, 0.5]), np.array([1.0, 1.0, 1.0])
    zeros = [jnp.zeros(3)]
    state = State([jnp.array(start)], [jnp.array(start)], zeros, zeros, jnp.int32(0))

    weight, average, first, second = start, start, 0, 0
    for step in range(1, 7):
        gradient = (weight - target) * (100 if step < 3 else 1)  # the first two are clipped
        fraction = step / 6
        state = optimizer_step(state, [jnp.array(gradient, "float32")], recipe, fraction)

        gradient = gradient * min(1, 100 / np.linalg.norm(gradient))
        rate = (0.002 + 0.008 * (1 + np.cos(np.pi * fraction)) / 2) * min(1, step / 4)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        unbiased = first / (1 - 0.9**step), second / (1 - 0.999**step)
        weight = weight - rate * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)
        momentum = min(0.4, (step + 1) / (step + 10))
        average = momentum * average + (1 - momentum) * weight

    assert int(state.step) == 6
    assert np.abs(weight - start).max() > 0.01
    np.testing.assert_allclose(state.weights[0], weight, atol=1e-5)
    np.testing.assert_allclose(state.average[0], average, atol=1e-5)


def test_muon_is_that_of_fit():
    import keras

    from training.optimizers import Muon

    rng = np.random.default_rng(0)
    shapes = [(3, 3, 4, 10), (5,), (3, 3, 4, 10), (3, 3, 10, 4)]
    start = [rng.normal(size=shape).astype("float32") for shape in shapes]
    variables = [keras.Variable(value) for value in start]
    optimizer = Muon(0.01, epsilon=1e-8)
    recipe = Recipe(optimizer="muon", learning_rate=0.01, final_rate=0.01, warm_up=1)
    weights = [jnp.array(value) for value in start]
    zeros = [jnp.zeros(shape) for shape in shapes]
    state = State(weights, weights, zeros, zeros, jnp.int32(0))
    for _ in range(3):
        gradients = [rng.normal(size=shape).astype("float32") for shape in shapes]
        optimizer.apply(gradients, variables)
        state = optimizer_step(state, list(map(jnp.array, gradients)), recipe, 0.5)

    for value, variable, before in zip(state.weights, variables, start, strict=True):
        assert np.abs(value - before).mean() > 1e-3
        np.testing.assert_allclose(value, np.array(variable), atol=2e-5)


def test_the_rate_rises_then_falls_as_a_cosine():
    recipe = Recipe(learning_rate=1e-3, final_rate=1e-6, warm_up=100)
    assert float(learning_rate(recipe, 50, 0.0)) == pytest.approx(5e-4)
    assert float(learning_rate(recipe, 500, 0.5)) == pytest.approx(5.005e-4)
    assert float(learning_rate(recipe, 900, 1.0)) == pytest.approx(1e-6)


@pytest.mark.parametrize("speed", [lambda s: 3.0, lambda s: 2.0 if s < 60 else 5.0])
def test_by_the_clock_a_training_ends_within_half_a_call_of_its_budget(speed):
    pace, progress, call = Pace(Recipe(minutes=2)), Progress(), 0.0
    fractions = []
    while progress.fraction < 1:
        progress.fraction = pace.fraction_after(progress, call)
        fractions.append(progress.fraction)
        call = speed(progress.seconds)
        progress.seconds += call
        if len(fractions) == 10:
            progress.seconds += 4  # saving and scoring take their part
    assert abs(progress.seconds - 120) <= 2.5
    assert fractions == sorted(fractions)
    assert max(np.diff(fractions)) < 0.1


def test_by_steps_the_last_chunk_ends_the_training():
    pace, progress = Pace(Recipe(steps=18, chunk=5)), Progress()
    for step, expected in ((0, 0.25), (5, 0.5), (15, 1.0)):
        progress.step = step
        assert pace.fraction_after(progress, 99.0) == expected
