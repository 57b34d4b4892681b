"""What holds for pictures of any size, dtype, tile and crop: hypothesis looks for exceptions."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import awsrn_keras as awsrn
from awsrn_keras.data import PairBank
from awsrn_keras.data.pipeline import crop_batch
from awsrn_keras.errors import InputError
from awsrn_keras.upscaling.tiling import cut, cut_axis
from awsrn_keras.upscaling.upscale import upscale_with

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=100)
settings.load_profile("repeatable")

sides = st.integers(1, 40)
seeds = st.integers(0, 2**32)


def noise(seed, shape, dtype=np.uint8):
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top, shape, dtype, endpoint=True)


class Neighbours:
    """Each pixel plus a quarter of those two rows and columns away, x3: exact in float32."""

    dtype, scale, margin = np.dtype("float32"), 3, 2

    def __init__(self, window_pixels):
        self.window_pixels = window_pixels

    def __call__(self, window):
        padded = np.pad(window, ((2, 2), (2, 2), (0, 0)))
        around = padded[:-4, 2:-2] + padded[4:, 2:-2] + padded[2:-2, :-4] + padded[2:-2, 4:]
        return (window / 2 + around / 4).repeat(3, axis=0).repeat(3, axis=1)


@given(
    height=sides,
    width=sides,
    tile=st.none() | st.integers(1, 50),
    window_pixels=st.integers(1, 3000),
    grey=st.booleans(),
    alpha=st.booleans(),
    seed=seeds,
)
def test_neither_tiles_nor_memory_change_a_picture(
    height, width, tile, window_pixels, grey, alpha, seed
):
    pixels = noise(seed, (height, width) if grey else (height, width, 3))
    opacity = noise(seed + 1, (height, width)) if alpha else None
    if alpha and seed % 2:  # with larger parts that are all opaque
        opacity[: height // 2] = opacity[:, : width // 2] = 255
    done, whole = [], Neighbours(10**6)

    got = upscale_with(
        Neighbours(window_pixels), pixels, opacity, tile, progress=lambda *d: done.append(d)
    )

    assert [number for number, _ in done] == list(range(1, done[-1][1] + 1))
    expected = upscale_with(whole, pixels, opacity, tile=1000)
    assert got[0].shape == (3 * height, 3 * width, *pixels.shape[2:])
    assert got[0].dtype == np.uint8
    np.testing.assert_array_equal(got[0], expected[0])
    if alpha:
        np.testing.assert_array_equal(got[1], expected[1])
        alone, _ = upscale_with(whole, opacity)
        same = np.array(
            [
                [
                    len(np.unique(opacity[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3])) == 1
                    for x in range(width)
                ]
                for y in range(height)
            ]
        )
        expected = np.where(
            same.repeat(3, 0).repeat(3, 1), opacity.repeat(3, 0).repeat(3, 1), alone
        )
        np.testing.assert_array_equal(got[1], expected)
    else:
        assert got[1] is None


@given(height=sides, width=sides, grey=st.booleans(), seed=seeds)
def test_sixteen_bits_are_eight_bits_times_257(height, width, grey, seed):
    pixels = noise(seed, (height, width) if grey else (height, width, 3)) // 4 * 4
    eight, _ = upscale_with(Neighbours(10**6), pixels)
    sixteen, _ = upscale_with(Neighbours(10**6), pixels.astype(np.uint16) * 257)
    assert sixteen.dtype == np.uint16
    np.testing.assert_array_equal(sixteen, eight.astype(np.uint16) * 257)


@given(
    shape=st.lists(st.integers(0, 6), max_size=4).map(tuple),
    dtype=st.sampled_from(["uint8", "uint16", "int16", "int64", "float32", "bool", "complex64"]),
)
def test_what_is_no_picture_is_refused(shape, dtype):
    is_picture = (
        dtype in ("uint8", "uint16", "float32")
        and 0 not in shape
        and (len(shape) == 2 or (len(shape) in (3, 4) and shape[-1] in (3, 4)))
    )
    assume(not is_picture)
    with pytest.raises(InputError, match=r"^upscale "):
        awsrn.upscale(np.zeros(shape, dtype), Neighbours(100))


@given(length=st.integers(1, 20_000), tile=st.integers(1, 3000), margin=st.integers(0, 60))
def test_windows_cover_an_axis_once_and_see_their_surroundings(length, tile, margin):
    size, spans = cut_axis(length, tile, margin)
    assert [span.begin for span in spans] == [0, *[span.end for span in spans[:-1]]]
    assert spans[-1].end == length
    assert size <= tile + 2 * margin
    for start, begin, end in spans:
        assert 0 <= start <= begin < end <= start + size <= length
        assert start == 0 or begin - start >= margin
        assert start + size == length or start + size - end >= margin


@given(
    height=st.integers(1, 9000),
    width=st.integers(1, 9000),
    margin=st.integers(0, 60),
    window_pixels=st.integers(30_000, 10**6),
)
def test_windows_fit_in_memory(height, width, margin, window_pixels):
    rows, columns = cut(height, width, margin, window_pixels)
    assert rows.size * columns.size <= max(window_pixels, (3 * margin + 1) * columns.size)


@st.composite
def banks(draw):
    """A bank of one to four images whose HR pixels are (row, column, image), and its patch."""
    scale, patch = draw(st.sampled_from([2, 3, 4, 8])), draw(st.integers(1, 9))
    pairs = []
    for number in range(draw(st.integers(1, 4))):
        size = [scale * draw(st.integers(patch, patch + 9)) for _ in range(2)]
        hr = np.stack([*np.indices(size, np.uint8), np.full(size, number, np.uint8)], axis=2)
        pairs.append((f"image {number}", hr[::scale, ::scale], hr))
    return PairBank.from_pairs(pairs, scale), patch


@given(bank=banks(), seed=st.integers(-(2**63), 2**64), first=st.integers(0, 10**12))
def test_crops_are_aligned_whatever_the_sizes(bank, seed, first):
    bank, patch = bank
    lrs, hrs = crop_batch(bank, list(range(len(bank))), patch, seed, first, 6)
    side = patch * bank.scale
    assert (lrs.shape, hrs.shape) == ((6, patch, patch, 3), (6, side, side, 3))
    # However a crop is turned, an LR pixel is the corner of least row and column of its block.
    blocks = hrs.reshape(6, patch, bank.scale, patch, bank.scale, 3)
    np.testing.assert_array_equal(blocks.min(axis=(2, 4)), lrs)
    np.testing.assert_array_equal(blocks.max(axis=(2, 4))[..., :2], lrs[..., :2] + bank.scale - 1)
    for lr in lrs:  # one whole square of one image
        assert len(np.unique(lr[..., 2])) == 1
        assert len(np.unique(lr[..., 0])) == len(np.unique(lr[..., 1])) == patch


@given(bank=banks(), seed=seeds, first=st.integers(0, 10**6), cut_at=st.integers(0, 7))
def test_an_example_depends_on_its_number_alone(bank, seed, first, cut_at):
    bank, patch = bank
    images = list(range(len(bank)))
    whole = crop_batch(bank, images, patch, seed, first, 7)
    parts = [
        crop_batch(bank, images, patch, seed, first, cut_at),
        crop_batch(bank, images, patch, seed, first + cut_at, 7 - cut_at),
    ]
    for expected, *halves in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(np.concatenate(halves), expected)


dtypes = st.sampled_from([np.uint8, np.uint16])


@given(old=st.tuples(sides, sides), new=st.tuples(sides, sides), seed=seeds)
def test_resizing_commutes_with_turning_and_mirroring(old, new, seed):
    image = noise(seed, (*old, 3)).astype(float)  # integers are rounded between the two axes
    resized = awsrn.imresize(image, size=new)
    assert resized.shape == (*new, 3)
    turned = awsrn.imresize(image[::-1].swapaxes(0, 1), size=new[::-1])
    np.testing.assert_allclose(turned, resized[::-1].swapaxes(0, 1), atol=1e-9)


@given(old=st.tuples(sides, sides), new=st.tuples(sides, sides), dtype=dtypes, seed=seeds)
def test_resizing_keeps_a_plain_colour_and_a_picture_of_its_own_size(old, new, dtype, seed):
    colour = noise(seed, (1, 1, 3), dtype)
    plain = awsrn.imresize(np.broadcast_to(colour, (*old, 3)), size=new)
    np.testing.assert_array_equal(plain, np.broadcast_to(colour, (*new, 3)))
    assert plain.dtype == dtype
    image = noise(seed, (*old, 3), dtype)
    np.testing.assert_array_equal(awsrn.imresize(image, size=old), image)
