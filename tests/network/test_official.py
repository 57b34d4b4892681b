"""Official checkpoints: read, rebuilt, written back; what is wrong with one is named."""

import shutil
import sys

import numpy as np
import pytest

import awsrn_keras as awsrn
from awsrn_keras.errors import InputError
from awsrn_keras.network.loading import (
    from_pytorch,
    import_checkpoint,
    load_model,
    official_weights,
)
from awsrn_keras.network.tensor_files import read_tensors

REFERENCES = ["awsrn_sd_x2", "awsrn_s_x3", "awsrn_sd_x4", "awsrn_m_x2", "awsrn_x4"]


@pytest.fixture(scope="module")
def tensors():
    """An awsrn_sd x2 with every tensor different, in the official layout."""
    model = awsrn.AWSRN("awsrn_sd", 2)
    draw = np.random.default_rng(0)
    return {
        name: draw.normal(size=t.shape).astype("f4") for name, t in official_weights(model).items()
    }


@pytest.mark.parametrize("name", REFERENCES)
def test_the_authors_network_is_reproduced(name, shared):
    pytest.importorskip("torch")
    variant, scale = name.rsplit("_x", 1)
    with np.load(shared / "reference" / f"{name}_io.npz") as pair:
        image, expected = pair["lr"], pair["sr"]

    model = from_pytorch(shared / "reference" / f"{name}.pt")
    output = np.asarray(model(image[None].astype("float32")))[0]

    assert (model.variant, model.scale) == (variant, int(scale))
    assert expected.std() > 20  # a picture, so that agreement says something
    assert image.shape[0] != image.shape[1]
    np.testing.assert_allclose(output, expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize("name", REFERENCES)
def test_every_tensor_comes_back_as_it_was_read(name, shared):
    pytest.importorskip("torch")
    tensors = read_tensors(shared / "reference" / f"{name}.pt")

    again = official_weights(from_pytorch(shared / "reference" / f"{name}.pt"))

    assert again.keys() == tensors.keys()
    for tensor in tensors:
        np.testing.assert_array_equal(again[tensor], tensors[tensor], err_msg=tensor)


def test_the_sub_pixel_channels_change_order_and_kernels_are_transposed(tensors, tmp_path):
    np.savez(tmp_path / "a.npz", **tensors)
    model = from_pytorch(tmp_path / "a.npz")
    kernel = np.asarray(model.get_layer("skip").v)
    official = tensors["skip.0.weight_v"]

    for colour, row, column in np.ndindex(3, 2, 2):
        ours, theirs = (row * 2 + column) * 3 + colour, colour * 4 + row * 2 + column
        np.testing.assert_array_equal(kernel[..., ours], official[theirs].transpose(1, 2, 0))


def test_npz_of_float16_and_pt_of_the_same_values_give_the_same_model(tensors, tmp_path):
    torch = pytest.importorskip("torch")
    rounded = {name: value.astype("float16") for name, value in tensors.items()}
    np.savez_compressed(tmp_path / "a.npz", **rounded)
    torch.save({name: torch.from_numpy(v) for name, v in rounded.items()}, tmp_path / "a.pt")

    models = [from_pytorch(tmp_path / "a.npz"), from_pytorch(tmp_path / "a.pt")]

    for name, value in rounded.items():
        for model in models:
            np.testing.assert_array_equal(official_weights(model)[name], value.astype("float32"))


def test_a_model_with_fewer_branches_is_written_without_theirs():
    model = awsrn.AWSRN("awsrn_sd", 3, kernel_sizes=(3, 7))
    tensors = official_weights(model)
    assert tensors["tail.tail_k7.weight_v"].shape == (27, 16, 7, 7)
    assert not [name for name in tensors if "k5" in name or "k9" in name]
    assert sum(tensor.size for tensor in tensors.values()) == model.count_params()


def break_rename(tensors):
    tensors["head.0.biased"] = tensors.pop("head.0.bias")


def break_shape(tensors):
    tensors["tail.tail_k5.weight_v"] = tensors["tail.tail_k5.weight_v"][..., :3]


def break_nan(tensors):
    tensors["body.0.b3.body.2.weight_g"][7] = np.nan


def break_norm(tensors):
    tensors["body.0.reduction.weight_v"][2] = 0


def break_norm_by_overflow(tensors):
    tensors["body.0.b7.body.0.weight_v"][2, 1] = 1e25


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda t: t.pop("body.0.b7.x_scale.scale"), "'body.0.b7.x_scale.scale' is missing"),
        (break_rename, r"awsrn_sd, but tensor 'head.0.bias' is missing"),
        (lambda t: t.update(extra=np.ones(3, "f4")), "'extra' has no place"),
        (break_shape, r"'tail.tail_k5.weight_v' has shape \(12, 16, 5, 3\).* \(12, 16, 5, 5\)"),
        (lambda t: t.update({"skip.0.bias": np.ones(13, "f4")}), r"'skip.0.bias' .*no scale"),
        (break_nan, "'body.0.b3.body.2.weight_g' holds NaN"),
        (break_norm, "'body.0.reduction.weight_v' has a filter of norm 0"),
        (break_norm_by_overflow, "'body.0.b7.body.0.weight_v' has a filter of norm 0 or infinity"),
        (lambda t: t.clear(), "is missing"),
    ],
)
def test_what_is_wrong_with_a_tensor_is_an_error_naming_it(damage, message, tensors, tmp_path):
    broken = {name: value.copy() for name, value in tensors.items()}
    damage(broken)
    np.savez(tmp_path / "broken.npz", **broken)

    with pytest.raises(InputError, match=message) as caught:
        from_pytorch(tmp_path / "broken.npz")

    assert "broken.npz" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("suffix", [".pt", ".npz"])
@pytest.mark.parametrize("kept", [0, 10, 0.5, -30])
def test_a_truncated_file_is_a_one_line_error(suffix, kept, tensors, tmp_path):
    torch = pytest.importorskip("torch")
    file = tmp_path / f"model{suffix}"
    if suffix == ".pt":
        torch.save({name: torch.from_numpy(value) for name, value in tensors.items()}, file)
    else:
        np.savez(file, **tensors)
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content)) if kept == 0.5 else kept])

    with pytest.raises(InputError, match=f"model{suffix}: damaged or not") as caught:
        from_pytorch(file)

    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_would_run_code_is_refused(tmp_path):
    torch = pytest.importorskip("torch")
    torch.save({"head.0.bias": shutil.rmtree}, tmp_path / "evil.pt")
    np.savez(tmp_path / "evil.npz", a=np.array([shutil.rmtree], dtype=object))
    for name, message in (
        ("evil.pt", "holds a pickled shutil.rmtree"),
        ("evil.npz", "damaged or not"),
    ):
        with pytest.raises(InputError, match=f"{name}: {message}"):
            from_pytorch(tmp_path / name)


def test_without_torch_the_error_says_how_to_install_it(tensors, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "a.pt").write_bytes(b"anything")
    np.savez(tmp_path / "a.npz", **tensors)

    with pytest.raises(InputError, match="pip install torch"):
        from_pytorch(tmp_path / "a.pt")
    from_pytorch(tmp_path / "a.npz")  # needs numpy alone


def test_a_missing_file_or_another_kind_is_named(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"anything")
    with pytest.raises(InputError, match=r"b\.pt: there is no such file"):
        from_pytorch(tmp_path / "b.pt")
    with pytest.raises(InputError, match=r"a\.onnx: a checkpoint ends in \.pt, .*\.npz, "):
        from_pytorch(tmp_path / "a.onnx")


@pytest.mark.parametrize("name", ["a.keras", "a.weights.h5"])
def test_an_imported_checkpoint_loads_as_the_same_model(name, tensors, tmp_path):
    np.savez(tmp_path / "a.npz", **tensors)

    import_checkpoint(tmp_path / "a.npz", tmp_path / "new" / name)

    loaded = official_weights(load_model(tmp_path / "new" / name))
    for tensor, value in tensors.items():
        np.testing.assert_array_equal(loaded[tensor], value, err_msg=tensor)
    assert [file.name for file in (tmp_path / "new").iterdir()] == [name]


def test_import_writes_nothing_when_it_fails(tensors, tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", **tensors)
    with pytest.raises(InputError, match=r"\*\.keras or \*\.weights\.h5"):
        import_checkpoint(tmp_path / "a.npz", tmp_path / "out" / "a.h5")

    other = awsrn.AWSRN("awsrn_sd", 2)
    monkeypatch.setattr("awsrn_keras.network.loading.load_model", lambda path: other)
    with pytest.raises(RuntimeError, match="changed on the way"):
        import_checkpoint(tmp_path / "a.npz", tmp_path / "out" / "a.keras")

    assert not list((tmp_path / "out").iterdir())
