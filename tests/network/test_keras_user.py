"""AWSRN as a Keras user treats a model: import, load, compile, fit, freeze, save, clone."""

import json
import os
import subprocess
import sys
import textwrap
from zipfile import ZipFile

import keras
import numpy as np
import pytest
from keras import ops

import awsrn_keras as awsrn
from awsrn_keras.errors import InputError
from awsrn_keras.network.layers import LFB
from awsrn_keras.network.loading import official_weights


def images(height=8, width=6, batch=4, seed=0):
    shape = (batch, height, width, 3)
    return np.random.default_rng(seed).uniform(0, 255, shape).astype("float32")


def trainable(model):
    return [variable.path.removeprefix(f"{model.name}/") for variable in model.trainable_variables]


def partly_frozen():
    """Head, the units' expansions and one branch are frozen, and one unit computes in 16 bits."""
    model = awsrn.AWSRN("awsrn_sd", 2, name="mine")
    model.get_layer("head").trainable = False
    block = model.get_layer("lfb_1")
    for unit in block.units:
        unit.expand.trainable = False
    block.units[2].trainable = False
    block.units[2].reduce.trainable = True
    block.units[3].reduce.dtype_policy = "mixed_bfloat16"
    model.get_layer("awms").branches[1].trainable = False
    model.get_layer("skip").dtype_policy = "mixed_bfloat16"
    assert len(model.trainable_variables) == 91 - 3 * (1 + 8 + 1) - 2  # unit 3 has its lambdas too
    return model


def states(layer):
    """Trainable and dtype policy of a layer and all those in it."""
    inner = layer.parts() if hasattr(layer, "parts") else getattr(layer, "layers", [])
    inner = [part for part in inner if part.name != "image"]
    own = (layer.name, layer.trainable, layer.dtype_policy.name)
    return [own, *(state for part in inner for state in states(part))]


def fit(model, steps=3):
    pairs = images(), images(16, 12, seed=1)
    model.fit(*pairs, batch_size=4, epochs=steps, shuffle=False, verbose=0)


@pytest.mark.slow
def test_a_user_loads_compiles_freezes_fits_saves_and_goes_on(tmp_path):
    keras.utils.set_random_seed(0)
    model = awsrn.load_model("awsrn_sd_x2")
    model.get_layer("head").trainable = False
    model.get_layer("lfb_1").units[0].trainable = False
    model.compile(keras.optimizers.Adam(1e-4), "mean_absolute_error", jit_compile=False)
    before = official_weights(model)

    fit(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    after = official_weights(model)
    still = {name for name in before if np.array_equal(before[name], after[name])}
    assert still == {n for n in before if n.startswith(("head.0.", "body.0.b0."))}
    assert type(loaded) is awsrn.AWSRN
    assert loaded.optimizer.iterations == 3
    assert loaded.get_compile_config() == model.get_compile_config()
    np.testing.assert_equal(
        [ops.convert_to_numpy(variable) for variable in loaded.optimizer.variables],
        [ops.convert_to_numpy(variable) for variable in model.optimizer.variables],
    )
    for network in (model, loaded):
        fit(network)
    further = official_weights(loaded)
    assert not np.array_equal(further["skip.0.bias"], after["skip.0.bias"])
    for name, value in official_weights(model).items():
        np.testing.assert_array_equal(further[name], value, err_msg=name)


COPIES = {
    "keras.saving": lambda model, path: (model.save(path), keras.saving.load_model(path))[1],
    "awsrn.load_model": lambda model, path: (model.save(path), awsrn.load_model(path))[1],
    "config": lambda model, _: awsrn.AWSRN.from_config(model.get_config()),
    "JSON": lambda model, _: keras.models.model_from_json(model.to_json()),
    "clone_model": lambda model, _: keras.models.clone_model(model),
    "in another": lambda model, path: (
        keras.Sequential([keras.Input((None, None, 3)), model]).save(path),
        keras.saving.load_model(path).layers[0],
    )[1],
}


@pytest.mark.parametrize("copy", COPIES)
def test_what_is_frozen_and_each_dtype_policy_stay_in_every_copy(copy, tmp_path):
    model = partly_frozen()
    copied = COPIES[copy](model, tmp_path / "model.keras")
    assert trainable(copied) == trainable(model)
    assert states(copied)[1:] == states(model)[1:]
    assert copied.name == "mine"
    copied.set_weights(model.get_weights())
    expected = ops.convert_to_numpy(model(images()))
    np.testing.assert_array_equal(ops.convert_to_numpy(copied(images())), expected)
    exact = awsrn.AWSRN("awsrn_sd", 2)
    exact.set_weights(model.get_weights())
    assert np.abs(ops.convert_to_numpy(exact(images())) - expected).max() > 1e-3


@pytest.mark.parametrize("thawed", [(), ("awms",)])
def test_a_network_frozen_as_a_whole_stays_so(thawed, tmp_path):
    model = awsrn.AWSRN("awsrn_sd", 2)
    model.trainable = False
    for name in thawed:
        model.get_layer(name).trainable = True
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert states(loaded) == states(model)
    assert loaded.trainable_variables == []
    assert [v.trainable for v in loaded.variables] == [v.trainable for v in model.variables]


def test_a_layer_by_itself_keeps_the_states_of_those_in_it():
    block = LFB(4, 2, 5)
    block.units[1].reduce.trainable = False
    block.fusion.dtype_policy = "mixed_bfloat16"
    copied = LFB.from_config(json.loads(json.dumps(block.get_config())))
    assert states(copied) == states(block)
    for layer in (block, copied):
        layer.build((None, 5, 6, 4))
        assert len(layer.trainable_variables) == 2 + 2 * (2 + 6) + 3 - 3


def test_pruned_and_fused_networks_stay_frozen():
    model = partly_frozen()
    pruned = awsrn.prune_branches(model, keep=(5, 7))
    kept = [path for path in trainable(model) if "_3" not in path and "_9" not in path]
    assert [path for path in trainable(pruned) if "awms" in path] == [
        p for p in kept if "awms" in p
    ]
    assert len(trainable(pruned)) == len(trainable(model)) - 2 * 4

    fused = awsrn.fuse(model)
    frozen = {layer.name for layer in fused.layers if layer.weights and not layer.trainable}
    assert frozen == {"head", *(f"lfb_1_awru_{unit}_expand" for unit in range(1, 9))}
    model.trainable = False
    assert awsrn.fuse(model).trainable_variables == []
    assert awsrn.fuse(awsrn.AWSRN()).non_trainable_variables == []


def test_a_file_without_states_is_loaded(tmp_path):
    model = awsrn.AWSRN("awsrn_sd", 2)
    model.save(tmp_path / "new.keras")
    with ZipFile(tmp_path / "new.keras") as new, ZipFile(tmp_path / "old.keras", "w") as old:
        for name in new.namelist():
            content = new.read(name)
            if name == "config.json":
                config = json.loads(content)
                del config["config"]["parts"]
                content = json.dumps(config)
            old.writestr(name, content)
    loaded = awsrn.load_model(tmp_path / "old.keras")
    np.testing.assert_equal(loaded.get_weights(), model.get_weights())
    assert states(loaded) == states(model)


@pytest.mark.parametrize("name", ["a.h5", "a.hdf5"])
def test_the_legacy_format_is_refused_when_it_is_written(name, tmp_path):
    with pytest.raises(InputError, match=rf"{name}: name the file \*\.keras") as caught:
        awsrn.AWSRN().save(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_other_keras_models_are_refused_with_what_to_give_instead():
    model, image = awsrn.AWSRN(), images()[0].astype("uint8")
    for other in (awsrn.fuse(model), keras.models.clone_model(model)):
        with pytest.raises(
            awsrn.InputError, match="is not an AWSRN: pass the AWSRN itself, which"
        ) as caught:
            awsrn.upscale(image, other)
        assert "\n" not in str(caught.value)
    copied = awsrn.AWSRN.from_config(model.get_config())
    copied.set_weights(model.get_weights())
    np.testing.assert_array_equal(awsrn.upscale(image, copied), awsrn.upscale(image, model))


def python(code, *arguments, **environment):
    """What a fresh process prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


ORDERS = {
    "first": "import awsrn_keras; assert not {'keras', 'numpy'} & sys.modules.keys(); import keras",
    "last": "import keras, awsrn_keras",
    "a name": "import awsrn_keras; awsrn_keras.fuse; import keras",
    "a layer": "import awsrn_keras.network.layers, keras",
    "from": "import awsrn_keras; from keras.saving import load_model; import keras",
    "threads": """
        import awsrn_keras, concurrent.futures, importlib
        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            names = ["keras", "awsrn_keras.network.model", "keras", "awsrn_keras.network.fusion"]
            list(threads.map(importlib.import_module, names))
        import keras
    """,
}


@pytest.mark.parametrize(
    "order", ["first", *(pytest.param(o, marks=pytest.mark.slow) for o in list(ORDERS)[1:])]
)
def test_keras_loads_a_saved_model_after_the_bare_import(order, tmp_path):
    awsrn.AWSRN("awsrn_sd", 3).save(tmp_path / "model.keras")
    code = f"import sys\n{textwrap.dedent(ORDERS[order])}\n"
    code += "print(type(keras.saving.load_model(sys.argv[1])), keras.__spec__.loader)"
    (printed,) = python(code, tmp_path / "model.keras")
    assert "awsrn_keras.network.model.AWSRN" in printed
    assert "SourceFileLoader" in printed  # Keras's own loader, for its resources


@pytest.mark.slow
@pytest.mark.parametrize("first", ["awsrn_keras", "keras"])
def test_keras_is_imported_whatever_happens_to_this_package(first):
    code = f"""
        import sys
        sys.modules["h5py"] = sys.modules["awsrn_keras.network.official"] = None
        import {first}, keras, awsrn_keras
        print(keras.ops.zeros((2,)).shape)
        try:
            awsrn_keras.AWSRN
        except ImportError as error:
            print(error)
    """
    shape, error = python(code.replace('sys.modules["h5py"] = ', ""))
    assert shape in ("(2,)", "TensorShape([2])")
    assert "awsrn_keras.network.official" in error


def test_without_keras_the_bare_import_works():
    code = """
        import sys
        sys.modules["keras"] = None
        import awsrn_keras
        try:
            import keras
        except ImportError as error:
            print(type(error).__name__)
        sys.modules.pop("keras")
        sys.path[:] = []
        try:
            import keras
        except ImportError as error:
            print(error)
    """
    assert python(code) == ["ModuleNotFoundError", "No module named 'keras'"]


@pytest.mark.slow
def test_another_backend_is_refused_in_one_line_wherever_a_network_is_made(tmp_path):
    pytest.importorskip("torch")
    awsrn.AWSRN().save(tmp_path / "a.keras")
    awsrn.AWSRN().save_weights(tmp_path / "a.weights.h5")
    code = """
        import sys, awsrn_keras as awsrn, keras, numpy as np
        image, folder = np.zeros((4, 5, 3), "uint8"), sys.argv[1]
        for call in (
            lambda: awsrn.AWSRN("awsrn_s", 3),
            lambda: awsrn.AWSRN.from_preset("awsrn_sd_x2"),
            lambda: awsrn.load_model("awsrn_sd_x2"),
            lambda: awsrn.load_model(folder + "/a.keras"),
            lambda: awsrn.load_model(folder + "/a.weights.h5"),
            lambda: keras.saving.load_model(folder + "/a.keras"),
            lambda: awsrn.upscale(image, folder + "/a.keras"),
            lambda: awsrn.upscale(image, engine="keras"),
        ):
            try:
                print(call())
            except ValueError as error:
                print(type(error).__name__, error)
    """
    printed = python(code, tmp_path, KERAS_BACKEND="torch")
    assert len(printed) == 8
    assert set(printed) == {
        "InputError Keras runs on torch, AWSRN on tensorflow or jax: "
        "set KERAS_BACKEND before Keras is imported."
    }
