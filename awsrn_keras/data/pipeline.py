"""From a bank of image pairs to batches of aligned random crops, and the `tf.data` pipeline.

Every example is a function of (seed, its number) alone, so training can go on from any
step with the very examples it would have seen. Crops are cut in NumPy, a batch at a time:
as TensorFlow operations on single examples they took ten times as long.
"""

from __future__ import annotations

import functools
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError
from .bank import PairBank
from .degradations import Degradation, degraded_patch

if TYPE_CHECKING:
    import tensorflow as tf


def crop_dataset(
    bank: PairBank,
    batch_size: int,
    patch_size: int,
    seed: int,
    first_step: int = 0,
    degrade: Degradation | None = None,
) -> tf.data.Dataset:
    """An endless dataset of batches of aligned crops, randomly flipped and turned.

    Images are drawn equally often, as in the paper's code: each pass over them visits each
    image once, in an order of its own. Images smaller than a patch are left out.

    Args:
        bank: The image pairs.
        batch_size: Crops in a batch.
        patch_size: Height and width of an LR crop, LR pixels; the HR crop is `bank.scale`
            times larger.
        seed: Decides everything: each seed gives a sequence of its own.
        first_step: Batches to skip, at no cost.
        degrade: How the LR crops are made worse; None leaves them as they are.

    Returns:
        Batches `(lr, hr)`, float32 RGB 0..255 `(batch, side, side, 3)`.

    Raises:
        InputError: Every image is smaller than a patch.
    """
    import tensorflow as tf

    crops = CropReader(bank, batch_size, patch_size, seed, degrade=degrade)
    shapes = [(batch_size, side, side, 3) for side in (patch_size, patch_size * bank.scale)]

    def as_tensors(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch = tf.numpy_function(crops, [step], [tf.uint8, tf.uint8])
        return tuple(
            tf.cast(tf.ensure_shape(side, shape), tf.float32)
            for side, shape in zip(batch, shapes, strict=True)
        )

    dataset = tf.data.Dataset.range(first_step, tf.int64.max).map(as_tensors)
    options = tf.data.Options()
    options.experimental_optimization.inject_prefetch = False  # see CropReader
    return dataset.with_options(options)


class CropReader:
    """Any batch of crops by its number, uint8, while a thread cuts the next ones.

    `reader(step)` are the LR and HR crops that `crop_dataset` has as its batch `step`.

    It stands in for `Dataset.prefetch`, whose thread may wait for Python's lock just when
    the interpreter exits: then the process hung about every second time.

    Args:
        bank, batch_size, patch_size, seed, degrade: As for `crop_dataset`.
        ahead: Batches that are cut in advance.
        share: `(i, n)` for every n-th crop of a batch alone, from its crop i on; n divides
            the batch size.

    Raises:
        InputError: Every image is smaller than a patch.
    """

    def __init__(
        self,
        bank: PairBank,
        batch_size: int,
        patch_size: int,
        seed: int,
        ahead: int = 4,
        degrade: Degradation | None = None,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        usable = _large_enough(bank, patch_size)
        offset, stride = share
        count = batch_size // stride
        self._cut = lambda step: crop_batch(
            bank, usable, patch_size, seed, step * batch_size + offset, count, degrade, stride
        )
        self._ahead = ahead
        self._batches: dict[int, Future] = {}
        self._pool = ThreadPoolExecutor(ahead if degrade else 1)  # JPEG takes its time
        self._lock = threading.Lock()

    def __call__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        with self._lock:
            wanted = range(int(step), int(step) + self._ahead + 1)
            for other in self._batches.keys() - set(wanted):
                self._batches.pop(other).cancel()
            for number in wanted:
                if number not in self._batches:
                    self._batches[number] = self._pool.submit(self._cut, number)
            batch = self._batches.pop(int(step))
        return batch.result()


def crop_batch(
    bank: PairBank,
    images: list[int],
    patch_size: int,
    seed: int,
    first: int,
    count: int,
    degrade: Degradation | None = None,
    stride: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """`count` examples, `first`, `first + stride`, ...: uint8 LR and HR `(count, side, side, 3)`.

    `images` are the numbers of the images in the bank to draw from.
    """
    sides = patch_size, patch_size * bank.scale
    lr, hr = (np.empty((count, side, side, 3), np.uint8) for side in sides)
    # Philox makes four words from each value of its counter: those of example i from i.
    words = np.random.Philox(key=_key(seed, 0)).advance(first).random_raw(4 * count * stride)
    for k, (down, right, turn, _) in enumerate(words.reshape(-1, 4)[::stride].tolist()):
        example = first + k * stride
        turns, place = divmod(example, len(images))
        pair = bank.pair(images[_order_of_pass(seed, turns, len(images))[place]])
        low, high = crop_pair(*pair, patch_size, down, right)
        if degrade:
            corner = crop_corner(pair[0], patch_size, down, right)
            random = np.random.Generator(np.random.Philox(key=_key(seed, example + 2**63)))
            low = degraded_patch(*pair, corner, patch_size, degrade, random)
        crops = orient_pair(low, high, turn)
        for side, crop in zip((lr, hr), crops, strict=True):
            # Whole pixels are copied, three times as fast as bytes.
            side[k].view("V3")[...] = crop.view("V3")
    return lr, hr


def crop_pair(
    lr: np.ndarray, hr: np.ndarray, patch_size: int, down: int, right: int
) -> tuple[np.ndarray, np.ndarray]:
    """The same square of both images, `patch_size` LR pixels wide, as views.

    `down` and `right` are any whole numbers from 0; their remainders choose the corner.
    """
    scale = hr.shape[0] // lr.shape[0]
    top, left = crop_corner(lr, patch_size, down, right)
    bottom, end = top + patch_size, left + patch_size
    return lr[top:bottom, left:end], hr[top * scale : bottom * scale, left * scale : end * scale]


def crop_corner(lr: np.ndarray, patch_size: int, down: int, right: int) -> tuple[int, int]:
    """Row and column where `crop_pair` begins in the LR image."""
    return down % (lr.shape[0] - patch_size + 1), right % (lr.shape[1] - patch_size + 1)


def orient_pair(lr: np.ndarray, hr: np.ndarray, turn: int) -> tuple[np.ndarray, np.ndarray]:
    """The same one of the eight flips and rotations of both images, as views.

    `turn` is any whole number from 0; its last three bits choose.
    """

    def orient(image: np.ndarray) -> np.ndarray:
        image = image.swapaxes(0, 1) if turn & 4 else image
        return image[:: -1 if turn & 2 else 1, :: -1 if turn & 1 else 1]

    return orient(lr), orient(hr)


@functools.lru_cache(maxsize=4)
def _order_of_pass(seed: int, number: int, count: int) -> list[int]:
    """A permutation of `count` images, another one for each pass over them."""
    words = np.random.Philox(key=_key(seed, 1 + number)).random_raw(count)
    return np.argsort(words, kind="stable").tolist()


def _key(seed: int, stream: int) -> np.ndarray:
    return np.array([seed % 2**64, stream], np.uint64)


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
