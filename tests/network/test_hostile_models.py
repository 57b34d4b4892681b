"""Nothing in a model file is executed; what cannot be the network is refused by name.

Each hostile file is shown to work first: read without care, it makes a marker file.
"""

import json
import pickle
import shutil
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest

from awsrn_keras import AWSRN
from awsrn_keras.errors import InputError
from awsrn_keras.network.loading import load_model, official_weights
from awsrn_keras.network.presets import WEIGHTS
from awsrn_keras.upscaling.litert_engine import LiteRTEngine


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


@pytest.fixture
def marker(tmp_path):
    return tmp_path / "executed"


def refusal(path) -> str:
    with pytest.raises(InputError) as caught:
        load_model(path)
    message = str(caught.value)
    assert path.name in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["a.pt", "a.pth"])
def test_a_pickle_in_a_checkpoint_is_not_executed(name, marker, tmp_path):
    torch = pytest.importorskip("torch")
    for save in (torch.save, lambda value, path: path.write_bytes(pickle.dumps(value))):
        save({"head.0.bias": Bomb(marker)}, tmp_path / name)
        refusal(tmp_path / name)
        assert not marker.exists()
    torch.save({"head.0.bias": Bomb(marker)}, tmp_path / name)
    torch.load(tmp_path / name, weights_only=False)["head.0.bias"].close()
    assert marker.exists()


def test_a_pickle_in_an_npz_is_not_executed(marker, tmp_path):
    np.savez(tmp_path / "a.npz", **{"head.0.bias": np.array([Bomb(marker)], dtype=object)})
    refusal(tmp_path / "a.npz")
    assert not marker.exists()
    with np.load(tmp_path / "a.npz", allow_pickle=True) as archive:
        archive["head.0.bias"][0].close()
    assert marker.exists()


def test_a_lambda_in_a_keras_file_is_not_executed(marker, tmp_path):
    trap = eval(f"lambda x: (open({str(marker)!r}, 'w').close(), x)[1]")
    image = keras.Input((None, None, 3))
    keras.Model(image, keras.layers.Lambda(trap)(image)).save(tmp_path / "a.keras")
    marker.unlink()

    assert "holds a Functional, not an AWSRN" in refusal(tmp_path / "a.keras")
    assert not marker.exists()
    keras.saving.load_model(tmp_path / "a.keras", safe_mode=False)
    assert marker.exists()


def change_config(path, change):
    """Change the configuration in a `.keras` file."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(files["config.json"])
    change(config)
    files["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


LAMBDA = {"module": "keras.layers", "class_name": "Lambda", "registered_name": None}


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config.update(module="os", class_name="system", registered_name=None),
        lambda config: config.update(class_name="function", config="system", module="os"),
        lambda config: config["config"].update(
            dtype={"module": "hostile", "class_name": "Trap", "config": {}}
        ),
        lambda config: config["config"].update(name={**LAMBDA, "config": {"function": "print"}}),
        lambda config: config.update(registered_name=["awsrn_keras>AWSRN"]),
        lambda config: config.clear(),
    ],
)
def test_a_configuration_that_names_other_code_imports_nothing(
    change, marker, tmp_path, monkeypatch
):
    (tmp_path / "hostile.py").write_text(f"class Trap:\n    open({str(marker)!r}, 'w').close()")
    monkeypatch.syspath_prepend(tmp_path)
    AWSRN("awsrn_sd", 2).save(tmp_path / "a.keras")
    change_config(tmp_path / "a.keras", change)
    refusal(tmp_path / "a.keras")
    assert not marker.exists()


def test_weights_of_another_network_are_refused(tmp_path):
    AWSRN("awsrn_s", 2).save(tmp_path / "a.keras")
    change_config(tmp_path / "a.keras", lambda c: c["config"].update(variant="awsrn_sd"))
    refusal(tmp_path / "a.keras")

    AWSRN("awsrn_s", 2).save_weights(tmp_path / "a.weights.h5")
    for scale, variant in ((2, "awsrn_sd"), (3, "awsrn_s")):
        (tmp_path / "config.json").write_text(json.dumps({"variant": variant, "scale": scale}))
        refusal(tmp_path / "a.weights.h5")


@pytest.mark.parametrize("name", ["a.keras", "a.weights.h5", "a.npz"])
@pytest.mark.parametrize("kept", [1, 0.1, 0.9, 0.999])
def test_a_truncated_file_is_refused(name, kept, tmp_path):
    model, file = AWSRN("awsrn_sd", 2), tmp_path / name
    if name == "a.npz":
        np.savez(file, **official_weights(model))
    else:
        (model.save if name == "a.keras" else model.save_weights)(file)
    load_model(file)
    content = file.read_bytes()
    file.write_bytes(content[: kept if kept == 1 else int(kept * len(content))])
    assert "damaged or not" in refusal(file)


@pytest.mark.parametrize("name", ["a.keras", "a.weights.h5", "a.npz"])
def test_a_weight_that_is_no_number_is_refused_by_its_name(name, tmp_path):
    model, file = AWSRN("awsrn_sd", 2), tmp_path / name
    model.get_layer("head").bias.assign(np.full(16, np.nan))
    if name == "a.npz":
        np.savez(file, **official_weights(model))
        assert "'head.0.bias' holds NaN" in refusal(file)
    else:
        (model.save if name == "a.keras" else model.save_weights)(file)
        assert "head/bias holds NaN" in refusal(file)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A copy of two presets, to be damaged."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in ("awsrn_sd_x2", "awsrn_s_x2", "awsrn_sd_x3"):
        for file in WEIGHTS.glob(f"{name}.*"):
            shutil.copy(file, folder)
    monkeypatch.setattr("awsrn_keras.network.presets.WEIGHTS", folder)
    monkeypatch.setattr("awsrn_keras.upscaling.litert_engine.WEIGHTS", folder)
    return folder


def with_nan(content):
    """A `.tflite` file with the first weight of its largest kernel NaN."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    kernels = [t for t in interpreter.get_tensor_details() if t["dtype"] == np.float16]
    kernel = interpreter.get_tensor(max(kernels, key=lambda t: t["shape"].prod())["index"])
    at = content.index(kernel.tobytes())
    return content[:at] + np.float16(np.nan).tobytes() + content[at + 2 :]


def test_a_damaged_preset_for_litert_is_refused(weights):
    assert LiteRTEngine("awsrn_sd_x2").scale == 2
    file = weights / "awsrn_sd_x2.tflite"
    content = file.read_bytes()
    others = [(weights / f"{name}.tflite").read_bytes() for name in ("awsrn_s_x2", "awsrn_sd_x3")]
    for damaged, message in (
        (b"", "damaged or not a LiteRT model"),
        (content[:1000], "damaged or not a LiteRT model"),
        (content[: len(content) * 99 // 100], "damaged or not a LiteRT model"),
        (others[0], "holds the weights of another network"),
        (others[1], "holds the weights of another network"),
        (with_nan(content), "holds NaN"),
    ):
        file.write_bytes(damaged)
        with pytest.raises(InputError, match=message) as caught:
            LiteRTEngine("awsrn_sd_x2")
        assert str(file) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_damaged_preset_for_keras_is_refused(weights):
    file = weights / "awsrn_sd_x2.npz"
    content = file.read_bytes()
    for damaged in (b"", content[:5000], content[:-100]):
        file.write_bytes(damaged)
        with pytest.raises(InputError, match=r"awsrn_sd_x2\.npz: damaged or not"):
            AWSRN.from_preset("awsrn_sd_x2")
    shutil.copy(weights / "awsrn_s_x2.npz", file)
    with pytest.raises(InputError, match=r"npz: holds awsrn_s x2 .*, not awsrn_sd x2 "):
        AWSRN.from_preset("awsrn_sd_x2")


def test_the_command_says_it_in_one_line(tmp_path):
    (tmp_path / "a.keras").write_bytes(b"PK nothing")
    (tmp_path / "a.png").write_bytes(b"")
    command = [sys.executable, "-m", "awsrn_keras", "upscale", tmp_path / "a.png", "-o", tmp_path]
    result = subprocess.run(
        [*command, "--preset", tmp_path / "a.keras", "--overwrite", "--format", "bmp"],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
