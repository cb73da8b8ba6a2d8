"""What is asked for, and what is refused before anything is trained."""

import pytest

from mmkeras.spec import DataSpec
from mmkeras.studies.compare import make_plan

SPEC = DataSpec.from_dict(
    {
        "name": "toy",
        "modalities": {
            "left": {"kind": "vector", "columns": ["a"], "optional": True},
            "right": {"kind": "vector", "columns": ["b"]},
        },
        "targets": {
            "kind": {"kind": "category", "column": "k", "classes": ["x", "y"]}
        },
    }
)
RECIPE = {
    "training": {
        "learning_rate": 0.01,
        "patience": 3,
        "full": {"epochs": 4},
        "component": {"tower_epochs": 2},
    },
    "init": {"left": "some/run"},
    "compare": {
        "aligned": {"strategy": "component", "align": "infonce", "epochs": 7},
        "given": {"strategy": "full", "init": {}},
    },
}


def plan(recipe=RECIPE, **settings):
    return make_plan(SPEC, recipe, **{"budget_steps": 10, **settings})


def test_both_strategies_the_recipes_arms_and_each_modality_alone():
    made = plan()
    assert [(arm.name, arm.strategy, arm.modality) for arm in made.arms] == [
        ("full", "full", None),
        ("component", "component", None),
        ("aligned", "component", None),
        ("given", "full", None),
        ("left_alone", "full", "left"),
        ("right_alone", "full", "right"),
    ]
    assert made.seeds == (0, 1, 2, 3, 4)
    assert made.fractions == (1.0,)


def test_an_arms_settings_stand_over_those_of_training():
    full, component, aligned, given, left, right = plan().arms
    assert full.settings["epochs"] == 4
    assert component.settings["tower_epochs"] == 2
    assert aligned.settings == {
        "learning_rate": 0.01, "tower_epochs": 2, "align": "infonce",
        "epochs": 7,
    }  # fmt: skip
    assert (full.init, given.init) == ({"left": "some/run"}, {})
    assert (left.init, right.init) == ({"left": "some/run"}, {})


@pytest.mark.parametrize(
    ("budget", "steps", "seconds"),
    [
        ({"budget_steps": 70}, 70, None),
        ({"budget_steps": None, "budget_minutes": 1.5}, None, 90.0),
    ],
)
def test_every_arm_has_the_same_budget_and_trains_to_its_end(
    budget, steps, seconds
):
    made = plan(**budget)
    for arm in made.arms:
        strategy = made.strategy(arm)
        assert strategy.budget_steps == steps
        assert strategy.budget_sec == seconds
        assert strategy.patience is None


def test_arms_can_be_chosen_and_fractions_rise():
    made = plan(arms=["aligned", "full"], fractions=[1.0, 0.1], seeds=2, seed=7)
    assert [arm.name for arm in made.fused] == ["aligned", "full"]
    assert made.fractions == (0.1, 1.0)
    assert made.seeds == (7, 8)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"budget_steps": None}, "budget must be given.*neither"),
        ({"budget_minutes": 1.0}, "budget must be given.*both"),
        ({"budget_steps": 0}, "`budget_steps` must be a positive"),
        (
            {"budget_steps": None, "budget_minutes": float("nan")},
            "`budget_minutes` must be above 0 and below inf. .*=nan",
        ),
        ({"seeds": 1}, "one run does not show"),
        ({"seeds": 17}, "at most 16"),
        ({"fractions": [0.0, 1.0]}, "`label_fraction` must be above 0"),
        ({"fractions": [1.5]}, "at most 1. Received: label_fraction=1.5"),
        (
            {"fractions": [float("nan")]},
            "at most 1. Received: label_fraction=nan",
        ),
        ({"fractions": [0.1, 0.1]}, "different fractions"),
        ({"fractions": []}, "one or more different"),
        ({"arms": ["full"]}, "two or more different names"),
        ({"arms": ["full", "full"]}, "two or more different names"),
        ({"arms": ["full", "alined"]}, "Did you mean `aligned`"),
    ],
)
def test_what_is_wrong_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        plan(**settings)


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"Bad Name": {"strategy": "full"}}, "one table an arm"),
        ({"x": 3}, "one table an arm"),
        ({"x": {}}, "`compare.x.strategy` must be a strategy"),
        ({"x": {"strategy": "ful"}}, "Did you mean `full`"),
        (
            {"x": {"strategy": "full", "epoch": 3}},
            "`compare.x.epoch`.*`epochs`",
        ),
        (
            {"x": {"strategy": "full", "epochs": -1}},
            "`compare.x.epochs` must be",
        ),
        ({"left_alone": {"strategy": "full"}}, "like a modality alone"),
    ],
)
def test_a_wrong_table_is_refused(tables, words):
    with pytest.raises(ValueError, match=words):
        plan({"compare": tables})


def test_one_modality_has_none_alone():
    made = make_plan(SPEC.only("right"), {}, budget_steps=5)
    assert [arm.name for arm in made.arms] == ["full", "component"]
