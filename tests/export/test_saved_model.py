"""The SavedModel run as a server runs it, and the files that lie beside it."""

import io
import itertools
import shutil
import struct
import zlib

import keras
import numpy as np
import pytest
from folders import contents
from fuzz_signatures import check, drawn, systematic
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.wrappers_pb2 import DESCRIPTOR as WRAPPERS
from PIL import Image
from served_model import meta_graph, resolved, run_script
from tensorflow.core.framework.op_def_pb2 import OpList

from awsrn_keras import AWSRN
from export.serving import graph as graph_module
from export.serving.saved_model import publish, verify
from export.serving.warm_up import read_warm_up

pytestmark = pytest.mark.slow

INVALID_ARGUMENT = 3
SIGNATURES = ("serving_default", "upscale_tile", "upscale_bytes")
SCALE, TILE, WINDOW = 3, 32, 24  # as conftest.py exports it
random = np.random.default_rng(0)


def noise(height, width, *channels):
    return random.integers(0, 256, (height, width, *channels), dtype=np.uint8)


def file_of(pixels, format="PNG", **options):
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    content = io.BytesIO()
    image.save(content, format, **options)
    return content.getvalue()


def pixels_of(content):
    return np.asarray(Image.open(io.BytesIO(content)))


def pixels_by(model, images):
    return keras.ops.convert_to_numpy(model(images.astype("float32")))


def png_header(width, height):
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + chunk + struct.pack(">I", zlib.crc32(chunk))


def jpeg_header(width, height):
    """Start of a JPEG file up to its frame header, from a real one with another size."""
    content = file_of(noise(8, 8, 3), "JPEG")
    frame = content.index(b"\xff\xc0")
    sides = struct.pack(">HH", height, width)
    return content[: frame + 5] + sides + content[frame + 9 :]


def turned_by_exif(pixels):
    exif = Image.Exif()
    exif[0x0112] = 6
    return file_of(pixels, exif=exif)


PLAIN, TALL, ALPHA = noise(50, 61, 3), noise(26, 17, 3), noise(12, 9, 4)
GREY, SIXTEEN_BIT = noise(13, 11), np.arange(0, 65536, 546, dtype=np.uint16).reshape(11, 11)[:, :9]
PALETTE = Image.fromarray(noise(10, 14, 3)).quantize(16)
JPEG = file_of(noise(19, 30, 3), "JPEG", quality=80)

# Files with the pixels that the network must see.
FILES = [
    (file_of(PLAIN), PLAIN),
    (JPEG, pixels_of(JPEG)),
    (turned_by_exif(TALL), TALL),
    (file_of(ALPHA), ALPHA[..., :3]),
    (file_of(PALETTE), np.asarray(PALETTE.convert("RGB"))),
    (file_of(GREY), np.dstack([GREY] * 3)),
    (file_of(SIXTEEN_BIT), np.dstack([(SIXTEEN_BIT >> 8).astype(np.uint8)] * 3)),
]
DAMAGED, NO_PICTURE = "damaged JPEG or PNG picture", "not a JPEG or PNG picture"
REFUSED = {
    "empty": (b"", NO_PICTURE),
    "text": (b"no picture at all, whatever its name says", NO_PICTURE),
    "gif": (file_of(GREY, "GIF"), NO_PICTURE),
    "png without a header": (file_of(GREY)[:20], NO_PICTURE),
    "jpeg without a header": (JPEG[:20], NO_PICTURE),
    "png cut short": (file_of(PLAIN)[:-2000], DAMAGED),
    "jpeg cut short": (JPEG[:-300], DAMAGED),
    "png of 16 megapixels without any": (png_header(4000, 4000), DAMAGED),
    "png too large": (png_header(4000, 4001), "declares 4000 x 4001 pixels, more than 16000000"),
    "png of 2**64 pixels": (png_header(2**31, 2**31), "declares 2147483648 x 2147483648 pixels"),
    "jpeg too large": (jpeg_header(65000, 250), "declares 65000 x 250 pixels, more than 16000000"),
}


@pytest.fixture(scope="module")
def model(exported):
    return exported[0]


@pytest.fixture(scope="module")
def folder(exported):
    return exported[1]


@pytest.fixture(scope="module")
def graph(folder):
    return meta_graph(folder)


@pytest.fixture(scope="module")
def served(folder, graph):
    """All requests of this file, answered by one process without TensorFlow's Python."""
    shapes = {"any size": (2, 20, 27, 3), "tiles": (3, TILE, TILE, 3)}
    images = {name: noise(*shape).astype("float32") for name, shape in shapes.items()}
    requests = {
        "any size": ("serving_default", {"image": images["any size"]}),
        "tiles": ("upscale_tile", {"image": images["tiles"]}),
        "files": ("upscale_bytes", {"image_bytes": [content for content, _ in FILES]}),
        "no file": ("upscale_bytes", {"image_bytes": []}),
    }
    for name, (content, _) in REFUSED.items():
        files = [FILES[3][0], FILES[1][0], content, FILES[5][0]]
        requests[name] = ("upscale_bytes", {"image_bytes": files})
    for number, (signature, arguments) in enumerate(read_warm_up(folder / "saved_model/1")):
        plain = {k: v.tolist() if v.dtype == object else v for k, v in arguments.items()}
        requests[f"warm-up {number}"] = (signature, plain)
    asked = [resolved(graph, *request) for request in requests.values()]
    result = run_script("run_saved_model.py", folder, requests=asked)
    answers = dict(zip(requests, result.pop("answers"), strict=True))
    return {**result, "images": images, "answers": answers}


def test_the_process_that_serves_holds_no_code_of_tensorflow_keras_or_this_project(served) -> None:
    packages = {name.partition(".")[0] for name in served["modules"]}
    assert "numpy" in packages
    assert not packages & {"tensorflow", "keras", "awsrn_keras", "export"}


@pytest.mark.parametrize("request_name", ["any size", "tiles"])
def test_pixels_are_those_of_the_network_clipped(served, model, request_name) -> None:
    code, message, upscaled = served["answers"][request_name]
    assert (code, message) == (0, "")
    images = served["images"][request_name]
    network = pixels_by(model, images)
    assert network.min() < -1  # else clipping would not show
    assert network.max() > 256
    np.testing.assert_allclose(upscaled, np.clip(network, 0, 255), atol=2e-3)


def test_files_of_seven_kinds_and_sizes_in_one_batch_come_back_as_png(served, model) -> None:
    code, message, upscaled = served["answers"]["files"]
    assert (code, message) == (0, "")
    assert PLAIN.shape[0] > 2 * WINDOW  # several windows in both directions
    for content, (_, seen) in zip(upscaled, FILES, strict=True):
        assert content.startswith(b"\x89PNG")
        expected = np.rint(np.clip(pixels_by(model, seen[None])[0], 0, 255))
        assert expected.std() > 10
        difference = np.abs(pixels_of(content) - expected)
        assert difference.max() <= 1  # a value near .5 may round the other way
        assert np.mean(difference > 0) < 1e-3


def test_an_empty_batch_is_no_error(served) -> None:
    assert served["answers"]["no file"] == (0, "", [])


def test_every_shape_and_type_is_computed_as_declared_or_refused(folder, graph) -> None:
    counts = check(folder, systematic(graph), SCALE)
    counts += check(folder, drawn(graph, 40, seed=1), SCALE)
    assert set(counts) == set(itertools.product(SIGNATURES, ("computed", "refused")))
    assert min(counts.values()) > 5


def test_a_shape_that_is_refused_is_named_with_what_is_declared(folder, graph) -> None:
    one = np.float32(1)
    requests = [
        resolved(graph, "serving_default", {"image": (one, (20, 30, 3))}),
        resolved(graph, "serving_default", {"image": (one, (3, 1024, 2048, 3))}),
        resolved(graph, "upscale_tile", {"image": (one, (1, TILE, TILE + 1, 3))}),
        resolved(graph, "upscale_bytes", {"image_bytes": np.array(FILES[0][0], object)}),
    ]
    reasons = [
        "[20,30,3] is not compatible with expected shape [?,?,?,3]",
        "image: 3 x 1024 x 2048 pixels, not 1 to 4194304 in the batch",
        "[1,32,33,3] is not compatible with expected shape [?,32,32,3]",
        "[] is not compatible with expected shape [?]",
    ]
    answers = run_script("run_saved_model.py", folder, requests=requests)["answers"]
    for (code, message, _), reason in zip(answers, reasons, strict=True):
        assert code == INVALID_ARGUMENT
        assert reason in message


@pytest.mark.parametrize("name", REFUSED)
def test_a_picture_that_cannot_be_taken_is_named_by_its_index(served, name) -> None:
    code, message, _ = served["answers"][name]
    assert code == INVALID_ARGUMENT
    assert f"image_bytes[2]: {REFUSED[name][1]}" in message


def test_every_operation_is_one_of_tensorflows_own(served, graph) -> None:
    known = {operation.name for operation in OpList.FromString(served["operations"]).op}
    functions = graph.graph_def.library.function
    used = {node.op for node in graph.graph_def.node}
    used |= {node.op for function in functions for node in function.node_def}
    assert {"Conv2D", "DecodePng", "ExtractJpegShape", "EncodePng"} <= used & known
    assert used - known - {function.signature.name for function in functions} == set()
    assert not {name for name in used if "PyFunc" in name or "XlaCall" in name}


def test_the_network_is_made_of_operations_that_onnx_has_too(graph) -> None:
    """tf2onnx 1.17 converts these, and leaves out what only checks; it must see no workaround."""
    network = {"Conv2D", "BiasAdd", "Relu", "Sub", "ConcatV2", "DepthToSpace", "Minimum", "Maximum"}
    plumbing = {"Const", "Identity", "NoOp", "ReadVariableOp"}
    checks = {"All", "AsString", "Assert", "EnsureShape", "Greater", "LessEqual", "LogicalAnd"}
    checks |= {"Prod", "Reshape", "Shape", "Squeeze", "StridedSlice", "StringJoin"}
    used = [
        {node.op for node in function.node_def}
        for function in graph.graph_def.library.function
        if function.signature.name.startswith("__inference_pixels")
    ]
    assert len(used) == 2  # serving_default and upscale_tile
    for operations in used:
        assert operations >= network
        assert operations <= network | plumbing | checks


def test_the_warm_up_runs_every_signature_in_every_batch_size(served, folder) -> None:
    requests = list(read_warm_up(folder / "saved_model/1"))
    shapes = {(name, *value.shape) for name, a in requests for value in a.values()}
    assert shapes == {
        ("serving_default", 1, 64, 64, 3),
        *(("upscale_tile", size, TILE, TILE, 3) for size in (1, 2, 4, 8)),
        ("upscale_bytes", 2),
    }
    for number in range(len(requests)):
        assert served["answers"][f"warm-up {number}"][0] == 0
    assert pixels_of(served["answers"]["warm-up 5"][2][1]).shape == (64 * SCALE, 64 * SCALE, 3)


def test_batching_config_is_what_the_server_parses(folder) -> None:
    parsed = text_format.Parse((folder / "batching.config").read_text(), batching_parameters()())
    assert parsed.max_batch_size.value == 8
    assert list(parsed.allowed_batch_sizes) == [1, 2, 4, 8]  # the last must be the largest batch
    assert parsed.batch_timeout_micros.value == 1000
    assert parsed.num_batch_threads.value == parsed.max_enqueued_batches.value == 4


def batching_parameters():
    """BatchingParameters of tensorflow_serving/servables/tensorflow/session_bundle_config.proto."""
    file = descriptor_pb2.FileDescriptorProto(name="batching.proto", syntax="proto3")
    file.dependency.append(WRAPPERS.name)
    message = file.message_type.add(name="BatchingParameters")
    wrapped = (("max_batch_size", 1), ("batch_timeout_micros", 2), ("max_enqueued_batches", 3))
    for name, number in (*wrapped, ("num_batch_threads", 4)):
        type_name = ".google.protobuf.Int64Value"
        message.field.add(name=name, number=number, label=1, type=11, type_name=type_name)
    message.field.add(name="allowed_batch_sizes", number=6, label=3, type=3)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(WRAPPERS.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("BatchingParameters"))


def test_verification_notices_two_hundredths_of_a_grey_level(folder, model) -> None:
    other = AWSRN("awsrn_sd", SCALE)
    other.set_weights(model.get_weights())
    skip = other.get_layer("skip")
    skip.bias.assign(skip.bias + 0.02 / 127.5)
    with pytest.raises(RuntimeError, match=r"serving_default .* differs .* by 0\.02"):
        verify(folder / "saved_model/1", other, TILE, WINDOW)


def test_a_network_that_computes_in_16_bits_is_compared_in_32(folder, model) -> None:
    other = AWSRN("awsrn_sd", SCALE, dtype="mixed_bfloat16")
    other.set_weights(model.get_weights())
    assert 0 < verify(folder / "saved_model/1", other, TILE, WINDOW)["serving_default"] < 0.01


def test_verification_notices_windows_that_overlap_too_little(model, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(graph_module, "receptive_field", lambda model: 4)  # in truth 22
    with pytest.raises(RuntimeError, match="upscale_bytes of the SavedModel differs"):
        publish(model, tmp_path / "export", TILE, WINDOW)
    assert contents(tmp_path) == {}


def test_a_network_that_fails_verification_leaves_the_earlier_export(folder, tmp_path) -> None:
    shutil.copytree(folder, tmp_path / "export")
    before = contents(tmp_path)
    broken = AWSRN("awsrn_sd", SCALE)
    broken.get_layer("skip").bias.assign(np.full(27, np.nan))
    with pytest.raises(RuntimeError, match="differs from the network by nan"):
        publish(broken, tmp_path / "export", TILE, WINDOW)
    assert contents(tmp_path) == before
