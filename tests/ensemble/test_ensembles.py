"""Ensembles of real runs: what is written, and that it is one model."""

import hashlib
import json

import numpy as np
import pytest
from two_tables import RECIPE, two_tables

from mmkeras import artefact, load_model
from mmkeras.data import load_data
from mmkeras.evaluation import predict
from mmkeras.export import open_file, run_all, to_tflite
from mmkeras.runs import evaluate_run, train_run
from mmkeras.studies import ensemble
from mmkeras.studies.ensemble import (
    Trainer,
    bag,
    boost,
    bootstrap,
    results_table,
    reweighted,
    training_errors,
)


def recipe_of(epochs, **changes):
    training = {**RECIPE["training"], "checkpoints": 2, "epochs": epochs}
    return {**RECIPE, "training": training, **changes}


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    """A folder with data and three runs, of which one has learned a bit."""
    folder = tmp_path_factory.mktemp("road")
    data = two_tables(folder, samples=200, noise=1.2, numbers=True)
    gated = {"fusion": {"method": "gated", "units": 8}}
    recipes = {"a": recipe_of(2), "b": recipe_of(0), "c": recipe_of(0, **gated)}
    for seed, (name, recipe) in enumerate(recipes.items()):
        train_run(data, recipe, "full", folder / name, seed, 0)
    return folder


@pytest.fixture(scope="module")
def data(road):
    return load_data(road / "data", augment=False)


@pytest.fixture(scope="module")
def ensembles(road):
    """An average, a stack and a soup of the runs."""
    out = road / "ensembles"
    pair = [road / "a", road / "b"]
    ensemble.average(pair, out / "average")
    ensemble.stack([*pair, road / "c"], out / "stack")
    checkpoints = sorted((road / "a" / "checkpoints").iterdir())
    assert len(checkpoints) == 2
    ensemble.soup([*pair, checkpoints[0]], out / "soup")
    return out


def answers(model, data):
    return predict(model, data.test)[0]


def read(out):
    artefact.read_manifest(out, "run")
    return json.loads((out / "ensemble.json").read_text())


def test_the_average_of_runs_is_one_run(ensembles, road, data):
    out = ensembles / "average"
    result = read(out)
    model = load_model(out)
    assert sorted(model.input) == ["left", "right"]
    first, second = (answers(load_model(road / n), data) for n in "ab")
    found = answers(model, data)
    for target in ("kind", "size"):
        np.testing.assert_allclose(
            found[target], (first[target] + second[target]) / 2, atol=1e-5
        )
    evaluated = evaluate_run(out, baselines=False)
    for target, metric in (("kind", "accuracy"), ("size", "mae")):
        assert evaluated["targets"][target]["metrics"][metric][
            "value"
        ] == pytest.approx(result["ensemble"]["test"][target][metric])


def test_a_stack_weighs_its_members(ensembles, road, data):
    result = read(ensembles / "stack")
    assert [m["run"] for m in result["members"]] == [
        str(road / name) for name in "abc"
    ]
    shares = result["weights"]["size"]
    assert len(shares) == len(result["weights"]["kind"]) == 3
    parts = [answers(load_model(road / n), data)["size"] for n in "abc"]
    np.testing.assert_allclose(
        answers(load_model(ensembles / "stack"), data)["size"],
        sum(w * part for w, part in zip(shares, parts, strict=True)),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize("made", ["stack", "soup"])
def test_an_ensemble_becomes_one_tflite_file(ensembles, data, tmp_path, made):
    path = tmp_path / "model.tflite"
    model = load_model(ensembles / made)
    to_tflite(model, path)
    x, _, _ = next(iter(data.test))
    x = {name: np.asarray(values[:4]) for name, values in x.items()}
    wanted = model.predict_on_batch(x)
    found = run_all(open_file(path), x)
    for target in ("kind", "size"):
        np.testing.assert_allclose(found[target], wanted[target], atol=1e-4)


@pytest.mark.slow
def test_an_ensemble_becomes_a_bundle(ensembles, tmp_path):
    from mmkeras.export import main

    out = tmp_path / "bundle"
    for options in (["--quantize", "none"], ["--max-drop", "1"]):
        arguments = [str(ensembles / "stack"), "--out", str(out), *options]
        assert main(arguments) == 0
        card = json.loads((out / "card.json").read_text())
        assert card["scenarios"]["all"]["kind"]


def test_a_soup_is_a_run_like_any_other(ensembles, road):
    result = read(ensembles / "soup")
    assert sorted(step["run"] for step in result["steps"]) == sorted(
        member["run"] for member in result["members"]
    )
    taken = [step["soup"] for step in result["steps"] if step["taken"]]
    assert taken[-1] <= min(step["alone"] for step in result["steps"])
    model, member = load_model(ensembles / "soup"), load_model(road / "a")
    assert model.name == member.name
    assert [w.shape for w in model.weights] == [w.shape for w in member.weights]
    evaluate_run(ensembles / "soup", baselines=False)


def test_a_soup_may_look_at_another_figure(road, tmp_path):
    result = ensemble.soup(
        [road / "a", road / "b"], tmp_path / "soup", None,
        "val_kind_accuracy", "max",
    )  # fmt: skip
    alone = [step["alone"] for step in result["steps"]]
    found = [m["validation"]["kind"]["accuracy"] for m in result["members"]]
    assert alone == pytest.approx(sorted(found, reverse=True))
    kept = [step["soup"] for step in result["steps"] if step["taken"]]
    assert kept[-1] >= max(alone)
    assert result["ensemble"]["validation"]["kind"]["accuracy"] >= max(found)


@pytest.mark.parametrize(
    "names, message",
    [
        (["a"], "two or more different runs"),
        (["a", "a"], "two or more different runs"),
        (["a", "c"], "must have one architecture.*and number 2 differ in"),
        (["a", "nowhere"], "nowhere"),
    ],
)
def test_what_makes_no_soup_is_refused(road, tmp_path, names, message):
    with pytest.raises(ValueError, match=message):
        ensemble.soup([road / name for name in names], tmp_path / "soup")
    assert not (tmp_path / "soup").exists()


def test_an_objective_that_is_no_figure_is_refused(road, tmp_path):
    with pytest.raises(ValueError, match="Choices: .*val_loss"):
        ensemble.soup([road / "a", road / "b"], tmp_path / "soup", None, "x")


def test_a_direction_is_min_or_max(road, tmp_path):
    with pytest.raises(ValueError, match="`direction` must be min or max"):
        ensemble.soup(
            [road / "a", road / "b"], tmp_path / "x", None, "val_loss", "down"
        )


def test_a_member_is_not_written_over(road):
    before = (road / "a" / "manifest.json").read_bytes()
    with pytest.raises(ValueError, match="`out` must be a folder of its own"):
        ensemble.average([road / "a", road / "b"], road / "a")
    assert (road / "a" / "manifest.json").read_bytes() == before


def test_a_strategy_that_chooses_its_samples_makes_no_members(road, tmp_path):
    with pytest.raises(ValueError, match="'fixmatch'. Choices: full, comp"):
        ensemble.Trainer(road / "data", recipe_of(1), tmp_path, "fixmatch")


def test_a_folder_that_says_no_data_is_no_member(road, tmp_path):
    stage = tmp_path / "1-stage"
    stage.mkdir()
    artefact.write_manifest(stage, "run", [])
    with pytest.raises(ValueError, match="must be runs, or checkpoints of"):
        ensemble.average([road / "a", stage], tmp_path / "out")


def test_weights_travel_with_their_samples(data):
    samples = data.counts["train"]
    factors = np.arange(samples) % 3
    other = reweighted(data, factors, ["kind"])
    # "size" keeps its weight, so that nobody is left out.
    assert other.counts["train"] == samples
    both = reweighted(data, factors)
    assert both.counts["train"] == (factors > 0).sum()
    rows = np.concatenate([x["left"] for x, _, _ in data.ordered("train")])
    wanted = {tuple(row): f / 1.5 for row, f in zip(rows, factors, strict=True)}
    seen = 0
    for x, _, weights in both.train:
        for row, kind, size in zip(
            x["left"].numpy(), weights["kind"], weights["size"], strict=True
        ):
            assert float(kind) == pytest.approx(wanted[tuple(row)])
            assert float(size) == float(kind)
            seen += 1
    assert seen == (factors > 0).sum()


@pytest.mark.parametrize(
    "factors", [np.zeros(120), np.ones(7), -np.ones(120), np.full(120, np.nan)]
)
def test_factors_that_are_no_weights_are_refused(data, factors):
    with pytest.raises(ValueError, match="`factors` must be a finite number"):
        reweighted(data, factors)


def weights_of(folder):
    return load_model(folder).get_weights()


def test_bagging_goes_on_where_it_stopped(road, tmp_path):
    trainer = Trainer(road / "data", recipe_of(0), tmp_path, verbose=0)
    result = bag(trainer, members=2)
    assert read(tmp_path) == result
    places = [tmp_path / "members" / number for number in "12"]
    for number, place in enumerate(places):
        counts = bootstrap(120, np.random.default_rng([0, number]))
        digest = hashlib.sha256(counts.astype("float64").tobytes())
        manifest = artefact.read_manifest(place, "run")
        assert manifest["sample_weights"] == digest.hexdigest()
        assert manifest["seed"] == number
    whole = weights_of(tmp_path)
    kept = (places[0] / "model.keras").stat().st_mtime_ns
    # As if it had been killed in the second member.
    (places[1] / artefact.MANIFEST).unlink()
    bag(trainer, members=2)
    assert (places[0] / "model.keras").stat().st_mtime_ns == kept
    for one, other in zip(whole, weights_of(tmp_path), strict=True):
        np.testing.assert_array_equal(one, other)
    anew = Trainer(
        road / "data", recipe_of(0), tmp_path, verbose=0, restart=True
    )
    with pytest.raises(ValueError, match="'typo'"):
        boost(anew, members=2, target="typo")
    assert (places[0] / "model.keras").stat().st_mtime_ns == kept
    bag(anew, members=2)
    assert (places[0] / "model.keras").stat().st_mtime_ns > kept
    for one, other in zip(whole, weights_of(tmp_path), strict=True):
        np.testing.assert_array_equal(one, other)


def test_boosting_weighs_what_the_last_member_got_wrong(
    road, tmp_path, monkeypatch
):
    wrong = np.arange(120) % 10 < 3
    given = []
    fit = Trainer._fit

    def watch(self, place, seed, factors, targets, identity):
        given.append((factors, targets))
        fit(self, place, seed, factors, targets, identity)

    monkeypatch.setattr(Trainer, "_fit", watch)
    monkeypatch.setattr(
        "mmkeras.studies.ensemble.bagging_boosting.errors",
        lambda *arguments: (wrong, np.ones(120)),
    )
    trainer = Trainer(road / "data", recipe_of(0), tmp_path, verbose=0)
    result = boost(trainer, members=2)
    assert read(tmp_path) == result
    (first, _), (second, targets) = given
    assert targets == ["kind"] and (first == 1).all()
    vote = np.log(0.7 / 0.3) + np.log(2)
    assert result["members"][0]["vote"] == pytest.approx(vote)
    ratio = second[wrong].mean() / second[~wrong].mean()
    assert ratio == pytest.approx(np.exp(vote))
    assert second.sum() == pytest.approx(120)


def test_errors_are_those_of_the_training_split_in_its_order(road, data):
    model = load_model(road / "a")
    wrong, known = training_errors(model, data, "kind")
    outputs, labels, _ = predict(model, data.ordered("train"))
    np.testing.assert_array_equal(
        wrong, outputs["kind"].argmax(axis=1) != labels["kind"]
    )
    assert 0 < wrong.mean() < 0.67
    assert (known == 1).all()


def test_chance_ends_the_boosting(road, tmp_path, monkeypatch):
    """What is no better than chance has no vote, and passes nothing on."""
    bad = np.ones(120, bool)
    good = np.arange(120) % 10 < 3
    found = [good, bad, good]
    monkeypatch.setattr(
        "mmkeras.studies.ensemble.bagging_boosting.errors",
        lambda *arguments: (found.pop(0), np.ones(120)),
    )
    trainer = Trainer(road / "data", recipe_of(0), tmp_path, verbose=0)
    assert len(boost(trainer, members=3)["members"]) == 1


def test_boosting_needs_one_category(road, tmp_path):
    trainer = Trainer(road / "data", recipe_of(0), tmp_path, verbose=0)
    for target in ("size", "colour"):
        with pytest.raises(ValueError, match=r"kind \(category\), size"):
            boost(trainer, 2, target)
    with pytest.raises(ValueError, match="`members` must be"):
        boost(trainer, 1)


def test_the_table_shows_members_and_ensemble(ensembles, data):
    result = read(ensembles / "average")
    lines = results_table(result, data.spec.targets).splitlines()
    assert lines[0].split() == [
        "kind", "accuracy,", "validation", "kind", "accuracy,", "test",
        "size", "mae,", "validation", "size", "mae,", "test",
    ]  # fmt: skip
    assert len(lines) == 4 and lines[3].startswith("ensemble")
    value = result["ensemble"]["test"]["kind"]["accuracy"]
    assert f"{value:.3f}" in lines[3]


def test_the_command_shows_the_table(road, tmp_path):
    from typer.testing import CliRunner

    from mmkeras.cli import app

    out = str(tmp_path / "soup")
    runs = [str(road / "a"), str(road / "b")]
    found = CliRunner().invoke(app, ["ensemble", "soup", *runs, "--out", out])
    assert found.exit_code == 0, found.exception
    result = read(tmp_path / "soup")
    for step in result["steps"]:
        taken = "taken" if step["taken"] else "left out"
        assert f"{step['run']}: val_loss {step['alone']:.4g} alone" in (
            found.stdout
        )
        assert taken in found.stdout
    assert "kind accuracy, test" in found.stdout
    found = CliRunner().invoke(
        app, ["ensemble", "stacking", runs[0], "--out", out]
    )
    assert "two or more different runs" in str(found.exception)
