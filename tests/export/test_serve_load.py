"""A little of what `make load` does, and what makes it safe."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow.compat.v1 as tf1
from serve_load import load, requests
from tensorflow.core.protobuf.config_pb2 import RunMetadata, RunOptions

from awsrn_keras.network.fusion import fuse


@pytest.mark.slow
def test_sixteen_threads_get_what_each_would_alone_and_memory_stays_flat(exported) -> None:
    figures = load(exported[1], 8, requests())
    assert figures["requests"] == 16 * 8
    assert 0 < figures["refused"] < figures["requests"]


@pytest.mark.slow
def test_convolutions_at_the_same_time_do_not_disturb_each_other(exported) -> None:
    """Decoding leaves little time for them above."""
    asked = [request for request in requests() if request[0] == "serving_default"]
    assert load(exported[1], 30, asked)["requests"] == 16 * 30


@pytest.mark.slow
def test_no_sum_is_merged_with_the_convolution_before_it(exported, tmp_path) -> None:
    """TensorFlow merges them into an operation that is not safe in several threads."""
    model, folder = exported
    fuse(model).export(tmp_path / "plain", verbose=False)
    assert {"Add", "Relu"} <= merged_operations(tmp_path / "plain")
    merged = merged_operations(folder / "saved_model/1")
    assert "Relu" in merged
    assert not {"Add", "Sum"} & merged


def merged_operations(saved_model: Path) -> set[str]:
    """What a session merges with the convolutions of `serving_default`."""
    with tf1.Session(graph=tf1.Graph()) as session:
        loaded = tf1.saved_model.load(session, ["serve"], str(saved_model))
        names = loaded.signature_def["serving_default"]
        (image,), (upscaled,) = names.inputs.values(), names.outputs.values()
        metadata = RunMetadata()
        session.run(
            upscaled.name,
            {image.name: np.zeros((1, 8, 9, 3), "float32")},
            options=RunOptions(output_partition_graphs=True),
            run_metadata=metadata,
        )
    nodes = [node for graph in metadata.partition_graphs for node in graph.node]
    return {
        name.decode()
        for node in nodes
        if "Conv2D" in node.op
        for name in node.attr["fused_ops"].list.s
    }
