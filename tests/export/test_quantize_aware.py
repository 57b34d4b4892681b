"""The 8-bit form of the network, its twin in tf_keras, and the command that trains it."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from keras import ops

from awsrn_keras import AWSRN, fuse
from awsrn_keras.data import load_pairs
from awsrn_keras.errors import InputError
from awsrn_keras.upscaling.litert_model import LiteRTModel
from export.fused_graph import describe
from export.quantize_aware import main
from export.tflite.calibration import calibration_pictures
from export.tflite.equalisation import fuse_for_int8
from export.tflite.flatbuffer import read_metadata

# tensorflow-model-optimization compares versions in an old way when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore:distutils Version classes")


@pytest.fixture(scope="module")
def pictures():
    return calibration_pictures(load_pairs("sample", 2, "train"), 40, 48)[-4:]


def test_the_form_for_int8_is_the_same_network(pictures):
    model = AWSRN.from_preset("awsrn_sd_x2")
    expected = ops.convert_to_numpy(model(pictures[0]))
    np.testing.assert_allclose(fuse_for_int8(model, pictures)(pictures[0]), expected, atol=2e-3)


def test_what_is_concatenated_has_one_width(pictures):
    fused = fuse_for_int8(AWSRN.from_preset("awsrn_sd_x2"), pictures)
    *features, last = fused.get_layer("lfb_1_fusion_inputs").input
    probe = keras.Model(fused.input, [*features, last])
    widths = largest_values(probe, pictures)
    assert widths[-1] == pytest.approx(widths[:-1].max(), rel=1e-4)

    plain = fuse(AWSRN.from_preset("awsrn_sd_x2"))
    probe = keras.Model(plain.input, plain.get_layer("lfb_1_fusion_inputs").input)
    widths = largest_values(probe, pictures)
    assert widths[-1] > 2 * widths[:-1].max()  # else there was nothing to do


def largest_values(probe, pictures):
    return np.max([[float(ops.max(ops.abs(y))) for y in probe(p)] for p in pictures], axis=0)


def test_nodes_that_meet_in_a_concatenation_share_their_range(pictures):
    nodes = {node.name: node for node in describe(fuse(AWSRN("awsrn_s", 2)), pictures[:1])}
    fusion = nodes["lfb_1_fusion_inputs"]
    assert len(fusion.inputs) == 4
    assert {nodes[name].range for name in fusion.inputs} == {fusion.range}
    low, high = fusion.range
    assert low < 0 < high
    assert nodes["image"].range[1] == pictures[0].max()
    assert nodes["lfb_1_awru_1_relu"].range[0] == 0


@pytest.mark.parametrize("skip_scale", [None, 0.05])
def test_the_twin_in_tf_keras_computes_what_fuse_does(pictures, skip_scale):
    from export.qat.network import build

    fused = fuse(AWSRN.from_preset("awsrn_s_x3"), skip_scale)
    twin = build(describe(fused))
    expected = ops.convert_to_numpy(fused(pictures[0]))
    assert expected.shape == (1, 120, 144, 3)
    np.testing.assert_allclose(twin(pictures[0]), expected, atol=1e-3)


@pytest.mark.slow
def test_narrow_ranges_lose_less_and_the_file_gives_the_trained_network_s_pixels(pictures):
    from export.qat.network import build
    from export.qat.ranges import narrow_ranges
    from export.qat.training import convert_trained, train

    model = AWSRN.from_preset("awsrn_s_x2")
    wide = describe(fuse_for_int8(model, pictures), pictures)
    nodes = narrow_ranges(wide, pictures)
    batch = np.concatenate(pictures)
    expected = np.clip(ops.convert_to_numpy(fuse(model)(batch)), 0, 255)

    def error(network):
        rounded = np.asarray(network(batch))
        np.testing.assert_array_equal(rounded, np.round(rounded))
        return np.sqrt(np.mean((rounded - expected) ** 2))

    untrained = {}
    for name, ranges in (("wide", wide), ("narrow", nodes)):
        untrained[name] = build(ranges, rounded=True)
        untrained[name](batch, training=True)  # the kernels' ranges
    student = train(nodes, load_pairs("sample", 2, "train"), steps=100, batch_size=4)
    assert error(untrained["narrow"]) < error(untrained["wide"]) < 3
    assert error(student) < 0.97 * error(untrained["narrow"])
    for before, after in zip(
        untrained["narrow"].trainable_variables, student.trainable_variables, strict=True
    ):
        assert not np.array_equal(before, after), before.name

    file = LiteRTModel(convert_trained(student, (40, 48)))
    given = np.concatenate([file(picture) for picture in pictures])
    assert np.sqrt(np.mean((given.astype("float32") - expected) ** 2)) < 1.1 * error(student)
    resizable = LiteRTModel(convert_trained(student, (None, None)))
    np.testing.assert_array_equal(
        np.concatenate([resizable(picture) for picture in pictures]), given
    )


@pytest.mark.slow
def test_the_command_writes_a_verified_file_of_pixels(tmp_path):
    few = ["--steps", "2", "--batch-size", "2", "--patch-size", "24"]
    model = tmp_path / "nano.keras"  # the smallest has the fewest ranges to narrow
    AWSRN("awsrn_nano", 2).save(model)
    main([str(model), *few, "--height", "24", "--width", "32", "-o", str(tmp_path)])
    path = tmp_path / "tflite/int8_qat.tflite"
    assert read_metadata(path.read_bytes())["quantisation"] == ("trained for 2 steps of 2 patches")
    interpreter = Interpreter(str(path))
    for details in interpreter.get_input_details() + interpreter.get_output_details():
        assert (details["dtype"], details["quantization"]) == (np.uint8, (1.0, 0))
    assert tuple(interpreter.get_output_details()[0]["shape"]) == (1, 48, 64, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "0"], "--steps 0: give a number above 0"),
        (["--learning-rate", "nan"], "--learning-rate nan: give a number above 0"),
        (["--data", "no_such_folder"], "no_such_folder"),
    ],
)
def test_mistakes_are_one_line(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message) as error:
        main([*arguments, "-o", str(tmp_path)])
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []
