"""Write a network as an .onnx file for ONNX Runtime, TensorRT, OpenVINO, OpenCV and others.

    python export/to_onnx.py awsrn_sd_x2

writes exports/awsrn_sd_x2/awsrn_sd_x2.onnx in a few seconds. The file takes one RGB picture of
any height and width, "input", float32 (1, 3, height, width), 0..1, and gives "output", `scale`
times larger and not clipped: values somewhat below 0 and above 1 are for the caller to clip.
Before it is put in place, ONNX's checker has to accept it, and what ONNX Runtime makes of a
test picture may differ from the network by 0.001 grey levels of 255 at most.
"""

import argparse
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from awsrn_keras.command_line import add_model, command_parser, run_command, start_backend
from awsrn_keras.errors import InputError
from awsrn_keras.files import replacing
from awsrn_keras.pictures.resize import imresize
from export.default_folder import default_folder, network_name

if TYPE_CHECKING:
    import onnx

    from awsrn_keras.network.model import AWSRN
    from export.fused_graph import Node

OPSET, IR_VERSION = 13, 7  # of 2020: TensorRT 8, OpenCV 4.5 and later know them
LIMIT = 1e-3  # grey levels of 255
_OPERATORS = {
    "conv": "Conv",
    "relu": "Relu",
    "add": "Add",
    "concatenate": "Concat",
    "subtract": "Sub",
    "depth_to_space": "DepthToSpace",
}


def parser() -> argparse.ArgumentParser:
    parse = command_parser(__doc__)
    add_model(parse)
    option = parse.add_argument
    text = "value of white in input and output, 1 (default) or 255"
    option("--range", type=int, choices=(1, 255), default=1, help=text)
    default = "default exports/NAME/NAME.onnx, NAME being the preset or <variant>_x<scale>"
    option("-o", "--output", type=Path, metavar="FILE", help=default)
    return parse


def main(arguments: list[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    path = options.output
    if path and path.suffix != ".onnx":
        raise InputError(f"{path}: name the output *.onnx.")
    for module in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(module) is None:
            raise InputError(f"{module} is not installed: pip install onnx onnxruntime.")
    print(start_backend(), flush=True)
    from awsrn_keras.network.loading import load_model

    model = load_model(options.model)
    if path is None:
        folder = default_folder(model, options.model)
        path = folder / f"{folder.name}.onnx"
    size, difference = write_onnx(model, path, options.range, options.model)
    print(f"{path}  {size / 1e6:.2f} MB, differs from the network by {difference:#.2g} grey levels")


def write_onnx(model: "AWSRN", path: Path, white: int, origin: str) -> tuple[int, float]:
    """Write one verified file; `path` is touched only if all checks pass.

    Args:
        model: The network.
        path: Of the .onnx file.
        white: Pixels are 0..`white`.
        origin: What names the weights: a preset or a file.

    Returns:
        Size in bytes, and the largest difference to the network, grey levels of 255.

    Raises:
        InputError: The difference is too large, see `verify`.
    """
    from awsrn_keras.network.fusion import fuse
    from export.fused_graph import describe
    from export.network_facts import network_facts

    facts = {
        **network_facts(model, origin),
        "input": f"RGB (1, 3, height, width), float32 0..{white}",
        "output": f"the same, scale times larger, float32 0..{white}, not clipped",
        "value_range": [0, white],
    }
    title = network_name(model, origin)
    content = onnx_model(describe(fuse(model)), white, title, facts).SerializeToString()
    difference = verify(content, model, white)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return len(content), difference


def onnx_model(
    nodes: "list[Node]", white: int, title: str, facts: dict[str, Any]
) -> "onnx.ModelProto":
    """The operations of `describe` as a graph of that title, with `facts` as its metadata.

    Its values are those of the nodes times `white / 255`. As `relu(c * x) = c * relu(x)` for
    c > 0, it is enough to multiply the biases and the mean by it.
    """
    from onnx import TensorProto, helper, numpy_helper

    names = {node.name: node.name for node in nodes}
    names |= {nodes[0].name: "input", nodes[-1].name: "output"}
    constants, operators = [], []
    for node in nodes[1:]:
        inputs = [names[name] for name in node.inputs]
        for name, values in _constants(node, white / 255).items():
            inputs.append(f"{node.name}_{name}")
            constants.append(numpy_helper.from_array(values.astype("float32"), inputs[-1]))
        operators.append(
            helper.make_node(
                _OPERATORS[node.kind], inputs, [names[node.name]], node.name, **_attributes(node)
            )
        )
    ends = {"input": ("height", "width"), "output": ("output_height", "output_width")}
    image, upscaled = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3, *sides))
        for name, sides in ends.items()
    )
    graph = helper.make_graph(operators, title, [image], [upscaled], constants)
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name=facts["project"],
        producer_version=facts["version"],
    )
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in facts.items()}
    helper.set_model_props(model, texts)
    return model


def _constants(node: "Node", factor: float) -> dict[str, np.ndarray]:
    """What a node computes with besides its inputs, channels before height and width."""
    if node.kind == "conv":
        kernel, bias = node.weights
        return {"kernel": kernel.transpose(3, 2, 0, 1), "bias": factor * bias}
    if node.kind == "subtract":
        return {"mean": factor * node.weights[0].reshape(1, -1, 1, 1)}
    return {}


def _attributes(node: "Node") -> dict[str, Any]:
    if node.kind == "conv":
        size = len(node.weights[0])
        return {"kernel_shape": [size, size], "pads": [size // 2] * 4}
    if node.kind == "concatenate":
        return {"axis": 1}
    if node.kind == "depth_to_space":
        return {"blocksize": node.block, "mode": "DCR"}
    return {}


def verify(content: bytes, model: "AWSRN", white: int) -> float:
    """Check a file's form, run it in ONNX Runtime and compare it with the network.

    Returns:
        Largest difference, grey levels of 255.

    Raises:
        InputError: It is above `LIMIT`; for a network that gives values far beyond 0..255, above
            as small a part of the largest. Or the network itself gives NaN or infinity.
    """
    import keras
    import onnx
    import onnxruntime

    from export.reference import unrounded

    onnx.checker.check_model(content, full_check=True)
    noise = np.random.default_rng(0).integers(0, 256, (11, 13, 3), dtype=np.uint8)
    picture = imresize(noise, 4)[None].astype("float32")
    with keras.device("cpu"):  # GPUs may round to 10 bits before they multiply (TF32)
        expected = keras.ops.convert_to_numpy(unrounded(model)(picture))
    if not np.isfinite(expected).all():
        raise InputError("The network itself gives NaN or infinity; use other weights.")
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (given,) = session.run(None, {"input": picture.transpose(0, 3, 1, 2) * (white / 255)})
    difference = float(np.abs(given.transpose(0, 2, 3, 1) * (255 / white) - expected).max())
    allowed = LIMIT * max(1.0, float(np.abs(expected).max()) / 255)
    if not difference <= allowed:
        raise InputError(
            f"What ONNX Runtime gives differs by {difference:.3g} grey levels from the network's "
            f"picture; at most {allowed:.3g} is allowed."
        )
    return difference


if __name__ == "__main__":
    run_command(main)
