"""Others' files beside ours: any layout, range and size gives the picture that it should."""

import json
import re
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers, ops
from PIL import Image
from skimage import data

from awsrn_keras import AWSRN, fuse, multiply_adds
from awsrn_keras.data import load_pairs
from awsrn_keras.errors import InputError
from awsrn_keras.upscaling.litert_engine import tflite_path
from benchmarks.rivals import main, others_in, plot, seconds_in_turn, write_names
from benchmarks.tflite_network import TFLiteNetwork
from export.precisions import PRECISIONS
from export.tflite.calibration import black_and_white
from export.tflite.conversion import convert, shuffle_by_transpose
from export.tflite.writing import write_tflite

PHOTOGRAPH = data.astronaut()[40:100, 180:252]  # larger than the files of one size


def blur_and_double(path, limits=(0, 255), size=None, channels_first=False, pixels="float32"):
    """Write a file that takes the mean of 3x3 pixels, at least a tenth of white, and doubles it."""
    black, white = limits
    tenth = black + (white - black) / 10
    sides = size or (None, None)
    image = keras.Input((3, *sides) if channels_first else (*sides, 3), batch_size=1)
    x = ops.transpose(image, (0, 2, 3, 1)) if channels_first else image
    mean = layers.Conv2D(12, 3, padding="same", use_bias=False)
    x = ops.maximum(ops.minimum(mean(x), float(white)), tenth)
    mean.set_weights([np.tile(np.eye(3), (3, 3, 1, 4)) / 9])
    if size:
        x = shuffle_by_transpose(x, *size, 2)  # its shapes are constants
    else:
        x = ops.depth_to_space(x, 2, data_format="channels_last")
    graph = keras.Model(image, ops.transpose(x, (0, 3, 1, 2)) if channels_first else x)
    if pixels == "float32":
        graph.export(path, format="litert", verbose=False)
    else:
        bars = black_and_white(24, 64)[None].astype("float32")
        pictures = [black + (white - black) * bars / 255]
        precision = replace(PRECISIONS["int8"], pixels=pixels)
        path.write_bytes(convert(graph, sides, precision, pictures))
    return path


def blurred_and_doubled(picture):
    padded = np.pad(picture.astype(float), [(1, 1), (1, 1), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    mean = np.maximum(windows.mean(axis=(3, 4)), 25.5)
    return mean.repeat(2, axis=0).repeat(2, axis=1)


@pytest.mark.parametrize("limits", [(0, 255), (0, 1), (-1, 1)])
@pytest.mark.parametrize("channels_first", [False, True])
def test_layout_and_range_are_found_out(tmp_path, limits, channels_first):
    path = blur_and_double(tmp_path / "a.tflite", limits, channels_first=channels_first)
    network = TFLiteNetwork(path, PHOTOGRAPH)
    assert (network.scale, network.size, network.ranges) == (2, None, (limits, limits))
    inner = slice(2, -2)  # beside it the zeros around the picture are grey where black is -1
    expected = blurred_and_doubled(PHOTOGRAPH)[inner, inner]
    np.testing.assert_allclose(network(PHOTOGRAPH)[inner, inner], expected, atol=0.01)


@pytest.mark.parametrize(("pixels", "limits"), [("int8", (0, 255)), ("uint8", (0, 1))])
def test_whole_numbers_are_scaled_as_the_file_says(tmp_path, pixels, limits):
    path = blur_and_double(tmp_path / "a.tflite", limits, pixels=pixels)
    network = TFLiteNetwork(path, PHOTOGRAPH)
    assert (network.pixels, network.ranges) == (pixels, (limits, limits))
    np.testing.assert_allclose(network(PHOTOGRAPH), blurred_and_doubled(PHOTOGRAPH), atol=2)


@pytest.mark.parametrize("size", [(20, 28), (80, 76)])
def test_a_file_of_one_size_works_in_windows(tmp_path, size):
    network = TFLiteNetwork(blur_and_double(tmp_path / "a.tflite", size=size), PHOTOGRAPH)
    assert network.size == size
    expected = blurred_and_doubled(PHOTOGRAPH)
    below, right = -2 * (size[0] > 60) or None, -2 * (size[1] > 72) or None  # mirrored there
    result = network(PHOTOGRAPH)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result[:below, :right], expected[:below, :right], atol=0.01)
    _, windows = network.inputs(PHOTOGRAPH)
    assert len(windows) == (1 if size == (80, 76) else 5 * 4)


def test_our_files_give_the_network_s_picture_and_count_as_the_paper_does():
    lr = PHOTOGRAPH[:33, :46]
    network = TFLiteNetwork(tflite_path("awsrn_nano_x3"), lr)
    model = AWSRN.from_preset("awsrn_nano_x3")
    expected = np.clip(model(lr[None].astype("float32"))[0], 0, 255)
    assert expected.std() > 20
    np.testing.assert_allclose(network(lr), expected, atol=0.2)
    fused = fuse(model)
    assert network.parameters == fused.count_params()
    assert network.multiply_adds == multiply_adds(fused, (3, 3))


@pytest.mark.parametrize(
    ("precision", "numbers"),
    [("float16", "floating point"), ("dynamic_range", "8-bit weights"), ("int8", "8 bit")],
)
def test_8_bits_of_the_weights_and_of_all_are_told_apart(tmp_path, precision, numbers):
    path, model = tmp_path / "a.tflite", AWSRN.from_preset("awsrn_nano_x2")
    write_tflite(model, path, precision, (24, 40), load_pairs("sample", 2, "train"), "nano")
    network = TFLiteNetwork(path, PHOTOGRAPH)
    assert network.pixels == ("uint8" if precision == "int8" else "float32")
    assert network.numbers == numbers


def test_other_convolutions_and_slopes_count_too(tmp_path):
    image = keras.Input((None, None, 3), batch_size=1)
    x = layers.DepthwiseConv2D(5, padding="same", depthwise_initializer="zeros")(image)
    x = image + layers.PReLU(shared_axes=(1, 2))(x)
    double = layers.Conv2DTranspose(3, 2, strides=2, use_bias=False)
    graph = keras.Model(image, double(x))
    double.set_weights([np.tile(np.eye(3), (2, 2, 1, 1))])
    graph.export(tmp_path / "a.tflite", format="litert", verbose=False)
    network = TFLiteNetwork(tmp_path / "a.tflite", PHOTOGRAPH)
    kernels = 5 * 5 * 3 + 2 * 2 * 3 * 3
    assert network.parameters - kernels in (3 + 3, 3 + 3 + 3)  # LiteRT may add a bias of zeros
    assert network.multiply_adds == kernels


def test_times_are_taken_in_turn_after_a_round_that_warms_up():
    order = []
    seconds = seconds_in_turn({n: lambda n=n: order.append(n) for n in "ab"}, 2)
    assert order == ["a", "b"] * 3
    assert {name: len(each) for name, each in seconds.items()} == {"a": 2, "b": 2}


def test_names_on_the_plot_cover_each_other_nowhere():
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5))
    axis = figure.subplots()
    random = np.random.default_rng(0)
    points = {f"a_network_x{i}": (100 + i, float(random.normal())) for i in range(9)}
    axis.plot(*zip(*points.values(), strict=True), "o", label="all")
    axis.margins(0.1)
    legend = axis.legend()
    figure.draw_without_rendering()
    write_names(axis, legend, points)
    boxes = [text.get_window_extent() for text in axis.texts]
    assert len(boxes) == 9
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_names_that_fit_nowhere_are_left_out_and_long_ones_shortened():
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axis = figure.subplots()
    points = {f"{i} a ${'very ' * 30}long name{i}": (5, 30) for i in range(12)} | {"b": (9, 31)}
    axis.plot(*zip(*points.values(), strict=True), "o", label="all")
    axis.margins(0.1)
    legend = axis.legend()
    figure.draw_without_rendering()
    write_names(axis, legend, points)
    figure.draw_without_rendering()
    assert axis.get_position().width > 0.8
    names = [text.get_text() for text in axis.texts]
    assert all(len(name) <= 40 for name in names)
    assert names[0].startswith("0 a $very very")
    assert names[0].endswith("long name0")
    assert names[-1] == "b"
    boxes = [text.get_window_extent() for text in axis.texts]
    assert 3 <= len(boxes) < len(points)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


@pytest.mark.parametrize(("name", "start"), [("p.svg", b"<?xml"), ("p.png", b"\x89PNG")])
def test_the_plot_is_of_the_format_that_its_name_says(tmp_path, name, start):
    row = {"ours": False, "numbers": "8 bit", "scores": {"a $set$x_": {"psnr": 31.5}}}
    figures = {"cheap$": {**row, "median_ms": 3}, "$1_{": {**row, "median_ms": 7}}
    plot(figures, "64x48 pixels", tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


def test_equal_names_are_refused(tmp_path):
    for name in ("awsrn_nano_x2 float.tflite", "a.tflite"):
        (tmp_path / name).touch()
    assert set(others_in(tmp_path, {"awsrn_sd_x2 float"})) == {"a", "awsrn_nano_x2 float"}
    with pytest.raises(InputError, match=r"nano_x2 float\.tflite: .* called 'awsrn_nano_x2 float'"):
        others_in(tmp_path, {"awsrn_nano_x2 float"})
    (tmp_path / "a.TFLITE").touch()
    with pytest.raises(InputError, match="another file or one of ours is called 'a'; rename it"):
        others_in(tmp_path, {})


def test_a_folder_is_compared_with_ours(tmp_path, capsys):
    folder = tmp_path / "theirs"
    (folder / "old").mkdir(parents=True)
    blur_and_double(folder / "old/blur.tflite", (0, 1), channels_first=True)
    (folder / "old/blur.tflite").rename(folder / "old/blur.TFLITE")
    (folder / "folder.tflite").mkdir()
    (folder / "dangling.tflite").symlink_to("nowhere")
    (folder / "empty.tflite").touch()
    (folder / "damaged.tflite").write_bytes(b"TFL3")
    (folder / "x4.tflite").write_bytes(tflite_path("awsrn_nano_x4").read_bytes())
    (tmp_path / "set").mkdir()
    Image.fromarray(PHOTOGRAPH).save(tmp_path / "set/astronaut.png")
    files = ["--json", tmp_path / "all.json", "--plot", tmp_path / "plot.png"]
    measured = ["--data", tmp_path / "set", "--size", "20x28", "--runs", 3]
    main(list(map(str, [folder, *measured, *files])))

    printed = capsys.readouterr()
    assert "x4.tflite is left out: it is x4" in printed.err
    assert "damaged.tflite is left out: " in printed.err
    assert "folder.tflite is left out: it is not a file" in printed.err
    assert "dangling.tflite is left out: it is not a file" in printed.err
    assert "empty.tflite is left out: it is empty" in printed.err
    figures = json.loads((tmp_path / "all.json").read_text())
    rows = figures["files"]
    ours = ["awsrn_nano_x2 float", "awsrn_nano_x2 int8", "awsrn_sd_x2 float", "awsrn_sd_x2 int8"]
    assert list(rows) == [*ours, "old/blur"]
    assert [row["ours"] for row in rows.values()] == [True] * 4 + [False]
    numbers = ["floating point", "8 bit"] * 2 + ["floating point"]
    assert [row["numbers"] for row in rows.values()] == numbers
    psnr = {name: row["scores"]["set"]["psnr"] for name, row in rows.items()}
    assert psnr["old/blur"] + 3 < min(psnr[name] for name in ours)
    for row in rows.values():
        assert 0 < row["median_ms"] <= row["p90_ms"]
    assert rows["old/blur"]["multiply_adds"] == 20 * 28 * 9 * 3 * 12
    cells = rf"{psnr['old/blur']:.2f} / 0\.\d+ +[\d.]+ +[\d.]+ +\d+ +0\.00 +\d+$"
    assert re.search(rf"^old/blur +{cells}", printed.out, re.MULTILINE)
    with Image.open(tmp_path / "plot.png") as plot:
        assert plot.width > 300


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["none"], "none: no folder with .tflite files"),
        (["--size", "20"], "--size 20: give height x width"),
        (["--data", "none"], "none: no such folder"),
        (["--json", "."], ".: is a folder; name a file"),
        (["--plot", "tests"], "tests: is a folder; name a file"),
        (["--json", "Makefile/a.json"], "Makefile: is no folder"),
        (["--plot", "a.txt"], "a.txt: matplotlib cannot draw such a file"),
        (["--plot", "a"], "a: matplotlib cannot draw such a file"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, reason, monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    with pytest.raises(InputError, match=re.escape(reason)):
        main(arguments)
