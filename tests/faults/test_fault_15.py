"""A model file that names code is refused, and nothing of it runs."""

import json
import socket

import keras
import numpy as np
import pytest
from faults.model_toys import layer_of, random_x, save_toy, with_config

from mmkeras.model import load_model


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return save_toy(tmp_path_factory.mktemp("toy") / "model.keras")


@pytest.fixture
def canary(tmp_path, monkeypatch):
    """A path that hostile files try to create; sockets are shut."""
    path = tmp_path / "canary"
    calls = []
    monkeypatch.setattr(socket.socket, "connect", lambda *a: calls.append(a))
    yield path
    assert not path.exists(), "code of the file was executed"
    assert not calls, "the file reached for the network"


def entry(name, module, registered=None, /, **config):
    return {
        "class_name": name,
        "module": module,
        "registered_name": registered,
        "config": {"name": "hostile", **config},
    }


def hostile_entries(canary):
    code = f"open({str(canary)!r}, 'w')"
    function = {"class_name": "__lambda__", "config": {"value": code}}
    return {
        "Lambda": entry("Lambda", "keras.layers", function=function),
        "Lambda by its source": entry(
            "Lambda", "keras.src.layers.core.lambda_layer", function=function
        ),
        "Lambda of a Keras function": entry(
            "Lambda", "keras.layers", function="get_file"
        ),
        "TFSMLayer": entry(
            "TFSMLayer", "keras.layers", filepath="http://localhost:9/model"
        ),
        "TorchModuleWrapper": entry(
            "TorchModuleWrapper", "keras.layers", module="gASVAAAA"
        ),
        "JaxLayer": entry("JaxLayer", "keras.layers", call_fn=function),
        "StringLookup": entry(
            "StringLookup", "keras.layers", vocabulary="/etc/hostname"
        ),
        "unregistered": entry("Mine", "my.layers", "mine>Mine"),
        "a module to import": entry("Popen", "subprocess"),
        "a module of Keras": entry(
            "get_file", "keras.utils", origin="http://localhost:9/"
        ),
        "a private module of Keras": entry(
            "Progbar", "keras.src.utils.progbar"
        ),
        "a class that is no layer": entry("KerasTensor", "keras", shape=[1]),
        "a function as an object": {
            "class_name": "function",
            "module": "builtins",
            "config": "load_model",
            "registered_name": "function",
        },
        "a lambda as an object": function,
        "a type": {
            "class_name": "__typespec__",
            "spec_name": "TensorSpec",
            "module": "keras.layers",
            "registered_name": None,
            "config": [[1]],
        },
        "a name that is no text": entry(["Dense"], "keras.layers"),
    }


KINDS = list(hostile_entries("canary"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["layer", "nested", "argument", "build"])
def test_code_is_refused_wherever_it_stands(toy, tmp_path, canary, kind, place):
    hostile = hostile_entries(canary)[kind]

    def change(config):
        outer = layer_of(config, "outer_dense")
        if place == "layer":
            outer.update(hostile)
        elif place == "nested":
            layer_of(config, "inner_dense").update(hostile)
        elif place == "argument":
            outer["config"]["kernel_initializer"] = hostile
        else:
            outer["build_config"]["input_shape"] = [None, {"deep": [hostile]}]

    path = with_config(toy, tmp_path / "model.keras", change)
    with pytest.raises(ValueError, match="model.keras.*Received: a config"):
        load_model(path)


def test_a_lambda_that_keras_saved_is_refused(tmp_path, canary):
    path = tmp_path / "model.keras"
    x = keras.Input((4,))
    y = keras.layers.Lambda(lambda v: v * 2)(x)
    keras.Model(x, y).save(path)
    with pytest.raises(ValueError, match="'Lambda', which can run foreign"):
        load_model(path)


@keras.saving.register_keras_serializable(package="users")
class Holder(keras.layers.Layer):
    """A user's layer whose `from_config` makes a layer of its argument."""

    def __init__(self, layer, **kwargs):
        super().__init__(**kwargs)
        self.layer = layer

    def call(self, x):
        return self.layer(x)

    def get_config(self):
        layer = keras.saving.serialize_keras_object(self.layer)
        return {**super().get_config(), "layer": layer}

    @classmethod
    def from_config(cls, config):
        layer = keras.saving.deserialize_keras_object(config.pop("layer"))
        return cls(layer, **config)


@keras.saving.register_keras_serializable(package="users")
def halved(x):
    return x / 2


@pytest.fixture
def users_model(tmp_path):
    x = keras.Input((4,), name="x")
    y = Holder(keras.layers.Dense(3, activation=halved), name="holder")(x)
    model = keras.Model({"x": x}, {"y": y})
    model.save(tmp_path / "users.keras")
    return model, tmp_path / "users.keras"


def test_layers_and_functions_of_the_user_load(users_model):
    model, path = users_model
    wanted = model.predict(random_x(), verbose=0)["y"]
    found = load_model(path).predict(random_x(), verbose=0)["y"]
    np.testing.assert_array_equal(found, wanted)


def test_code_inside_a_users_layer_is_refused(users_model, tmp_path, canary):
    def change(config):
        holder = layer_of(config, "holder")
        holder["config"]["layer"] = hostile_entries(canary)["Lambda"]

    path = with_config(users_model[1], tmp_path / "model.keras", change)
    with pytest.raises(ValueError, match="'Lambda', which can run foreign"):
        load_model(path)


def test_a_layer_that_is_not_registered_is_named(toy, tmp_path):
    def change(config):
        hostile = hostile_entries("canary")["unregistered"]
        layer_of(config, "outer_dense").update(hostile)

    path = with_config(toy, tmp_path / "model.keras", change)
    with pytest.raises(ValueError, match="'Mine' of 'my.layers'.*Import the"):
        load_model(path)


@pytest.mark.parametrize("text", [b"[]", b"{", b"\xff", b'{"a": NaN}'])
def test_a_config_that_is_none_is_refused(toy, tmp_path, text):
    from faults.model_toys import members, pack

    parts = {**members(toy), "config.json": text}
    path = pack(tmp_path / "model.keras", parts.items())
    with pytest.raises(ValueError, match="model.keras.*saved by Keras"):
        load_model(path)


def test_the_toy_itself_loads(toy):
    assert json.loads(load_model(toy).to_json())["config"]["name"] == "toy"
