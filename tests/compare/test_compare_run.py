"""Comparisons that are trained: tiny tables, a few steps."""

import csv
import json

import numpy as np
import pytest
from test_cli import run

from mmkeras import artefact
from mmkeras.data import load_data
from mmkeras.studies.compare import few_labels

SPEC = """
name = "tables"
[split]
train = 0.6
validation = 0.2
test = 0.2
[modalities.left]
kind = "vector"
columns = ["a", "b"]
optional = true
[modalities.right]
kind = "vector"
columns = ["c", "d"]
optional = true
[targets.side]
kind = "category"
column = "side"
classes = ["low", "high"]
"""
RECIPE = """
modality_dropout = 0.1
[towers.left]
units = 4
[towers.right]
units = 4
[fusion]
method = "concat"
units = 4
[training]
batch_size = 16
learning_rate = 0.02
[training.component]
tower_epochs = 2
fusion_epochs = 1
epochs = 1
[compare.twin]
strategy = "full"
"""
STEPS, BATCH = 10, 16
TWINS = ["full", "twin"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with prepared data and a recipe."""
    folder = tmp_path_factory.mktemp("compare")
    draw = np.random.default_rng(0)
    with open(folder / "manifest.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "a", "b", "c", "d", "side"])
        for index in range(150):
            a, b, c, d = draw.normal(size=4).round(3)
            side = "high" if a + c > 0 else "low"
            writer.writerow([f"s{index}", a, b, c, d, side])
    (folder / "spec.toml").write_text(SPEC)
    (folder / "recipe.toml").write_text(RECIPE)
    prepared = run(
        "prepare", folder / "spec.toml", "--out", folder / "data",
        "--workers", 1,
    )  # fmt: skip
    assert prepared == 0
    return folder


def compare(folder, out, **settings):
    from mmkeras.spec import read_toml
    from mmkeras.studies.compare import compare as run_comparison

    recipe = settings.pop("recipe", read_toml(folder / "recipe.toml"))
    settings = {"budget_steps": STEPS, "seeds": 2, **settings}
    return run_comparison(folder / "data", recipe, folder / out, **settings)


@pytest.fixture(scope="module")
def report(place):
    """Two equal arms: the cheapest comparison there is."""
    return compare(place, "out", fractions=(0.2,), arms=TWINS)


@pytest.fixture(scope="module")
def full_report(place):
    """Both strategies, and two shares of the labels."""
    arms = ["full", "component"]
    return compare(place, "full", fractions=(0.2, 1.0), arms=arms)


def of(report, fraction, arm):
    return [
        each
        for each in report["runs"]
        if (each["fraction"], each["arm"]) == (fraction, arm)
    ]


def check_budget(report, steps):
    for each in report["runs"]:
        assert abs(each["spent"]["steps"] - steps) <= 1
        assert each["spent"]["samples"] == BATCH * each["spent"]["steps"]


def test_every_arm_and_seed_is_a_run(report, place):
    assert len(report["runs"]) == 2 * (2 + 2)
    for each in report["runs"]:
        folder = place / "out" / each["folder"]
        manifest = artefact.read_manifest(folder, "run")
        assert manifest["seed"] == each["seed"]
        assert manifest["comparison"]["fraction"] == 0.2
    assert artefact.read_manifest(place / "out", "comparison")


def test_the_budget_is_honoured_within_one_step(report):
    check_budget(report, STEPS)


def test_the_same_strategy_against_itself_differs_by_exactly_nothing(report):
    (row,) = report["targets"]["side"]["pairs"]
    assert (row["first"], row["second"]) == ("full", "twin")
    assert (row["mean"], row["low"], row["high"]) == (0.0, 0.0, 0.0)
    assert (row["equal"], row["decided"]) == (2, False)


def test_the_same_strategy_has_the_same_weights_under_another_name(
    report, place
):
    from mmkeras.model import load_model

    first, second = (
        load_model(place / "out" / "runs" / "0.2" / arm / "0").get_weights()
        for arm in ("full", "twin")
    )
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_batches_of_few_labels_are_as_full_as_of_all(place):
    data = load_data(place / "data", batch_size=BATCH)
    few = few_labels(data, 0.2, 0)
    sizes = [len(y["side"]) for _, y, _ in few.train]
    # 19 samples, 4 times an epoch: 76 in batches of 16.
    assert few.counts["train"] == 19 and sizes == [16, 16, 16, 16, 12]


def test_a_fifth_of_the_labels_of_each_class_is_learned_from(report, place):
    measured = [
        json.loads(path.read_text())["labels"]
        for path in (place / "out" / "runs").glob("*/*/*/measured/result.json")
    ]
    # Rounded up in each of two classes.
    assert set(measured) == {19} and report["labels"] == [19]
    assert report["counts"]["train"] == 90


def test_absence_and_noise_were_measured(report):
    entry = report["targets"]["side"]
    assert {row["name"] for row in entry["absent"]} == {
        "all modalities", "only left", "only right",
    }  # fmt: skip
    assert {row["modality"] for row in entry["noise"]} == {"left", "right"}
    assert all(row["mean"] is not None for row in entry["noise"])


def test_a_run_of_other_settings_is_not_taken_for_this_one(report, place):
    with pytest.raises(ValueError, match=r"budget_steps`: 10 -> 11.*--restart"):
        compare(place, "out", fractions=(0.2,), arms=TWINS, budget_steps=11)


def test_the_command_trains_nothing_twice_and_prints_the_conclusion(
    report, place, capsys, monkeypatch
):
    monkeypatch.setattr("mmkeras.studies.compare.run.train_arm", None)
    code = run(
        "compare", place / "data", "--model", place / "recipe.toml",
        "--out", place / "out", "--budget-steps", STEPS, "--seeds", 2,
        "--label-fraction", "0.2", "--arms", "full,twin",
    )  # fmt: skip
    assert code == 0
    said = capsys.readouterr().out
    assert "majority class" in said and "With 20 % of the labels" in said
    assert said.rstrip().endswith("out/report.html")
    written = json.loads((place / "out" / "compare.json").read_text())
    assert written == report


@pytest.mark.slow
def test_pretraining_is_part_of_the_budget(full_report, place):
    check_budget(full_report, STEPS)
    for each in of(full_report, 1.0, "component"):
        text = (place / "full" / each["folder"] / "history.csv").read_text()
        rows = list(csv.DictReader(text.splitlines()))
        stages = list(dict.fromkeys(row["stage"] for row in rows))
        assert stages == ["left_tower", "right_tower", "fusion", "all"]
        assert float(rows[-1]["steps"]) == STEPS
    starts = {
        row["arm"]: row["samples"][0]
        for row in full_report["targets"]["side"]["curves"]
        if row["fraction"] == 1.0
    }
    assert starts["component"] > starts["full"]


@pytest.mark.slow
def test_multiply_adds_are_those_of_each_stage(full_report, place):
    from mmkeras.model import load_model
    from mmkeras.studies.compare import parts_of

    model = load_model(place / "full" / "runs" / "1" / "component" / "0")
    parts = parts_of(model)
    tower, rest = parts["left"][0], parts[""][0]
    cost = {
        row["arm"]: row["multiply_adds"]
        for row in full_report["costs"]
        if row["fraction"] == 1.0
    }
    assert cost["full"] == 3 * BATCH * STEPS * (2 * tower + rest)
    # 3 and 4 steps of a tower with a head of 4 * 2, one of the fusion, two of
    # everything; the cache reads 6 batches twice, and 2 for validation.
    steps = 7 * (tower + 8) + rest + 2 * (2 * tower + rest)
    cached = (2 * 6 + 2) * BATCH * 2 * tower
    assert cost["component"] == 3 * BATCH * steps + cached


@pytest.mark.slow
def test_a_share_that_becomes_the_largest_is_measured_with_noise(
    full_report, place, monkeypatch
):
    monkeypatch.setattr("mmkeras.studies.compare.run.train_arm", None)
    arms = ["full", "component"]
    found = compare(place, "full", fractions=(0.2,), arms=arms)
    assert len(found["targets"]["side"]["noise"]) == 2 * 2 * 4


@pytest.mark.slow
def test_a_budget_of_time_is_honoured_within_one_step(place):
    found = compare(
        place, "timed", budget_steps=None, budget_minutes=1 / 20, arms=TWINS
    )
    for each in found["runs"]:
        late = each["spent"]["seconds"] - 3.0
        assert 0 <= late <= each["spent"]["longest_step_sec"]
    assert found["budget"] == {"kind": "seconds", "value": 3.0}


@pytest.mark.slow
def test_a_damaged_run_is_trained_again_and_restart_forgets_all(place):
    settings = {"arms": TWINS, "budget_steps": 2}
    first = compare(place, "damaged", **settings)
    run_folder = place / "damaged" / "runs" / "1" / "twin" / "1"
    (run_folder / "measured" / "answers.npz").write_bytes(b"")
    again = compare(place, "damaged", **settings)
    for part in ("table", "pairs", "noise", "classes"):
        before, after = (r["targets"]["side"][part] for r in (first, again))
        assert before == after
    anew = compare(place, "damaged", arms=TWINS, budget_steps=3, restart=True)
    assert {each["spent"]["steps"] for each in anew["runs"]} == {3}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--budget-steps", 5, "--label-fraction", "0,1"], "above 0"),
        (["--budget-steps", 5, "--label-fraction", "all"], "with commas"),
        (["--budget-steps", 5, "--budget-minutes", 1], "both"),
        (["--budget-steps", 5, "--seeds", 1], "one run does not show"),
        (["--budget-steps", 5, "--arms", "full,fool"], "Did you mean"),
    ],
)
def test_the_command_refuses_before_it_trains(place, capsys, arguments, words):
    out = place / "refused"
    code = run("compare", place / "data", "--out", out,
               "--model", place / "recipe.toml", *arguments)  # fmt: skip
    assert code == 2
    assert words in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"pretrain": {"middle": "masked"}}, "arm `odd`.*left, right"),
        ({"align": {"objective": "infonce", "unit": 3}}, "`compare.odd`.*unit"),
        (
            {"pretrain": {"left": {"objective": "masked", "fraction": "x"}}},
            "`compare.odd`.*fraction.*'x'",
        ),
        ({"strategy": ["full"]}, "`compare.odd.strategy` must be"),
        ({"init": 5}, "`compare.odd.init` must be a table"),
    ],
)
def test_an_arm_that_does_not_suit_the_model_is_refused(
    place, report, changes, message
):
    recipe = {"compare": {"odd": {"strategy": "component", **changes}}}
    with pytest.raises(ValueError, match=message):
        compare(place, "odd", recipe=recipe)
    assert not (place / "odd").exists()
    # What was trained before stays, whatever is asked for.
    runs = sorted((place / "out" / "runs").glob("*/*/*"))
    with pytest.raises(ValueError, match=message):
        compare(place, "out", recipe=recipe, restart=True)
    assert sorted((place / "out" / "runs").glob("*/*/*")) == runs


def test_the_data_are_not_written_over(place):
    with pytest.raises(ValueError, match="`out` must be a folder of its own"):
        compare(place, "data")
