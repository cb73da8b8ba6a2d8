"""`build_model`: names, `present`, and a batch like those of `load_data`."""

import numpy as np
import pytest

from mmkeras import (
    Category,
    Concat,
    DataSpec,
    Number,
    build_from_recipe,
    build_model,
    vector_tower,
)
from mmkeras.fusion import FUSIONS, Average
from mmkeras.runs import smaller

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


def two_targets():
    """The spec above with a number beside the category."""
    rating = {"kind": "number", "column": "r"}
    given = SPEC.to_dict()
    given["targets"]["rating"] = rating
    return DataSpec.from_dict(given)


def late_parts(**fusions):
    chosen = {
        "digit": Average(2, name="digit_fusion"),
        "rating": Average(1, "linear", name="rating_fusion"),
        **fusions,
    }
    heads = {"digit": Category(2), "rating": Number(mean=10.0, std=2.0)}
    return {**parts(), "fusion": chosen, "heads": heads}


BATCH = {
    "a": np.array([[1, 2], [3, 4], [5, 6]], "float32"),
    "b": np.array([[1], [2], [3]], "float32"),
    "present": np.array([[0], [1], [0]], "float32"),
}


def test_a_late_fusion_answers_in_place_of_the_head():
    model = build_model(two_targets(), **late_parts())
    got = {n: np.asarray(y) for n, y in model(BATCH).items()}
    features = {n: model.get_layer(f"{n}_tower")(BATCH[n]) for n in "ab"}
    digit, rating = (
        {n: np.asarray(y) for n, y in layer.alone(features).items()}
        for layer in map(model.get_layer, ("digit_fusion", "rating_fusion"))
    )
    # Only `b` is there in the first and last sample.
    np.testing.assert_allclose(got["digit"][0], digit["b"][0], rtol=1e-5)
    both = (rating["a"][1] + rating["b"][1]) / 2
    np.testing.assert_allclose(got["rating"][1], both * 2 + 10, rtol=1e-5)
    names = [layer.name for layer in model.layers]
    assert [n for n in names if n.startswith("digit")] == [
        "digit_fusion",
        "digit",
    ]


def test_a_target_may_have_a_fusion_of_its_own():
    fusions = {"rating": Concat(8, name="joined")}
    model = build_model(two_targets(), **late_parts(**fusions))
    assert model.get_layer("rating_standard").input is (
        model.get_layer("joined").output
    )


def test_a_fusion_that_two_targets_share_is_one():
    shared = Concat(8, name="joined")
    fusions = {"digit": shared, "rating": shared}
    model = build_model(two_targets(), **late_parts(**fusions))
    assert [n.name for n in model.layers].count("joined") == 1
    assert model.get_layer("digit_logits").input is shared.output


@pytest.mark.parametrize(
    "fusion, message",
    [
        (Average(2), "`fusion` must be `{target: layer}`.*Average.*digit, rat"),
        ({"digit": Average(2)}, "`fusion` must have one entry.*rating"),
        (
            {"digit": Average(3), "rating": Average(1, "linear")},
            r"`fusion\['digit'\]` must.*'units': 2.*Received.*'units': 3",
        ),
        (
            {"digit": Average(2), "rating": Average(1, "sigmoid")},
            "must have the outputs of its head.*'linear'.*Received.*'sigmoid'",
        ),
    ],
)
def test_a_late_fusion_that_does_not_fit_is_refused(fusion, message):
    given = {**late_parts(), "fusion": fusion}
    with pytest.raises(ValueError, match=message):
        build_model(two_targets(), **given)


@pytest.mark.parametrize("method", FUSIONS.parts)
def test_a_recipe_builds_every_fusion(method):
    recipe = {
        "towers": {"a": {"units": 8}, "b": {"units": 8}},
        "fusion": {"method": method},
    }
    model, _ = build_from_recipe(two_targets(), {}, recipe)
    assert model.output["digit"].shape == (None, 2)
    assert model.output["rating"].shape == (None, 1)
    # A search among smaller models must know every fusion too.
    assert smaller(recipe, SPEC, 0.5).fusion.method == method


def test_a_recipe_gives_a_late_fusion_what_the_head_asks():
    recipe = {
        "fusion": {"method": "weighted_average"},
        "heads": {"digit": {"dropout": 0.5}},
    }
    model, _ = build_from_recipe(two_targets(), {}, recipe)
    digit = model.get_layer("digit_fusion")
    rating = model.get_layer("rating_fusion")
    assert (digit.units, digit.activation, digit.dropout) == (2, "softmax", 0.5)
    assert (rating.units, rating.activation, rating.dropout) == (1, "linear", 0)
    recipe["fusion"]["units"] = 64
    with pytest.raises(ValueError, match="`fusion.units` needs a method"):
        build_from_recipe(two_targets(), {}, recipe)
