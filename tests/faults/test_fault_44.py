"""Fault 44: one network for two modalities, which no saved file can hold."""

import keras
import numpy as np
import pytest

from mmkeras import Category, Concat, DataSpec, build_model, vector_tower
from mmkeras.model import load_model

SPEC = DataSpec.from_dict(
    {
        "name": "toy",
        "modalities": {
            name: {"kind": "vector", "columns": [f"{name}1", f"{name}2"]}
            for name in ("a", "b", "c")
        },
        "targets": {
            "y": {"kind": "category", "column": "y", "classes": ["no", "yes"]}
        },
    }
)


def tower(name, dense):
    x = keras.Input((2,), name=name)
    y = dense(x)
    return keras.Model(x, {"vector": y, "tokens": y[:, None], "mask": y[:, :1]},
                       name=f"{name}_tower")  # fmt: skip


def one_model():
    shared = vector_tower(2, "a")
    return {"a": shared, "b": shared, "c": vector_tower(2, "c")}, "'a' and 'b'"


def one_layer():
    dense = keras.layers.Dense(4)
    towers = {"a": tower("a", keras.layers.Dense(4))}
    towers |= {name: tower(name, dense) for name in ("b", "c")}
    return towers, "'b' and 'c'"


def one_inner_model():
    x = keras.Input((2,))
    inner = keras.Model(x, keras.layers.Dense(4)(x))
    towers = {name: tower(name, inner) for name in ("a", "c")}
    return {**towers, "b": vector_tower(2, "b")}, "'a' and 'c'"


@pytest.mark.parametrize("shared", [one_model, one_layer, one_inner_model])
def test_what_two_modalities_share_is_refused_when_it_is_built(shared):
    towers, both = shared()
    with pytest.raises(ValueError, match=f"in common. Received: one.*{both}"):
        build_model(SPEC, towers=towers, fusion=Concat(4), heads=heads())


def heads():
    return {"y": Category(2)}


def test_networks_of_their_own_load_as_they_were(tmp_path):
    towers = {name: vector_tower(2, name) for name in "abc"}
    model = build_model(SPEC, towers=towers, fusion=Concat(4), heads=heads())
    model.save(tmp_path / "model.keras")
    x = {name: np.ones((3, 2), "float32") * i for i, name in enumerate("abc")}
    loaded = load_model(tmp_path / "model.keras")
    expected = model.predict(x, verbose=0)["y"]
    np.testing.assert_array_equal(loaded.predict(x, verbose=0)["y"], expected)


def test_a_target_called_as_a_layer_of_its_model_is_refused():
    towers = {name: vector_tower(2, name) for name in "abc"}
    spec = SPEC.to_dict()
    spec["targets"] = {"a_tower": spec["targets"]["y"]}
    with pytest.raises(ValueError, match="name of a layer.*'a_tower'"):
        build_model(
            DataSpec.from_dict(spec),
            towers=towers,
            fusion=Concat(4),
            heads={"a_tower": Category(2)},
        )
