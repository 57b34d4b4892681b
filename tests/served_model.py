"""What tests need to have a SavedModel run by `run_saved_model.py` or `load_saved_model.py`."""

import pickle
import subprocess
import sys
from pathlib import Path

import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel


def meta_graph(folder: Path):
    """Of the SavedModel in an export folder."""
    content = (folder / "saved_model/1/saved_model.pb").read_bytes()
    (graph,) = SavedModel.FromString(content).meta_graphs
    return graph


def resolved(graph, signature: str, arguments: dict) -> tuple[dict, str]:
    """The feeds and the name of the tensor to fetch of a request to a signature."""
    names = graph.signature_def[signature]
    (output,) = names.outputs.values()
    return {names.inputs[k].name: value for k, value in arguments.items()}, output.name


def run_script(name: str, folder: Path, timeout: float | None = None, **task) -> dict:
    """What a script of this folder answers, in a process without code of this project.

    Raises:
        subprocess.TimeoutExpired: It takes longer than `timeout` seconds.
        RuntimeError: It failed.
    """
    library = next(Path(tf.sysconfig.get_lib()).glob("libtensorflow_cc.*"))
    task = {"library": str(library), "folder": str(folder / "saved_model/1"), **task}
    process = subprocess.run(
        [sys.executable, "-I", Path(__file__).with_name(name)],
        input=pickle.dumps(task),
        capture_output=True,
        timeout=timeout,
    )
    if process.returncode:
        raise RuntimeError(f"status {process.returncode}: {process.stderr.decode()[-2000:]}")
    return pickle.loads(process.stdout)
