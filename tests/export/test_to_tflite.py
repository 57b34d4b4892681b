"""Files for LiteRT: what they hold, what pictures they give, and what is refused."""

import json

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.tools import flatbuffer_utils
from keras import ops

from awsrn_keras import AWSRN
from awsrn_keras.data import PairBank, load_pairs
from awsrn_keras.errors import InputError
from awsrn_keras.upscaling.litert_model import LiteRTModel
from export.precisions import CONVERTED, PRECISIONS
from export.tflite.calibration import (
    black_and_white,
    calibration_pictures,
    held_out_picture,
    warn_without_contrast,
)
from export.tflite.conversion import shuffle_by_transpose
from export.tflite.flatbuffer import read_metadata
from export.tflite.writing import write_tflite
from export.to_tflite import main

HEIGHT, WIDTH = 48, 56  # as conftest.py exports it
LARGEST_RMS = {"float32": 1e-3, "float16": 0.1, "dynamic_range": 2, "int8": 3, "int16x8": 0.8}


def photograph():
    lr = load_pairs("sample", 2, "validation").lr(0)
    return lr[60 : 60 + HEIGHT, 20 : 20 + WIDTH][None].astype("float32")


@pytest.mark.slow
@pytest.mark.parametrize("precision", CONVERTED)
def test_each_file_gives_the_network_s_picture(exported_tflite, precision):
    expected = np.clip(ops.convert_to_numpy(AWSRN.from_preset("awsrn_sd_x2")(photograph())), 0, 255)
    assert expected.std() > 20  # a picture with something in it
    given = LiteRTModel(exported_tflite / f"tflite/{precision}.tflite")(photograph())
    assert given.shape == (1, 2 * HEIGHT, 2 * WIDTH, 3)
    rms = np.sqrt(np.mean((given - expected) ** 2))
    assert rms < LARGEST_RMS[precision]


@pytest.mark.slow
def test_int8_takes_and_gives_pixels_and_the_others_floats(exported_tflite):
    for precision in CONVERTED:
        interpreter = Interpreter(str(exported_tflite / f"tflite/{precision}.tflite"))
        for details in interpreter.get_input_details() + interpreter.get_output_details():
            if precision == "int8":
                assert details["dtype"] is np.uint8
                assert details["quantization"] == (1.0, 0)
            else:
                assert details["dtype"] is np.float32
        assert tuple(interpreter.get_input_details()[0]["shape"]) == (1, HEIGHT, WIDTH, 3)


@pytest.mark.slow
def test_only_operators_of_phones_are_left(exported_tflite):
    float_operators = {"CONV_2D", "ADD", "CONCATENATION", "DEPTH_TO_SPACE", "SUB", "MINIMUM"}
    for precision in ("float32", "dynamic_range"):
        names = operators_in_order(exported_tflite / f"tflite/{precision}.tflite")
        assert set(names) == float_operators

    names = operators_in_order(exported_tflite / "tflite/int8.tflite")
    assert names[0] == names[-1] == "QUANTIZE"
    assert set(names[1:-1]) == float_operators - {"SUB"}  # the summing graph has a 1x1 CONV_2D

    names = operators_in_order(exported_tflite / "tflite/int16x8.tflite")
    assert "DEPTH_TO_SPACE" not in names
    assert (names.count("RESHAPE"), names.count("TRANSPOSE")) == (2, 1)


def operators_in_order(path):
    model = flatbuffer_utils.read_model(path)
    operators = model.subgraphs[0].operators
    return [flatbuffer_utils.opcode_to_name(model, operator.opcodeIndex) for operator in operators]


@pytest.mark.slow
@pytest.mark.parametrize("name", CONVERTED)
def test_the_table_says_which_numbers_a_file_holds(exported_tflite, name):
    path = exported_tflite / f"tflite/{name}.tflite"
    model = flatbuffer_utils.read_model(path)
    graph = model.subgraphs[0]

    def types(indices):
        return {flatbuffer_utils.type_to_name(graph.tensors[i].type).lower() for i in indices}

    operators = zip(operators_in_order(path), graph.operators, strict=True)
    convolutions = [node for kind, node in operators if kind == "CONV_2D"]
    kernels = [
        i
        for i, tensor in enumerate(graph.tensors)
        if tensor.shape is not None
        and np.prod(tensor.shape) >= 1024  # the converter leaves smaller ones as they are
        and model.buffers[tensor.buffer].data is not None
    ]
    precision = PRECISIONS[name]
    assert types(kernels) == {precision.weights}
    assert types(node.outputs[0] for node in convolutions) == {precision.features}
    assert types([*graph.inputs, *graph.outputs]) == {precision.pixels}


@pytest.mark.slow
def test_metadata_says_what_an_app_must_know(exported_tflite):
    for precision in CONVERTED:
        path = exported_tflite / f"tflite/{precision}.tflite"
        facts = read_metadata(path.read_bytes())
        assert facts["precision"] == precision
        assert (facts["variant"], facts["scale"], facts["receptive_field"]) == ("awsrn_sd", 2, 22)
        assert facts["value_range"] == [0, 255]
        assert facts["size"] == [HEIGHT, WIDTH]
        assert facts["origin"]["weights"] == "awsrn_sd_x2"
        assert "Apache" in facts["license"]


@pytest.mark.slow
def test_int8_file_is_less_than_a_third_of_float32(exported_tflite):
    sizes = {p: (exported_tflite / f"tflite/{p}.tflite").stat().st_size for p in CONVERTED}
    assert sizes["int8"] <= 0.30 * sizes["float32"]
    assert 0.45 < sizes["float16"] / sizes["float32"] < 0.55


@pytest.mark.slow
def test_a_resizable_file_takes_every_size(tmp_path):
    main(["awsrn_sd_x2", "--dynamic", "--precision", "float16", "-o", str(tmp_path)])
    path = tmp_path / "tflite/float16_resizable.tflite"
    (details,) = Interpreter(str(path)).get_input_details()
    assert details["shape_signature"].tolist() == [1, -1, -1, 3]
    assert read_metadata(path.read_bytes())["size"] == [None, None]
    network, file = AWSRN.from_preset("awsrn_sd_x2"), LiteRTModel(path)
    for picture in (photograph(), photograph()[:, :7, :13], photograph()[:, 3:]):
        expected = np.clip(ops.convert_to_numpy(network(picture)), 0, 255)
        assert np.sqrt(np.mean((file(picture) - expected) ** 2)) < 0.1


@pytest.mark.slow
def test_a_network_without_contrast_is_not_written_as_int8(tmp_path):
    model = AWSRN("awsrn_s", 2)
    for variable in model.get_layer("skip").trainable_variables:
        variable.assign(ops.zeros_like(variable) + 1e-3)
    bank = load_pairs("sample", 2, "train")
    path = tmp_path / "int8.tflite"
    path.write_bytes(b"an earlier export")
    with pytest.raises(InputError, match="not plain pixels"):
        write_tflite(model, path, "int8", (16, 20), bank, "grey")
    assert path.read_bytes() == b"an earlier export"


def test_the_stand_in_moves_the_same_values_as_depth_to_space():
    pixels = np.arange(5 * 7 * 27, dtype="float32").reshape(1, 5, 7, 27)
    expected = ops.depth_to_space(pixels, 3, data_format="channels_last")
    np.testing.assert_array_equal(shuffle_by_transpose(pixels, 5, 7, 3), expected)


def test_flat_calibration_pictures_are_warned_about(capsys):
    flat = np.full((20, 30, 3), 117, np.uint8)
    bank = PairBank.from_pairs([("flat", flat[::2, ::2], flat)], 2)
    warn_without_contrast(bank)
    assert capsys.readouterr().err.startswith("warning: the calibration pictures hardly differ")
    warn_without_contrast(load_pairs("sample", 2, "validation"))
    assert capsys.readouterr().err == ""


def test_calibration_covers_black_white_and_photographs_smaller_than_the_input():
    bank = load_pairs("sample", 8, "train")
    assert min(bank.lr_size(0)) < 200
    pictures = calibration_pictures(bank, 200, 190)
    assert {picture.shape for picture in pictures} == {(1, 200, 190, 3)}
    assert len(pictures) == 5
    held_out = held_out_picture(bank, 200, 190)
    assert held_out.shape == (1, 200, 190, 3)
    assert not any(np.array_equal(held_out, picture) for picture in pictures)
    bars = black_and_white(3, 64)
    assert bars.shape == (3, 64, 3)
    assert (bars.min(), bars.max()) == (0, 255)
    assert np.abs(np.diff(bars, axis=1)).max() <= 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--height", "0"], "--height 0: give at least 1 pixel"),
        (["--width", "-4"], "--width -4: give at least 1 pixel"),
        (["--dynamic", "--precision", "int16x8"], "needs a fixed size"),
        (["no_such_model"], "no_such_model"),
        (["{damaged}"], "damaged.keras"),
        (["--calibration", "{empty}"], "empty"),
    ],
)
def test_mistakes_are_one_line_and_leave_earlier_exports_alone(tmp_path, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged.keras").write_bytes(b"PK no archive")
    earlier = tmp_path / "out/tflite/int8.tflite"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b"an earlier export")
    places = {"empty": tmp_path / "empty", "damaged": tmp_path / "damaged.keras"}
    given = [argument.format(**places) for argument in arguments]
    with pytest.raises(InputError, match=message) as error:
        main([*given, "-o", str(tmp_path / "out")])
    assert "\n" not in str(error.value)
    assert [path.name for path in earlier.parent.iterdir()] == ["int8.tflite"]
    assert earlier.read_bytes() == b"an earlier export"


@pytest.mark.slow
def test_a_size_useless_for_tiles_is_written_with_a_warning(tmp_path, capsys):
    figures = tmp_path / "figures.json"
    size = ["--height", "44", "--width", "60"]
    main([*size, "--precision", "float32", "-o", str(tmp_path), "--json", str(figures)])
    assert "44x60 is at most twice the receptive field of 22" in capsys.readouterr().err
    measured = json.loads(figures.read_text())["float32.tflite"]
    assert measured["bytes"] == (tmp_path / "tflite/float32.tflite").stat().st_size
    assert 0 < measured["largest_difference"] < 5e-3
