"""From a bank of image pairs to batches of aligned random crops: the `tf.data` pipeline.

Every example is a function of (seed, its number) alone, so training can go on from any
step with the very examples it would have seen.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..errors import InputError
from .bank import PairBank

if TYPE_CHECKING:
    import tensorflow as tf


def crop_dataset(
    bank: PairBank, batch_size: int, patch_size: int, seed: int, first_step: int = 0
) -> tf.data.Dataset:
    """An endless dataset of batches of aligned crops, randomly flipped and turned.

    Images are drawn equally often, as in the paper's code: each pass over them visits each
    image once, in an order of its own. Images smaller than a patch are left out.

    Args:
        bank: The image pairs.
        batch_size: Crops in a batch.
        patch_size: Height and width of an LR crop, LR pixels; the HR crop is `bank.scale`
            times larger.
        seed: Decides everything; the dataset of another seed is another one.
        first_step: Batches to skip, at no cost.

    Returns:
        Batches `(lr, hr)`, float32 RGB 0..255 `(batch, side, side, 3)`.

    Raises:
        InputError: Every image is smaller than a patch.
    """
    import tensorflow as tf

    usable = _large_enough(bank, patch_size)
    hr_patch = patch_size * bank.scale

    def example(i):
        place = _shuffled_place(i, len(usable), seed)
        lr, hr = tf.numpy_function(bank.pair, [tf.gather(usable, place)], [tf.uint8, tf.uint8])
        crop_seed, turn_seed = tf.unstack(tf.random.split(tf.stack([seed, i]), 2))
        lr, hr = random_crop(lr, hr, crop_seed, patch_size, bank.scale)
        lr, hr = random_orientation(lr, hr, turn_seed)
        return (
            tf.ensure_shape(lr, (patch_size, patch_size, 3)),
            tf.ensure_shape(hr, (hr_patch, hr_patch, 3)),
        )

    def as_float(lr, hr):
        return tf.cast(lr, tf.float32), tf.cast(hr, tf.float32)

    examples = tf.data.Dataset.range(first_step * batch_size, tf.int64.max).map(
        example, num_parallel_calls=2, deterministic=True
    )
    return examples.batch(batch_size, drop_remainder=True).map(as_float).prefetch(2)


def random_crop(lr, hr, seed, patch_size: int, scale: int):
    """The same random square of both images: `patch_size` LR pixels, `scale` times that in HR.

    Args:
        lr: `(height, width, channels)`, at least `patch_size` both ways.
        hr: `scale` times larger.
        seed: Integer tensor of shape `(2,)`.
    """
    import tensorflow as tf

    hr_patch = patch_size * scale
    corners = tf.shape(lr, tf.int64)[:2] - patch_size + 1
    # Random 32-bit numbers, since the range differs for each side; the bias is below 1e-6.
    numbers = tf.random.stateless_uniform((2,), seed, None, None, tf.uint32)
    top, left = tf.unstack(tf.cast(numbers, tf.int64) % corners)
    lr = lr[top : top + patch_size, left : left + patch_size]
    top, left = top * scale, left * scale
    return lr, hr[top : top + hr_patch, left : left + hr_patch]


def random_orientation(lr, hr, seed):
    """The same one of the eight flips and rotations, drawn at random, of both images.

    Args:
        lr: `(height, width, channels)`.
        hr: The same, of any size.
        seed: Integer tensor of shape `(2,)`.
    """
    import tensorflow as tf

    bits = tf.random.stateless_uniform((3,), seed, 0, 2, tf.int32)
    swap, down, right = tf.unstack(bits)
    order = tf.stack([swap, 1 - swap, 2])  # rows first, or columns first

    def turn(image):
        return tf.transpose(image, order)[:: 1 - 2 * down, :: 1 - 2 * right]

    return turn(lr), turn(hr)


def _shuffled_place(i, count: int, seed: int):
    """Which of `count` images example `i` shows: a new permutation in each pass."""
    import tensorflow as tf

    permutation = tf.stack([tf.constant(seed, tf.int64), i // count])
    return tf.random.experimental.index_shuffle(i % count, permutation, count - 1)


def _large_enough(bank: PairBank, patch_size: int) -> list[int]:
    """Numbers of the images that hold a patch; the others are named on stderr."""
    usable = [i for i in range(len(bank)) if min(bank.lr_size(i)) >= patch_size]
    if not usable:
        largest = max(range(len(bank)), key=lambda i: min(bank.lr_size(i)))
        side = min(bank.lr_size(largest))
        raise InputError(
            f"{bank.names[largest]}: the shorter side is {side * bank.scale} pixels, less than "
            f"the {patch_size * bank.scale} of a patch at scale {bank.scale}, and no other image "
            f"is larger: give larger images or a patch size of at most {side}."
        )
    small = sorted(set(range(len(bank))) - set(usable))
    if small:
        names = ", ".join(bank.names[i] for i in small[:3]) + (", ..." if small[3:] else "")
        print(
            f"Left out {len(small)} of {len(bank)} images, smaller than a patch of "
            f"{patch_size * bank.scale} pixels ({names})",
            file=sys.stderr,
        )
    return usable
