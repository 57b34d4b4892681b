"""Checkpoints as others write them are read, and what is written PyTorch reads."""

import sys
import zipfile
from collections import OrderedDict

import numpy as np
import pytest

import awsrn_keras as awsrn
from awsrn_keras.__main__ import run
from awsrn_keras.errors import InputError
from awsrn_keras.network.loading import from_pytorch, load_model, official_weights, save_pytorch

torch = pytest.importorskip("torch")
torch_awsrn = pytest.importorskip("torch_awsrn")

REFERENCES = ["awsrn_sd_x2", "awsrn_s_x3", "awsrn_sd_x4", "awsrn_m_x2", "awsrn_x4"]


def networks(variant, scale, kernel_sizes=None, new_names=False):
    """A Keras network with none of its weights 0 or 1, and an untrained one in PyTorch."""
    model = awsrn.AWSRN(variant, scale, kernel_sizes)
    draw = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign(variable + draw.normal(0, 0.02, variable.shape))
    size = awsrn.VARIANTS[variant]
    sizes = (size.filters, size.blocks, size.units, size.expanded_filters, scale)
    return model, torch_awsrn.network(*sizes, model.kernel_sizes, new_names)


def picture(network, image):
    """The PyTorch network's result for an image (height, width, 3)."""
    with torch.no_grad():
        result = network(torch.tensor(image.transpose(2, 0, 1)[None], dtype=torch.float32))
    return result[0].numpy().transpose(1, 2, 0)


def photograph(height=9, width=13):
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 20, columns * 15, rows * columns], axis=2).astype("float32") % 256


def assert_same_weights(model, other):
    expected, found = official_weights(model), official_weights(other)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.fixture(scope="module")
def model():
    return networks("awsrn_sd", 2)[0]


@pytest.fixture(scope="module")
def state(model):
    return OrderedDict((k, torch.tensor(v)) for k, v in official_weights(model).items())


@pytest.mark.parametrize("name", REFERENCES)
def test_the_authors_tensors_come_back_in_their_file(name, shared, tmp_path):
    reference = torch.load(shared / "reference" / f"{name}.pt", weights_only=True)

    awsrn.save_pytorch(from_pytorch(shared / "reference" / f"{name}.pt"), tmp_path / "a.pt")
    awsrn.save_pytorch(from_pytorch(tmp_path / "a.pt"), tmp_path / "a.npz")

    written = torch.load(tmp_path / "a.pt", weights_only=True)
    assert type(written) is OrderedDict
    with np.load(tmp_path / "a.npz") as arrays:
        assert written.keys() == reference.keys() == set(arrays.files)
        for tensor, value in reference.items():
            assert written[tensor].dtype == torch.float32
            assert written[tensor].is_contiguous()
            assert torch.equal(written[tensor], value)
            np.testing.assert_array_equal(arrays[tensor], value)


@pytest.mark.parametrize("name", ["awsrn_sd_x2", "awsrn_s_x3", "awsrn_m_x2"])
def test_a_network_in_pytorch_computes_the_authors_pictures_from_it(name, shared, tmp_path):
    awsrn.save_pytorch(from_pytorch(shared / "reference" / f"{name}.pt"), tmp_path / "a.pt")
    with np.load(shared / "reference" / f"{name}_io.npz") as pair:
        image, expected = pair["lr"], pair["sr"]

    variant, scale = name.rsplit("_x", 1)
    _, network = networks(variant, int(scale))
    network.load_state_dict(torch.load(tmp_path / "a.pt", weights_only=True))

    np.testing.assert_allclose(picture(network, image), expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("variant", "scale", "kernel_sizes"),
    [("awsrn_sd", 3, None), ("awsrn_s", 8, (3, 7)), ("awsrn_nano", 2, None)],
)
def test_what_is_written_gives_the_same_picture_in_pytorch(variant, scale, kernel_sizes, tmp_path):
    model, network = networks(variant, scale, kernel_sizes)
    image = photograph()
    before = picture(network, image)

    save_pytorch(model, tmp_path / "new" / "a.pt")
    network.load_state_dict(torch.load(tmp_path / "new" / "a.pt", weights_only=True))

    expected = np.asarray(model(image[None]))[0]
    assert np.abs(before - expected).max() > 10
    np.testing.assert_allclose(picture(network, image), expected, atol=2e-3, rtol=0)
    again = load_model(tmp_path / "new" / "a.pt")
    assert (again.variant, again.scale) == (variant, scale)
    assert again.kernel_sizes == model.kernel_sizes
    assert_same_weights(model, again)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a.pt"]


def other(state):
    return OrderedDict((name, 2 * value) for name, value in state.items())


FORMS = {
    "state_dict": lambda s: {"state_dict": s, "epoch": 3, "optimizer": {"state": {}}},
    "params": lambda s: {"params": s},
    "ema": lambda s: {"params": other(s), "params_ema": s},
    "model": lambda s: {"model": s, "best_psnr": 37.1, "args": ["--scale", "2"]},
    "nested": lambda s: {"model": {"state_dict": s}},
    "DataParallel": lambda s: {f"module.{name}": value for name, value in s.items()},
    "compiled": lambda s: {f"_orig_mod.module.{name}": value for name, value in s.items()},
    "Lightning": lambda s: {
        "state_dict": {**{f"net.{k}": v for k, v in s.items()}, "loss.vgg.0.bias": torch.ones(3)}
    },
    "AveragedModel": lambda s: {
        "n_averaged": torch.tensor(7),
        **{f"module.{name}": value for name, value in s.items()},
    },
    "trainable": lambda s: {name: torch.nn.Parameter(value) for name, value in s.items()},
    "double": lambda s: {name: value.double() for name, value in s.items()},
}


@pytest.mark.parametrize("form", FORMS)
def test_the_forms_of_other_trainings_are_read(form, model, state, tmp_path):
    torch.save(FORMS[form](state), tmp_path / "a.ckpt")
    assert_same_weights(model, load_model(tmp_path / "a.ckpt"))


def test_files_of_old_pytorch_are_read(model, state, tmp_path):
    torch.save(state, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    assert_same_weights(model, load_model(tmp_path / "a.pth"))


def test_newer_weight_norm_is_read(tmp_path):
    model, network = networks("awsrn_sd", 2, new_names=True)
    torch.save(network.state_dict(), tmp_path / "a.pt")
    assert "skip.0.parametrizations.weight.original0" in network.state_dict()

    loaded, image = load_model(tmp_path / "a.pt"), photograph()

    expected = picture(network, image)
    assert np.abs(expected - np.asarray(model(image[None]))[0]).max() > 10
    np.testing.assert_allclose(np.asarray(loaded(image[None]))[0], expected, atol=2e-3, rtol=0)


def test_a_network_without_weight_norm_is_read(tmp_path):
    _, network = networks("awsrn_s", 3)
    image = photograph()
    expected = picture(network, image)
    for module in network.modules():
        if hasattr(module, "weight_g"):
            torch.nn.utils.remove_weight_norm(module)
    torch.save(network.state_dict(), tmp_path / "a.pt")
    assert "skip.0.weight" in network.state_dict()

    loaded = load_model(tmp_path / "a.pt")

    assert (loaded.variant, loaded.scale) == ("awsrn_s", 3)
    np.testing.assert_allclose(np.asarray(loaded(image[None]))[0], expected, atol=2e-3, rtol=0)


def test_safetensors_are_read(model, state, tmp_path, monkeypatch):
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file(state, tmp_path / "a.safetensors")
    assert_same_weights(model, load_model(tmp_path / "a.safetensors"))

    (tmp_path / "b.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:5000])
    assert "damaged or not" in refusal(tmp_path / "b.safetensors")
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    assert "needs safetensors: pip install" in refusal(tmp_path / "a.safetensors")


def refusal(path):
    with pytest.raises(InputError) as caught:
        from_pytorch(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


class Whole(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.head = torch.nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.head(x)


def write(content):
    return lambda file, model, state: file.write_bytes(content)


def renamed(name):
    """The network as Keras saves it under `name`."""

    def save(file, model, state):
        saved = file.with_name(name)
        (model.save if name == "b.keras" else model.save_weights)(saved)
        saved.rename(file)

    return save


def torch_save(make):
    return lambda file, model, state: torch.save(make(state), file)


def save_zip(file, model, state):
    with zipfile.ZipFile(file, "w") as archive:
        for name in ("x/y.txt", "z.json"):
            archive.writestr(name, "{}")


def save_npz(file, model, state):
    with file.open("wb") as opened:
        np.savez(opened, **official_weights(model))


def save_torchscript(file, model, state):
    torch.jit.trace(Whole(), torch.zeros(1, 3, 8, 8)).save(file)


def two_networks(state):
    return {f"{prefix}.{k}": v for k, v in state.items() for prefix in ("net", "average")}


def optimizer(state):
    return torch.optim.Adam(Whole().parameters()).state_dict()


ONNX = b"\x08\x0a\x12\x07pytorch\x1a\x062.13.0"


@pytest.mark.parametrize(
    ("name", "save", "message"),
    [
        ("a.pt", torch_save(lambda state: Whole()), "a pickled test_checkpoints.Whole"),
        ("a.pt", torch_save(lambda state: {"model": Whole()}), "a pickled test_checkpoints.Whole"),
        ("a.pt", torch_save(lambda state: [state]), "holds a list, not tensors"),
        ("a.pt", torch_save(optimizer), "holds 'state', 'param_groups', no tensors by name"),
        ("a.pt", torch_save(two_networks), "several networks, 'average.' and 'net.'"),
        ("a.npz", torch_save(lambda state: state), "a PyTorch file: name it"),
        ("a.pt", save_npz, "an .npz file: name it"),
        ("a.pt", save_zip, "a zip archive of 'x/y.txt', 'z.json', no checkpoint"),
        ("a.pt", renamed("b.keras"), "a Keras file: name it"),
        ("a.pt", renamed("b.weights.h5"), "an HDF5 file: name it"),
        ("a.pt", write(b"version https://git-lfs.github.com/spec/v1"), "a Git LFS pointer"),
        ("a.pt", write(b"\n<!DOCTYPE html><html>"), "a web page"),
        ("a.pt", write(ONNX), "an ONNX graph"),
        ("a.onnx", write(ONNX), "an ONNX graph"),
        ("a.bin", write(b"anything"), "a checkpoint ends in .pt, "),
        pytest.param(
            "a.pt",
            save_torchscript,
            "a TorchScript program",
            marks=pytest.mark.filterwarnings("ignore::DeprecationWarning"),
        ),
    ],
)
def test_another_kind_of_file_is_refused_by_what_it_is(name, save, message, model, state, tmp_path):
    save(tmp_path / name, model, state)
    assert message in refusal(tmp_path / name)


def test_the_nearest_network_is_found_by_shapes_and_the_difference_named(state, tmp_path):
    units = {name for name in state if name[:9] in ("body.0.b4", "body.0.b5", "body.0.b6")}
    last = {name for name in state if name.startswith("body.0.b7")}
    for missing, message in (
        (units | last, "nearest is awsrn_sd, but tensor 'body.0.b4.body.0.bias' (and 31 more)"),
        (last, "nearest is awsrn_sd, but tensor 'body.0.b7.body.0.bias' (and 7 more) is missing"),
    ):
        torch.save({k: v for k, v in state.items() if k not in missing}, tmp_path / "a.pt")
        assert message in refusal(tmp_path / "a.pt")


def test_nothing_is_written_when_it_fails(model, tmp_path, monkeypatch):
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"a\.onnx: name the output \*\.pt or \*\.npz"):
        save_pytorch(model, out / "a.onnx")
    with pytest.raises(ValueError, match="is not an AWSRN"):
        save_pytorch(awsrn.fuse(model), out / "a.pt")
    lost = awsrn.AWSRN("awsrn_sd", 2)
    lost.get_layer("head").bias.assign(np.full(16, np.nan))
    with pytest.raises(InputError, match=r"awsrn_sd_x2: tensor 'head\.0\.bias' holds NaN"):
        save_pytorch(lost, out / "a.pt")
    monkeypatch.setattr("torch.save", lambda state, file: file.write(b"half"))
    with pytest.raises(InputError, match="damaged"):
        save_pytorch(model, out / "a.pt")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(InputError, match="needs torch: pip install"):
        save_pytorch(model, out / "a.pt")
    assert not list(out.iterdir())


def test_the_command_writes_a_preset(tmp_path, capsys):
    run(["export-pytorch", "awsrn_sd_x2", "-o", str(tmp_path / "a.pt")])
    assert "awsrn_sd x2, 348,098 parameters, verified" in capsys.readouterr().out
    assert_same_weights(load_model("awsrn_sd_x2"), load_model(tmp_path / "a.pt"))
