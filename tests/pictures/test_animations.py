"""Animated GIF, WebP and PNG: every frame, for as long and as often as it was."""

import subprocess
import sys

import numpy as np
import pytest
from clips import scene
from PIL import Image, ImageDraw

import awsrn_keras as awsrn
from awsrn_keras import InputError
from awsrn_keras.pictures import read_animation, read_picture, write_picture

DURATIONS = [100, 40, 70, 500, 20]
LOSSLESS = {"gif": {}, "webp": {"lossless": True}, "png": {}}


def frames(transparent):
    for number in range(len(DURATIONS)):
        image = Image.fromarray(scene(4 * number, 48, 36))
        if transparent:
            mask = Image.new("L", image.size, 0)
            box = (2 + 5 * number, 2, 20 + 5 * number, 34)
            ImageDraw.Draw(mask).ellipse(box, fill=255)
            image.putalpha(mask)
        yield image


def animation(path, transparent=False, loop=None, **options):
    first, *more = frames(transparent)
    format = path.suffix[1:]
    options = LOSSLESS[format] | options | ({} if loop is None else {"loop": loop})
    if format == "gif" and transparent:
        options["disposal"] = 2
    first.save(path, save_all=True, append_images=more, duration=DURATIONS, **options)
    return path


def found(path):
    """Frames as RGBA, durations, and the loop count as Pillow reads it."""
    with Image.open(path) as image:
        pixels, durations = [], []
        for number in range(image.n_frames):
            image.seek(number)
            pixels.append(np.array(image.convert("RGBA")))
            durations.append(image.info["duration"])
        return pixels, durations, image.info.get("loop")


def upscale(*arguments):
    command = [sys.executable, "-m", "awsrn_keras", "upscale", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def test_animations_come_out_animated(tmp_path):
    sources = [
        animation(tmp_path / f"{format}_{transparent:d}_{loop}.{format}", transparent, loop)
        for format in LOSSLESS
        for transparent in (False, True)
        for loop in (None, 0, 3)
    ]
    output = upscale(
        *sources, "-o", tmp_path / "out", "--preset", "awsrn_nano_x2", "--quality", 100
    )
    assert output.count("  48x36 -> 96x72  5 frames  ") == len(sources)
    assert output.count("note: not kept: more than 256 colours") == 6
    for source in sources:
        (before, durations, loop), after = found(source), found(tmp_path / "out" / source.name)
        assert after[1:] == (durations, loop), source
        assert durations == DURATIONS
        assert len(after[0]) == len(DURATIONS)
        for small, large in zip(before, after[0], strict=True):
            expected = awsrn.upscale(small, "awsrn_nano_x2") if small[..., 3].min() < 255 else None
            if expected is None:
                expected = np.dstack(
                    [awsrn.upscale(small[..., :3], "awsrn_nano_x2"), np.full((72, 96), 255)]
                )
            if source.suffix == ".gif":
                opaque = large[..., 3] == 255
                assert np.array_equal(opaque, expected[..., 3] > 127), source
                difference = np.abs(large[opaque] - expected[opaque].astype(int))
                assert difference.mean() < 5, source
            else:
                visible = expected[..., 3] > 0
                assert np.array_equal(large[..., 3], expected[..., 3]), source
                assert np.array_equal(large[visible], expected[visible]), source


@pytest.mark.parametrize(
    ("source", "loop", "target", "expected"),
    [
        ("gif", None, "webp", 1),  # once
        ("gif", 2, "png", 3),  # GIF counts repetitions
        ("png", 3, "gif", 2),
        ("webp", 1, "gif", None),
        ("webp", 0, "gif", 0),  # for ever
    ],
)
def test_other_formats_play_as_often(tmp_path, source, loop, target, expected):
    path = animation(tmp_path / f"in.{source}", loop=loop)
    first, *more = read_animation(path)
    write_picture(first, tmp_path / f"out.{target}", more=more)
    assert found(tmp_path / f"out.{target}")[1:] == (DURATIONS, expected)


def test_formats_without_animation_get_the_first_frame_and_a_note(tmp_path):
    path = animation(tmp_path / "in.gif")
    output = upscale(path, "-o", tmp_path / "out.jpg")
    assert "note: the first of 5 images in the file" in output
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.size == (96, 72)


def test_a_png_whose_first_picture_is_not_part_of_the_animation(tmp_path):
    first, *more = frames(False)
    path = tmp_path / "in.png"
    first.save(path, save_all=True, append_images=more, duration=DURATIONS[1:], default_image=True)
    read = read_animation(path)
    assert [frame.duration for frame in read] == DURATIONS[1:]
    for frame, image in zip(read, more, strict=True):
        assert np.array_equal(frame.pixels, np.asarray(image))


def test_all_frames_together_count_for_the_limit(tmp_path):
    path = animation(tmp_path / "in.gif")
    with pytest.raises(InputError, match="declares 5 frames of 48 x 36 pixels, more than"):
        read_animation(path, max_megapixels=0.008)
    assert len(read_animation(path, max_megapixels=0.009)) == 5
    assert read_picture(path).frames == 5


def test_a_still_gif_stays_a_gif(tmp_path):
    image = next(frames(False)).convert("P", palette=Image.Palette.ADAPTIVE)
    image.save(tmp_path / "in.gif", comment=b"by me")
    output = upscale(tmp_path / "in.gif", "-o", tmp_path / "out", "--preset", "awsrn_nano_x2")
    assert "more than 256 colours" in output
    with Image.open(tmp_path / "out" / "in.gif") as result:
        assert (result.size, result.n_frames) == ((96, 72), 1)
        assert result.info["comment"] == b"by me"
        expected = awsrn.upscale(np.asarray(image.convert("RGB")), "awsrn_nano_x2")
        assert np.abs(np.asarray(result.convert("RGB")) - expected.astype(int)).mean() < 5
