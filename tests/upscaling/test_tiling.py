"""Cutting pictures into windows, checked with networks simple enough for exact arithmetic."""

import numpy as np
import pytest

from awsrn_keras.errors import InputError
from awsrn_keras.pictures.alpha import fill_transparent
from awsrn_keras.upscaling.tiling import cut, cut_axis
from awsrn_keras.upscaling.upscale import upscale_with


class BoxSum:
    """Sum over a square of radius 2 with zero padding, doubled in size by repetition.

    Integers below 2**24 are exact in float32, so tiles must agree to the last bit.
    """

    dtype, scale, window_pixels = np.dtype("float32"), 2, 300_000

    def __init__(self, margin=2, offset=0.0):
        self.margin, self.offset = margin, offset
        self.shapes = set()

    def __call__(self, window):
        assert window.dtype == np.float32
        self.shapes.add(window.shape)
        padded = np.pad(window, ((2, 2), (2, 2), (0, 0)))
        height, width = window.shape[:2]
        total = sum(padded[y : y + height, x : x + width] for y in range(5) for x in range(5))
        weighted = (total + np.arange(3, dtype="float32")) / 32 + self.offset
        return weighted.repeat(2, axis=0).repeat(2, axis=1)


def upscaled(engine, image, tile=None):
    return upscale_with(engine, image, tile=tile)[0]


def noise(*shape, dtype="uint8"):
    return np.random.default_rng(7).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


@pytest.mark.parametrize("margin", [0, 1, 5])
def test_spans_cover_an_axis_once_with_their_margins(margin):
    for length in range(1, 61):
        for tile in range(1, 25):
            size, spans = cut_axis(length, tile, margin)
            assert size <= min(length, tile + 2 * margin)
            assert [span.begin for span in spans] == [0, *[span.end for span in spans[:-1]]]
            assert spans[-1].end == length
            for start, begin, end in spans:
                assert 0 <= start <= begin < end <= start + size <= length
                assert begin - start >= margin or start == 0
                assert start + size - end >= margin or start + size == length


@pytest.mark.parametrize(
    ("height", "width"), [(3000, 4000), (8000, 6000), (200, 30000), (1, 9000), (30, 40), (1, 1)]
)
@pytest.mark.parametrize("margin", [14, 22, 41])
def test_windows_fit_in_memory_and_overlap_little(height, width, margin):
    rows, columns = cut(height, width, margin, window_pixels=300_000)

    assert rows.size * columns.size <= 300_000
    assert rows.size <= height
    assert columns.size <= min(width, 560)
    work = rows.size * len(rows.spans) * columns.size * len(columns.spans)
    assert work <= (1.2 if margin < 41 else 1.4) * height * width


def test_the_width_of_windows_depends_on_the_picture_alone():
    widths = {cut(900, 1300, 20, pixels, tile)[1] for pixels in (1, 10**6) for tile in (None, 9)}
    assert len(widths) == 1
    turned = {cut(900, 1300, 20, 1, tile, turned=True) for tile in (None, 9, 400)}
    assert len(turned) == 1
    rows, _ = cut(900, 1300, 20, window_pixels=1)
    assert rows.size == 60  # however little memory there is, not all of it margin


@pytest.mark.parametrize(("height", "width"), [(37, 23), (1, 50), (50, 1), (1, 1), (4, 64)])
@pytest.mark.parametrize("tile", [1, 3, 8, 20])
def test_tiles_change_nothing_and_share_one_window_shape(height, width, tile):
    image = noise(height, width, 3)
    engine = BoxSum()

    tiled = upscaled(engine, image, tile)

    np.testing.assert_array_equal(tiled, upscaled(BoxSum(), image, tile=1000))
    assert tiled.shape == (2 * height, 2 * width, 3)
    assert len(engine.shapes) == 1


def test_wide_pictures_are_cut_across_too():
    image = noise(30, 1201, 3)
    engine = BoxSum()

    tiled = upscaled(engine, image, tile=11)

    expected = np.rint(BoxSum()(image.astype("float32")).clip(0, 255))
    np.testing.assert_array_equal(tiled, expected)
    # Three windows of the same width, a multiple of 8.
    assert {shape[1] for shape in engine.shapes} == {408}


def test_a_margin_too_small_would_show():
    image = noise(37, 23, 3)
    whole = upscaled(BoxSum(), image, tile=1000)
    assert (upscaled(BoxSum(margin=1), image, tile=8) != whole).any()


def test_values_are_clipped_and_rounded():
    image = np.zeros((1, 3, 3), "uint8")
    for offset, expected in [(-0.2, 0), (10.46, 10), (10.52, 11), (254.6, 255), (300, 255)]:
        result = upscaled(BoxSum(offset=offset), image)
        assert result[0, 0, 0] == expected
        assert result.dtype == np.uint8


def test_sixteen_bit_values_are_those_of_eight_bits_times_257():
    image = noise(9, 14, 3, dtype="uint16") // 2
    engine = BoxSum()

    result = upscaled(engine, image, tile=5)

    expected = np.rint(257 * engine(image.astype("float32") / 257))
    assert result.dtype == np.uint16
    assert np.ptp(expected) > 10000
    np.testing.assert_array_equal(result, expected.clip(0, 65535))


def test_grey_is_the_mean_of_the_three_colours():
    grey = noise(9, 14)
    engine = BoxSum()

    result = upscaled(engine, grey, tile=5)

    colours = engine(np.dstack([grey] * 3).astype("float32"))
    assert result.shape == (18, 28)
    np.testing.assert_array_equal(result, np.rint(colours.mean(axis=2).clip(0, 255)))


@pytest.mark.parametrize("channels", [(), (3,)])
def test_alpha_is_upscaled_as_grey_beside_the_colours(channels):
    colours, alpha = noise(9, 14, *channels), noise(9, 14)[::-1] | 1  # nothing fully transparent

    result = upscale_with(BoxSum(), colours, alpha, tile=5)

    np.testing.assert_array_equal(result[0], upscaled(BoxSum(), colours))
    np.testing.assert_array_equal(result[1], upscaled(BoxSum(), alpha))


def test_colours_are_filled_before_they_are_upscaled():
    colours, alpha = np.zeros((8, 8), "uint8"), np.zeros((8, 8), "uint8")
    colours[4, 4], alpha[4, 4] = 90, 255

    result, _ = upscale_with(BoxSum(), colours, alpha)

    np.testing.assert_array_equal(result, upscaled(BoxSum(), np.full((8, 8), 90, "uint8")))


@pytest.mark.parametrize("hidden", [0, 255])
def test_colours_under_full_transparency_do_not_count(hidden):
    """An opaque red disc keeps its red at every edge, whatever colour lies around it."""
    y, x = np.mgrid[:33, :47]
    disc = (y - 15) ** 2 + (x - 20) ** 2 < 11**2
    image = np.full((33, 47, 4), hidden, "uint8")
    image[..., 3] = 255 * disc
    image[disc, :3] = 200, 30, 10

    filled = fill_transparent(image[..., :3], disc)

    np.testing.assert_array_equal(filled, np.broadcast_to(np.uint8([200, 30, 10]), filled.shape))


def test_transparent_pixels_take_the_colours_nearby():
    colours = np.zeros((6, 9, 3), "uint16")
    visible = np.zeros((6, 9), bool)
    colours[0, 0], colours[5, 8] = (100, 0, 40000), (0, 60000, 0)
    visible[0, 0] = visible[5, 8] = True
    colours[3, 3] = 9  # invisible: must not spread

    filled = fill_transparent(colours, visible)

    assert filled[1, 1].tolist() == filled[3, 3].tolist() == [100, 0, 40000]
    assert filled[5, 8].tolist() == filled[4, 8].tolist() == [0, 60000, 0]
    assert not (filled == 0).all(axis=2).any()
    np.testing.assert_array_equal(fill_transparent(colours, visible | True), colours)
    np.testing.assert_array_equal(fill_transparent(colours, visible & False), colours)


def test_progress_counts_windows_of_colours_and_alpha():
    calls = []
    upscale_with(
        BoxSum(),
        noise(20, 9, 3),
        noise(20, 9),
        tile=8,
        progress=lambda *call: calls.append(call),
    )
    assert calls == [(i + 1, 4) for i in range(4)]  # 2 rows of windows, twice


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 5, 3)), "uint8, uint16 or float32 pixels, got float64"),
        (np.zeros((4, 5, 2), "uint8"), r"got shape \(4, 5, 2\)"),
        (np.zeros((2, 4, 5, 3), "uint8"), r"got shape \(2, 4, 5, 3\)"),
        (np.zeros((0, 5, 3), "uint8"), r"at least one pixel, got shape \(0, 5, 3\)"),
    ],
)
def test_other_arrays_are_refused(image, message):
    with pytest.raises(InputError, match=message):
        upscaled(BoxSum(), image)


def test_a_tile_needs_a_pixel():
    with pytest.raises(InputError, match="at least 1 pixel, got 0"):
        upscaled(BoxSum(), noise(4, 5, 3), tile=0)


class EightBitBoxSum(BoxSum):
    """The same in whole numbers: uint8 in, uint8 out, as an int8 network."""

    dtype = np.dtype("uint8")

    def __call__(self, window):
        assert window.dtype == np.uint8
        assert window.flags["C_CONTIGUOUS"]
        return np.rint(np.clip(super().__call__(window.astype("float32")), 0, 255)).astype("uint8")


@pytest.mark.parametrize("shape", [(37, 23, 3), (29, 61)])
def test_an_eight_bit_engine_gets_bytes_and_gives_what_the_float_one_rounds_to(shape):
    image = noise(*shape) * (np.indices(shape)[1] < shape[1] // 2)
    expected = upscaled(BoxSum(), image)

    result = upscaled(EightBitBoxSum(), image, tile=7)

    assert result.std() > 30
    largest = np.abs(result.astype(int) - expected).max()
    assert largest <= (0 if len(shape) == 3 else 1)  # grey: rounded before the mean


def test_an_eight_bit_engine_refuses_sixteen_bits():
    with pytest.raises(InputError, match="takes uint8 pixels only, got uint16"):
        upscaled(EightBitBoxSum(), noise(5, 6, 3, dtype="uint16"))
