"""Files for ONNX: what pictures they give, what they hold, and what is refused."""

import json
import re
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from keras import ops
from numpy_awsrn import upscale
from random_model import random_model

from awsrn_keras import AWSRN, VARIANTS, presets
from awsrn_keras.command_line import run_command
from awsrn_keras.errors import InputError
from awsrn_keras.network.loading import official_weights
from export.to_onnx import main, verify, write_onnx

HEIGHT, WIDTH = 11, 14


def picture():
    return np.random.default_rng(1).uniform(0, 255, (1, HEIGHT, WIDTH, 3)).astype("float32")


def onnx_runtime_s(path, image, white=1):
    """What ONNX Runtime gives for pixels 0..255 `(1, height, width, 3)`, as such pixels."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    planes = image.transpose(0, 3, 1, 2) * np.float32(white / 255)
    (given,) = session.run(["output"], {"input": planes})
    assert given.dtype == np.float32
    return given.transpose(0, 2, 3, 1) * (255 / white)


@pytest.mark.parametrize("white", [1, 255])
def test_a_file_computes_the_formulas_of_the_paper(tmp_path, white):
    model = random_model("awsrn_nano", 3)
    size = VARIANTS["awsrn_nano"]
    write_onnx(model, tmp_path / "model.onnx", white, "random")
    weights = official_weights(model)
    weights = {name: np.asarray(value, "float64") for name, value in weights.items()}
    oracle = upscale(
        picture()[0].astype("float64"), weights, 3, size.blocks, size.units, size.kernel_sizes
    )
    assert oracle.std() > 20
    given = onnx_runtime_s(tmp_path / "model.onnx", picture(), white)[0]
    np.testing.assert_allclose(given, oracle, atol=4e-6 * np.abs(oracle).max())


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_and_scale_gives_the_picture_of_the_network(tmp_path, variant, scale):
    model = random_model(variant, scale)
    write_onnx(model, tmp_path / "model.onnx", 1, "random")
    expected = ops.convert_to_numpy(model(picture()))
    assert expected.std() > 20
    given = onnx_runtime_s(tmp_path / "model.onnx", picture())
    assert np.abs(given - expected).max() < 1e-3 * np.abs(expected).max() / 255


@pytest.mark.slow
@pytest.mark.parametrize("name", presets())
def test_every_preset_is_within_a_thousandth_of_a_grey_level(tmp_path, name):
    _, difference = write_onnx(AWSRN.from_preset(name), tmp_path / "model.onnx", 1, name)
    assert 0 < difference < 1e-3


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "nano.onnx"
    main(["awsrn_nano_x2", "-o", str(path)])
    return path


def test_a_file_holds_what_old_and_small_runtimes_know(written):
    model = onnx.load(written)
    assert (model.ir_version, [(use.domain, use.version) for use in model.opset_import]) == (
        7,
        [("", 13)],
    )
    kinds = {node.op_type for node in model.graph.node}
    assert kinds == {"Conv", "Relu", "Add", "Concat", "Sub", "DepthToSpace"}
    assert {tensor.data_type for tensor in model.graph.initializer} == {onnx.TensorProto.FLOAT}
    (shuffle,) = (node for node in model.graph.node if node.op_type == "DepthToSpace")
    assert [a.s for a in shuffle.attribute if a.name == "mode"] == [b"DCR"]


def test_sides_are_free_and_follow_from_those_of_the_input(written):
    model = onnx.load(written)
    ends = {"input": model.graph.input, "output": model.graph.output}
    for name, (tensor,) in ends.items():
        assert tensor.name == name
        batch, channels, *sides = tensor.type.tensor_type.shape.dim
        assert (batch.dim_value, channels.dim_value) == (1, 3)
        assert all(side.dim_param for side in sides)
    *_, height, width = model.graph.input[0].type.tensor_type.shape.dim
    height.dim_value, width.dim_value = 37, 53
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    shape = inferred.graph.output[0].type.tensor_type.shape
    assert [side.dim_value for side in shape.dim] == [1, 3, 74, 106]


def test_metadata_says_what_a_program_must_know(written):
    facts = {entry.key: entry.value for entry in onnx.load(written).metadata_props}
    assert (facts["variant"], facts["scale"], facts["receptive_field"]) == ("awsrn_nano", "2", "12")
    assert json.loads(facts["value_range"]) == [0, 1]
    assert json.loads(facts["origin"])["weights"] == "awsrn_nano_x2"
    assert facts["license"] == "Apache-2.0"
    assert facts["version"]


def test_the_command_says_where_the_file_is_and_how_near(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["awsrn_nano_x4_photo", "--range", "255"])
    device, line = capsys.readouterr().out.splitlines()
    assert device.startswith("Computing on ")
    path = "exports/awsrn_nano_x4_photo/awsrn_nano_x4_photo.onnx"
    match = re.fullmatch(
        rf"{path}  0\.\d\d MB, differs from the network by (\S+) grey levels", line
    )
    assert 0 < float(match[1]) < 1e-3
    assert onnx.load(path).graph.name == "awsrn_nano_x4_photo"
    facts = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert json.loads(facts["value_range"]) == [0, 255]
    expected = AWSRN.from_preset("awsrn_nano_x4_photo")(picture())
    np.testing.assert_allclose(onnx_runtime_s(path, picture(), 255), expected, atol=2e-3)


def test_a_file_of_another_network_is_found_out(written):
    with pytest.raises(InputError, match=r"differs by .* grey levels"):
        verify(written.read_bytes(), AWSRN.from_preset("awsrn_nano_x2_photo"), 1)


def test_a_network_that_computes_in_16_bits_is_compared_in_32(tmp_path):
    model = random_model("awsrn_nano", 2, dtype="mixed_float16")
    rounded = ops.convert_to_numpy(model(picture()))
    _, difference = write_onnx(model, tmp_path / "model.onnx", 1, "random")
    assert 0 < difference < 1e-3
    assert np.abs(onnx_runtime_s(tmp_path / "model.onnx", picture()) - rounded).max() > 1e-2


def test_a_network_that_gives_nan_is_named_as_the_cause(tmp_path):
    model = random_model("awsrn_nano", 2)
    bias = model.get_layer("head").bias
    bias.assign(ops.full_like(bias, np.nan))
    with pytest.raises(InputError, match="The network itself gives NaN or infinity"):
        write_onnx(model, tmp_path / "model.onnx", 1, "random")
    assert not list(tmp_path.iterdir())


def test_mistakes_are_one_line_and_leave_the_earlier_file(tmp_path, capfd, monkeypatch):
    damaged, earlier = tmp_path / "damaged.keras", tmp_path / "model.onnx"
    damaged.write_bytes(b"PK no archive")
    earlier.write_bytes(b"an earlier export")
    assert "none.keras: no such model" in refused("none.keras", "-o", earlier, capfd=capfd)
    assert "damaged.keras: damaged" in refused(damaged, "-o", earlier, capfd=capfd)
    assert "noending: name the output *.onnx" in refused("-o", "noending", capfd=capfd)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    assert "pip install onnx onnxruntime" in refused("-o", earlier, capfd=capfd)
    assert earlier.read_bytes() == b"an earlier export"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged.keras", "model.onnx"]


def refused(*arguments, capfd):
    """The only line on stderr of a command that ends with status 2."""
    capfd.readouterr()  # what TensorFlow said when it was loaded
    with pytest.raises(SystemExit) as exit:
        run_command(lambda: main(list(map(str, arguments))))
    assert exit.value.code == 2
    (line,) = capfd.readouterr().err.splitlines()
    return line
