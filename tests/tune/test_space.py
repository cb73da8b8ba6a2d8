"""Ranges in a recipe: what they become, and what is refused."""

import tomllib

import pytest

from mmkeras.studies.tune import Space, to_toml

SPACE = """
modality_dropout = { min = 0.0, max = 0.3, step = 0.1 }

[towers.image]
units = { min = 16, max = 128, step = 16, default = 32 }
filters = 8

[fusion]
method = { choices = ["concat", "gated"] }

[training]
learning_rate = { min = 1e-4, max = 1e-2, sampling = "log" }
"""


@pytest.fixture
def space():
    return Space(tomllib.loads(SPACE))


def test_each_range_has_its_dotted_key_as_name(space):
    assert [one.name for one in space.ranges] == [
        "modality_dropout",
        "towers.image.units",
        "fusion.method",
        "training.learning_rate",
    ]


def test_keras_tuner_gets_the_same_ranges(space):
    parts = {one.name: one for one in space.hyperparameters().space}
    units = parts["towers.image.units"]
    assert (units.min_value, units.max_value, units.step) == (16, 128, 16)
    assert units.default == 32
    assert list(units.values) == list(range(16, 129, 16))
    assert parts["fusion.method"].values == ['"concat"', '"gated"']
    rate = parts["training.learning_rate"]
    assert rate.sampling == "log"
    assert rate.prob_to_value(0.5) == pytest.approx(1e-3)


def test_a_recipe_is_the_space_with_values_in_place_of_ranges(space):
    values = {
        "modality_dropout": 0.1 + 0.2,
        "towers.image.units": 48,
        "fusion.method": '"gated"',
        "training.learning_rate": 0.00316227766,
    }
    assert space.recipe(values) == {
        "modality_dropout": 0.3,
        "towers": {"image": {"units": 48, "filters": 8}},
        "fusion": {"method": "gated"},
        "training": {"learning_rate": 0.003162},
    }


def test_every_end_and_choice_is_probed_once(space):
    labels = [label for label, _ in space.probes()]
    assert labels == [
        "defaults",
        "modality_dropout = 0.3",
        "towers.image.units = 16",
        "towers.image.units = 128",
        "fusion.method = 'gated'",
        "training.learning_rate = 0.01",
    ]


def test_a_choice_may_be_a_list_or_a_whole_table():
    choices = [{"method": "concat", "units": 8}, {"method": "gated"}]
    space = Space({"fusion": {"choices": choices, "default": choices[1]}})
    (part,) = space.hyperparameters().space
    assert space.recipe({"fusion": part.values[0]})["fusion"] == choices[0]
    assert space.recipe({"fusion": part.default})["fusion"] == choices[1]


def test_a_modality_may_be_called_like_a_key_of_a_range():
    units = {"min": 4, "max": 8}
    recipe = {"towers": {"min": {"units": units}, "choices": {"units": 3}}}
    assert [one.name for one in Space(recipe).ranges] == ["towers.min.units"]


@pytest.mark.parametrize(
    "value, message",
    [
        ({"min": 2, "max": 2}, r"`x.min` must be below `x.max`"),
        ({"min": 3, "max": 2}, r"min=3, max=2"),
        ({"min": 2}, r"`x.max` must be a finite number. Received: None"),
        ({"min": "2", "max": 3}, r"`x.min` must be a finite number"),
        ({"min": True, "max": 3}, r"Received: True"),
        ({"min": 1, "max": float("inf")}, r"Received: inf"),
        ({"min": 1, "max": 3, "stp": 1}, r"`x.stp`.*Did you mean `step`"),
        ({"min": 1, "max": 3, "step": 0}, r"`x.step` must be above 0"),
        ({"min": 0, "max": 3, "sampling": "log"}, r"must be positive"),
        (
            {"min": 1, "max": 8, "step": 1, "sampling": "log"},
            r"`x.step` must be above 1",
        ),
        ({"min": 1, "max": 3, "sampling": "lin"}, r"one of linear, log"),
        ({"min": 1, "max": 3, "default": 4}, r"`x.default` must lie from 1"),
        ({"choices": [1]}, r"a list of two or more"),
        ({"choices": [1, 1]}, r"must differ"),
        ({"choices": [1, 2], "default": 3}, r"must be one of the choices"),
        ({"choices": [1, 2], "min": 3}, r"`x.min` is not a known key"),
        ({"choices": [{"u": {"min": 1, "max": 2}}, 2]}, r"a range inside"),
        ({"choices": [1, float("nan")]}, r"finite numbers"),
        (3, r"at least one range"),
    ],
)
def test_a_wrong_range_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        Space({"x": value})


@pytest.mark.parametrize(
    "value, refused",
    [
        ({"min": 0.1, "max": 0.5}, True),
        ({"min": 0.1, "max": 0.5, "step": 0.1}, False),
        ({"min": 1, "max": 5}, False),
        ({"min": 1, "max": 64, "sampling": "log"}, True),
        ({"min": 1, "max": 64, "sampling": "log", "step": 2}, False),
    ],
)
def test_a_grid_needs_steps(value, refused):
    space = Space({"x": value})
    if refused:
        with pytest.raises(ValueError, match="`x` must have a `step`"):
            space.check_grid()
    else:
        space.check_grid()


def test_toml_reads_back_as_it_was():
    recipe = {
        "modality_dropout": 0.1,
        "towers": {
            "my image": {"units": 8, "filters": [4, 8], "pretrained": ""},
            "empty": {},
        },
        "fusion": {"method": 'ga"ted\n\\\x7f\x01 ü😀', "rate": 1e-05},
        "augment": False,
        "heads": {"digit": {"class_weights": [1.0, 2.5], "t": [{"a": 1}]}},
    }
    assert tomllib.loads(to_toml(recipe)) == recipe


@pytest.mark.parametrize("value", [None, {1, 2}])
def test_what_toml_has_no_word_for_is_refused(value):
    with pytest.raises(ValueError, match="A recipe must hold.*Received"):
        to_toml({"a": value})
