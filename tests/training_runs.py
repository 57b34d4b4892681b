"""Short training runs for tests: what they train on, and how two of them are compared."""

import json
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from awsrn_keras.network.loading import load_model
from awsrn_keras.network.model import AWSRN
from training.lineage import digest

TINY = [
    *("--variant", "awsrn_s", "--batch-size", "2", "--patch-size", "8"),
    *("--epochs", "2", "--steps-per-epoch", "3"),
]


def make_photographs(folder: Path) -> Path:
    """Fill a new folder with two small pictures that have structure, H != W."""
    folder.mkdir()
    rows, columns = np.mgrid[:40, :56]
    for i in (1, 2):
        waves = 127 + 100 * np.sin(rows / (2 + i)) * np.cos(columns / (3 + i))
        noise = np.random.default_rng(i).normal(0, 8, (40, 56, 3))
        picture = np.clip(waves[..., None] * (1, 0.8, 0.6) + noise, 0, 255).astype("uint8")
        Image.fromarray(picture).save(folder / f"wave_{i}.png")
    return folder


def arguments(photographs, run, *more):
    source = ["--data", str(photographs), "--val", str(photographs)]
    return [*TINY, *source, "--run-dir", str(run), *more]


def make_run(folder: Path, model: AWSRN, **facts: object) -> Path:
    """Fill a new folder as a run does that ended with this model and started as `facts` say."""
    folder.mkdir()
    model.save(folder / "model.keras")
    trained = {"steps": 30, "hours": 0.5, "machine": "a clock", "trained_on": "waves"}
    trained |= {"recipe": "patience", "seed": 7, "weights": digest(model)}
    made_from = {"init": None, "teacher": None, **facts}
    network = {"variant": model.variant, "scale": model.scale}
    config = {**network, "trained": trained, "lineage": made_from}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def saved_state(run: Path) -> dict:
    return json.loads((run / "checkpoint" / "state.json").read_text())


def saved_tensors(run: Path) -> dict[str, np.ndarray]:
    """Weights, averages and optimizer of the last saved state, by name."""
    tensors = {}

    def keep(name, node):
        if isinstance(node, h5py.Dataset):
            tensors[name] = node[()]

    with h5py.File(run / "checkpoint" / saved_state(run)["weights"]) as file:
        file.visititems(keep)
    return tensors


def assert_same_run(whole: Path, other: Path) -> None:
    """Two finished runs hold the same to the last bit, and `other` holds nothing else.

    The means of an epoch that was interrupted are added up otherwise.
    """
    expected, tensors = saved_tensors(whole), saved_tensors(other)
    assert expected.keys() == tensors.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(tensors[name], tensor, err_msg=name)
    weights = load_model(whole).get_weights(), load_model(other).get_weights()
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)
    histories = saved_state(whole).pop("history"), saved_state(other).pop("history")
    for a, b in zip(*histories, strict=True):
        for mean in ("loss", "psnr"):
            np.testing.assert_allclose(a.pop(mean), b.pop(mean), rtol=1e-5)
        assert {**a, "seconds": 0} == {**b, "seconds": 0}
    assert len(list((other / "checkpoint").iterdir())) == 2
    assert not list(other.rglob(".part-*"))
