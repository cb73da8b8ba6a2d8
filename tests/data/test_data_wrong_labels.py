"""Wrong labels among training samples are found by answers out of fold."""

import keras
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import mmkeras
from mmkeras.cli import app
from mmkeras.data import load_data, prepare
from mmkeras.heads import Category
from mmkeras.runs import describe_run
from mmkeras.spec import DataSpec
from mmkeras.studies.data_report import folds_of, likely_wrong, out_of_fold
from mmkeras.training import save_run

CLASSES = ["red", "green", "blue"]


def clouds(samples=600, wrong=0.05, seed=0):
    """Points about three centres; some have the label of another."""
    draw = np.random.default_rng(seed)
    true = draw.integers(0, 3, samples)
    points = 2.5 * np.eye(3, 4)[true] + draw.normal(size=(samples, 4)) * 0.7
    flipped = draw.random(samples) < wrong
    return points, np.where(flipped, (true + 1) % 3, true), flipped


def precision_recall(found, flipped):
    found, planted = {*found}, {*np.flatnonzero(flipped)}
    hits = len(found & planted)
    return hits / len(found), hits / len(planted)


def test_planted_wrong_labels_are_found():
    points, labels, flipped = clouds()
    known = np.ones(len(labels), bool)
    fold = folds_of(len(labels), 5, None)
    assert np.bincount(fold).tolist() == [120] * 5
    chances, judged = out_of_fold(points, labels, known, 3, fold)
    assert judged.all()
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    found = [row for row, _ in likely_wrong(labels, chances)]
    precision, recall = precision_recall(found, flipped)
    # The method lists what is sure: precision before recall.
    assert precision > 0.95 and recall > 0.6


def test_a_group_answers_for_itself_only_where_it_is_parted():
    """One speaker's labels are all wrong, and no other is like that one."""
    draw = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 15)
    labels = groups % 2
    # The speaker is heard better than what is said.
    points = np.c_[labels * 4.0, np.eye(20)[groups] * 6]
    points += draw.normal(size=points.shape) * 0.3
    wrong = groups == 7
    labels = np.where(wrong, 1 - labels, labels)
    known = np.ones(len(labels), bool)
    shares = []
    for by in (groups, None):
        fold = folds_of(len(labels), 5, by)
        chances, _ = out_of_fold(points, labels, known, 2, fold)
        found = [row for row, _ in likely_wrong(labels, chances)]
        shares.append(np.isin(np.flatnonzero(wrong), found).mean())
    assert shares == [1.0, 0.0]


def test_no_group_is_in_two_folds_and_few_are_few_folds():
    groups = np.array(list("aabbbcccc"))
    fold = folds_of(9, 5, groups)
    assert {len({*fold[groups == name]}) for name in "abc"} == {1}
    assert len({*fold}) == 3
    assert {*folds_of(4, 5, np.array(list("aaaa")))} == {0}


def test_what_cannot_be_judged_is_not():
    points, labels, _ = clouds(60)
    known = np.arange(60) % 2 == 0
    fold = folds_of(60, 5, None)
    _, judged = out_of_fold(points, labels, known, 3, fold)
    assert np.array_equal(judged, known)
    # The other folds have one answer alone.
    _, judged = out_of_fold(points, np.zeros(60, int), known, 3, fold)
    assert not judged.any()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run on a table with planted wrong labels, and which those are."""
    folder = tmp_path_factory.mktemp("wrong")
    points, labels, flipped = clouds(400)
    table = pd.DataFrame(points, columns=list("abcd"))
    table["color"] = [CLASSES[label] for label in labels]
    table["id"] = [f"s{row}" for row in range(len(table))]
    table["who"] = [f"p{row // 4}" for row in range(len(table))]
    table.to_csv(folder / "manifest.csv", index=False)
    keys = {
        "name": "clouds",
        "data": {"root": str(folder), "id_column": "id"},
        "split": {"group": "who"},
        "modalities": {"row": {"kind": "vector", "columns": list("abcd")}},
        "targets": {
            "color": {"kind": "category", "column": "color",
                      "classes": CLASSES}
        },
    }  # fmt: skip
    prepare(DataSpec.from_dict(keys), folder / "data", workers=1)
    data = load_data(folder / "data", augment=False)
    keras.utils.set_random_seed(0)
    x = keras.Input((4,), name="row")
    y = keras.layers.Dense(4, kernel_initializer="identity")(x)
    tower = {"vector": y, "tokens": y[:, None], "mask": y[:, :1] * 0 + 1}
    tower = keras.Model(x, tower, name="row_tower")
    x = keras.Input((4,), name="row")
    heads = {"color": Category(3)(tower(x)["vector"], "color")}
    model = keras.Model({"row": x}, heads)
    history = keras.callbacks.History()
    history.epoch, history.history = [0], {"loss": [1.0]}
    save_run(
        folder / "run", model, history, **describe_run(data, {}, "full", 0)
    )
    names = {f"s{row}" for row in np.flatnonzero(flipped)}
    return folder, names & {*data.ids("train")}, data.counts


def test_inspect_judges_the_training_split_of_a_run(run):
    folder, planted, counts = run
    report = mmkeras.inspect(folder / "data", run=folder / "run")
    entry = report["wrong_labels"]["color"]
    assert entry["samples"] == sum(counts.values())
    found = {one["id"] for one in entry["wrong"] if one["split"] == "train"}
    assert len(found & planted) / len(planted) > 0.5
    assert len(found & planted) / len(found) > 0.8
    assert "in 5 folds by `who`" in entry["training"]
    without = mmkeras.inspect(folder / "data", run=folder / "run", folds=0)

    assert without["wrong_labels"]["color"]["samples"] == (
        counts["validation"] + counts["test"]
    )


def test_the_page_says_what_was_done(run, tmp_path):
    folder, *_ = run

    def inspect(*arguments):
        arguments = ["inspect", folder / "data", "--run", folder / "run",
                     "--out", tmp_path / "page", *arguments]  # fmt: skip
        return CliRunner().invoke(app, [str(each) for each in arguments])

    assert inspect("--folds", 4).exit_code == 0
    page = (tmp_path / "page" / "report.html").read_text()
    assert "in 4 folds by `who`" in page
    error = inspect("--folds", 1).exception
    assert "`folds` must be 0 or at least 2" in str(error)
