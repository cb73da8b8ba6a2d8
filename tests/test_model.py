"""`build_model`: names, `present`, and a batch like those of `load_data`."""

import numpy as np
import pytest

from mmkeras import Category, Concat, DataSpec, build_model, vector_tower

SPEC = DataSpec.from_dict(
    {
        "name": "toy",
        "modalities": {
            "a": {"kind": "vector", "columns": ["x", "y"], "optional": True},
            "b": {"kind": "vector", "columns": ["z"]},
        },
        "targets": {
            "digit": {
                "kind": "category",
                "column": "d",
                "classes": ["no", "yes"],
            }
        },
    }
)


def parts():
    return {
        "towers": {"a": vector_tower(2, "a"), "b": vector_tower(1, "b")},
        "fusion": Concat(8),
        "heads": {"digit": Category(2)},
    }


def test_names_go_from_the_spec_to_inputs_and_outputs():
    model = build_model(SPEC, **parts(), modality_dropout=0.1)
    assert sorted(model.input) == ["a", "b", "present"]
    assert model.input["present"].shape == (None, 1)
    assert list(model.output) == ["digit"]
    assert model.get_layer("a_tower").name == "a_tower"
    x = {
        "a": np.zeros((3, 2), "float32"),
        "b": np.ones((3, 1), "float32"),
        "present": np.array([[0], [1], [0]], "float32"),
    }
    y = model.predict(x, verbose=0)["digit"]
    np.testing.assert_allclose(y.sum(1), 1, rtol=1e-5)


def test_without_optional_modalities_there_is_no_present():
    given = parts()
    given["towers"] = {"b": given["towers"]["b"]}
    assert sorted(build_model(SPEC.only("b"), **given).input) == ["b"]


@pytest.mark.parametrize("argument", ["towers", "heads"])
def test_a_missing_part_is_named(argument):
    given = parts()
    given[argument] = {}
    with pytest.raises(ValueError, match=f"`{argument}` must have one entry"):
        build_model(SPEC, **given)
