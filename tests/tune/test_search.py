"""The search itself, over a formula instead of models: quick and exact."""

import itertools
import math

import keras
import pytest
from manifest_toys import DATA

from mmkeras import artefact
from mmkeras.studies.tune import (
    Job,
    best_trial,
    direction_of,
    list_trials,
    remember_job,
    run_trials,
    tune,
)

SPACE = {
    "fusion": {
        "method": {"choices": ["concat", "gated", "max"]},
        "units": {"min": 8, "max": 64, "step": 8},
    },
    "training": {
        "learning_rate": {"min": 1e-4, "max": 1e-1, "sampling": "log"}
    },
}
GRID = {
    "fusion": {
        "method": {"choices": ["concat", "gated"]},
        "units": {"min": 8, "max": 24, "step": 8},
    }
}


def formula(recipe):
    """A loss with its least at gated, 40 units, rate 0.01, many epochs."""
    rate = recipe.get("training", {}).get("learning_rate", 0.01)
    epochs = recipe.get("training", {}).get("full", {}).get("epochs", 1)
    return (
        (recipe["fusion"]["method"] != "gated")
        + ((recipe["fusion"]["units"] - 40) / 40) ** 2
        + math.log10(rate / 0.01) ** 2
        + 1 / epochs
    )


@pytest.fixture
def fitted(monkeypatch):
    """The recipes that were trained, in order; `fail` decides which fail."""

    class Fitted(list):
        stop_at = None
        fails = staticmethod(lambda recipe: False)

    found = Fitted()

    def fit(job, recipe):
        if len(found) == found.stop_at:
            found.stop_at = None
            raise KeyboardInterrupt
        found.append(recipe)
        if found.fails(recipe):
            raise ValueError("The loss must stay finite")
        history = keras.callbacks.History()
        history.epoch, history.history = [0], {"val_loss": [formula(recipe)]}
        return history, 10, {"val_loss": formula(recipe)}

    # There are no data whose spec could say what a recipe of it has.
    monkeypatch.setattr(
        "mmkeras.studies.tune.trial.drawn", lambda job, source: (source, None)
    )
    monkeypatch.setattr("mmkeras.studies.tune.trial.fit", fit)
    return found


def job_of(folder, **settings):
    settings = {"space": SPACE, "trials": 11, **settings}
    return Job(data="data", out=str(folder), **settings)


def table(job):
    rows = list_trials(job, run_trials(job))
    return [(tuple(r["values"].values()), r["objective"]) for r in rows]


def test_a_grid_tries_every_combination_once(tmp_path, fitted):
    job = job_of(tmp_path, space=GRID, method="grid", trials=None)
    rows = list_trials(job, run_trials(job))
    tried = [tuple(row["values"].values()) for row in rows]
    everything = itertools.product(["concat", "gated"], [8, 16, 24])
    assert sorted(tried) == sorted(everything)
    assert len(fitted) == 6
    best = best_trial(job, rows)
    assert best["values"] == {"fusion.method": "gated", "fusion.units": 24}
    assert best["objective"] == formula(best["recipe"])


def test_the_seed_decides_what_is_tried(tmp_path, fitted):
    first, again, other = (
        table(job_of(tmp_path / name, seed=seed))
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert first == again != other
    assert len(first) == 11


def test_hyperband_trains_anew_on_every_rung(tmp_path, fitted):
    job = job_of(tmp_path, method="hyperband", trials=None, epochs=9)
    rows = list_trials(job, run_trials(job))
    epochs = [row["epochs"] for row in rows]
    # Li et al.: 9 epochs with a factor of 3 make three brackets.
    assert sorted(set(epochs)) == [1, 3, 9]
    assert epochs.count(1) > epochs.count(9) > 0
    promoted = [
        row for row in rows
        if sum(other["values"] == row["values"] for other in rows) == 3
    ]  # fmt: skip
    assert promoted and len(fitted) == len(rows)
    best = best_trial(job, rows)
    assert best["epochs"] == 9
    assert best["recipe"]["training"]["full"]["epochs"] == 9
    top = [row["objective"] for row in rows if row["epochs"] == 9]
    assert best["objective"] == min(top)


@pytest.mark.parametrize("method", ["grid", "random", "bayesian", "hyperband"])
def test_a_stopped_search_goes_on_as_if_it_had_not(tmp_path, fitted, method):
    space = GRID if method == "grid" else SPACE
    settings = {"space": space, "method": method}
    if method == "hyperband":
        settings |= {"epochs": 9, "trials": None}
    whole = table(job_of(tmp_path / "whole", **settings))
    count = len(fitted)
    assert count == len(whole) > 5
    job = job_of(tmp_path / "stopped", **settings)
    for stop in (2, 5):
        fitted.stop_at = count + stop
        with pytest.raises(KeyboardInterrupt):
            run_trials(job)
    assert table(job) == whole
    # No trial was trained twice.
    assert len(fitted) == 2 * count


def test_a_torn_trial_is_trained_again(tmp_path, fitted):
    job = job_of(tmp_path, trials=4)
    before = table(job)
    manifests = sorted(tmp_path.glob("trials/*/manifest.json"))
    manifests[1].write_text(manifests[1].read_text()[:40])
    manifests[2].parent.joinpath("history.csv").write_text("epo")
    assert table(job) == before
    assert len(fitted) == 6


def test_more_trials_are_the_same_search_carried_further(tmp_path, fitted):
    few = table(job_of(tmp_path, trials=4))
    more = table(job_of(tmp_path, trials=7))
    assert more[:4] == few and len(more) == 7
    assert len(fitted) == 7


def test_a_failed_trial_is_told_and_left_out(tmp_path, fitted):
    fitted.fails = lambda recipe: recipe["fusion"]["units"] == 24
    job = job_of(tmp_path, space=GRID, method="grid", trials=None)
    rows = list_trials(job, run_trials(job))
    failed = [row for row in rows if row["failed"] is not None]
    assert [row["values"]["fusion.units"] for row in failed] == [24, 24]
    assert "The loss must stay finite" in failed[0]["failed"]
    assert best_trial(job, rows)["values"]["fusion.units"] == 16


def test_three_failures_in_a_row_end_the_search(tmp_path, fitted):
    fitted.fails = lambda recipe: True
    with pytest.raises(ValueError, match="3 trials in a row.*stay finite"):
        run_trials(job_of(tmp_path))
    assert len(fitted) == 3


def test_a_figure_that_is_not_finite_is_a_failure(tmp_path, fitted):
    fitted.fails = lambda recipe: False
    job = job_of(tmp_path, objective="val_nothing", trials=2)
    with pytest.raises(ValueError, match="Choices: val_loss"):
        best_trial(job, list_trials(job, run_trials(job)))


def test_a_trial_that_ends_in_nan_does_not_end_the_search(
    tmp_path, fitted, monkeypatch
):
    def diverging(job, recipe):
        history = keras.callbacks.History()
        history.epoch, history.history = [0], {"val_loss": [1.0]}
        small = recipe["fusion"]["units"] == 8
        loss = math.nan if small else formula(recipe)
        return history, 10, {"val_loss": loss, "val_rank": math.inf}

    monkeypatch.setattr("mmkeras.studies.tune.trial.fit", diverging)
    job = job_of(tmp_path, space=GRID, method="grid", trials=None)
    rows = list_trials(job, run_trials(job))
    failed = [row["values"]["fusion.units"] for row in rows if row["failed"]]
    assert failed == [8, 8] and len(rows) == 6
    assert "must be finite. Received: nan" in rows[0]["failed"]
    assert all(set(row["figures"]) <= {"val_loss"} for row in rows)
    assert best_trial(job, rows)["values"]["fusion.units"] == 24


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"method": "genetic"}, "`method` must be one of grid, random"),
        ({"direction": "up"}, "`direction` must be one of min, max"),
        ({"trials": None}, "`trials` must be given for a random search"),
        ({"trials": 0}, "`trials` must be a positive integer"),
        ({"method": "grid"}, "`training.learning_rate` must have a `step`"),
        ({"method": "hyperband"}, "`epochs` must be given for Hyperband"),
        (
            {
                "space": {"training": {"epochs": {"min": 1, "max": 9}}},
                "epochs": 3,
            },
            "`epochs` must be the only limit.*`training.epochs`",
        ),
        (
            {
                "space": {**SPACE, "training": {"full": {"budget_steps": 9}}},
                "epochs": 3,
            },
            "`epochs` must be the only limit.*`training.full.budget_steps`",
        ),
    ],
)
def test_what_no_search_can_do_is_refused(tmp_path, settings, message):
    with pytest.raises(ValueError, match=message):
        job_of(tmp_path, **settings)


@pytest.mark.parametrize(
    "objective, direction",
    [
        ("val_loss", "min"),
        ("val_digit_accuracy", "max"),
        ("val_size_mae", "min"),
        ("val_kind_macro_f1", "max"),
        ("val_match_loss", "min"),
        ("val_recall_rmse", "min"),
        ("val_who_recall_at_10", "max"),
    ],
)
def test_the_direction_follows_from_the_name(objective, direction):
    assert direction_of(objective) == direction


def test_a_direction_that_the_name_does_not_tell_is_asked_for():
    with pytest.raises(ValueError, match="`direction` must be given"):
        direction_of("val_x")


def test_a_folder_holds_one_search(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    artefact.write_manifest(data, "data", [], **DATA)

    def job(**settings):
        settings = {"space": SPACE, "trials": 3, **settings}
        return Job(data=str(data), out=str(tmp_path / "out"), **settings)

    remember_job(job())
    remember_job(job())
    remember_job(job(trials=9))
    changes = {
        "seed": ({"seed": 3}, "`seed` was 0, now 3"),
        "space": (
            {"space": {**SPACE, "modality_dropout": 0.2}},
            "`space.modality_dropout` was None, now 0.2",
        ),
        "epochs": ({"epochs": 4}, "`epochs` was None, now 4"),
    }
    for settings, message in changes.values():
        with pytest.raises(ValueError, match=message):
            remember_job(job(**settings))
    # What has looked at the test split is not carried further.
    (tmp_path / "out" / "manifest.json").write_text("{}")
    with pytest.raises(ValueError, match="`trials` was 3, now 5"):
        remember_job(job(trials=5))
    artefact.write_manifest(data, "data", [], **{**DATA, "seed": 1})
    with pytest.raises(ValueError, match="`data_sha256` was"):
        remember_job(job())


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "data").mkdir()
    manifest = tmp_path / "data" / "manifest.json"
    artefact.write_manifest(manifest.parent, "data", [], **DATA)
    job = Job(data=str(tmp_path / "data"), space=GRID, out=str(tmp_path),
              method="grid")  # fmt: skip
    for restart in (False, True):
        with pytest.raises(ValueError, match="must be new, empty, or a folder"):
            tune(job, restart=restart)
    assert manifest.is_file()
