"""Metrics of ordinals, sequences and embeddings, on the page and the card."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sk
from target_toys import problem, target_of

from mmkeras import heads
from mmkeras.evaluation import evaluate, render_report
from mmkeras.export import ProducedFile
from mmkeras.export.verification import compare_outputs
from mmkeras.metrics import measure

KINDS = ["ordinal", "sequence", "embedding"]
SAMPLES = 40


def values(kind, *arrays):
    found = measure(target_of(kind).figures(*arrays), resamples=0)
    return {name: metric["value"] for name, metric in found.items()}


def nearest_on_average(outputs):
    """The class whose expected distance is least, by trying each."""
    classes = np.arange(outputs.shape[1])
    away = np.abs(classes[:, None] - classes)
    return (outputs[:, None] * away).sum(axis=2).argmin(axis=1)


def test_an_ordinal_answers_by_rank_everywhere():
    """0.4, 0.3, 0.3: the likeliest class is the farthest away on average."""
    target = target_of("ordinal")
    outputs = np.array([[0.4, 0.3, 0.3], [0.6, 0.3, 0.1], [0.2, 0.2, 0.6]])
    ranks, labels = [1, 0, 2], np.array([1, 0, 2])
    assert target.decide(outputs).tolist() == ranks
    assert values("ordinal", labels, outputs, None)["accuracy"] == 1
    seen = target.decisions(labels, outputs)
    assert seen.answer.argmax(axis=1).tolist() == ranks
    assert target.agreement(outputs, np.eye(3)[ranks]) == 1
    names = [target.classes[rank] for rank in ranks]
    assert [target.answer_cell(row) for row in outputs] == names
    device = target.part("device")
    entry = {"classes": list(target.classes)}
    assert [device.answer(row, entry)["label"] for row in outputs] == names
    for metric, want in zip(heads.Ordinal(3).metrics(), (1, 0), strict=True):
        metric.update_state(labels, outputs)
        assert float(metric.result()) == want


def test_an_ordinal_s_metrics_are_those_of_scikit_learn():
    labels, outputs, weights = problem("ordinal")
    known = weights > 0
    truth, answer = labels[known], nearest_on_average(outputs[known])
    assert values("ordinal", labels, outputs, weights) == pytest.approx(
        {
            "accuracy": sk.accuracy_score(truth, answer),
            "mae": sk.mean_absolute_error(truth, answer),
            "kappa": sk.cohen_kappa_score(truth, answer, weights="quadratic"),
        }
    )


def test_kappa_is_not_defined_where_all_is_one_class():
    found = values("ordinal", np.ones(5, int), np.eye(3)[[1] * 5], None)
    assert found == {"accuracy": 1, "mae": 0, "kappa": None}


def test_a_sequence_s_metrics_are_those_of_scikit_learn_over_its_steps():
    labels, outputs, weights = problem("sequence")
    known = weights > 0
    truth, answer = labels[known], outputs.argmax(-1)[known]
    found = values("sequence", labels, outputs, weights)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(truth, answer))
    assert found["macro_f1"] == pytest.approx(
        sk.f1_score(truth, answer, average="macro")
    )


@pytest.mark.parametrize(
    "truth, answer, f1",
    [
        ("0001111", "0001111", 1.0),
        ("0001111", "0011111", 1.0),  # one step too early
        ("0001111", "0111111", 0.0),  # two steps too early
        ("0001111", "0000000", 0.0),
        ("0001111", "0001011", 0.5),  # two that are none
        ("0011100", "0111100", 1.0),
        ("0101010", "0000000", 0.0),
        ("0000000", "0000000", None),
        ("00x1111", "0000111", 0.0),  # a change into the unknown is none
    ],
)
def test_a_change_may_be_found_one_step_off(truth, answer, f1):
    weights = np.array([[step != "x" for step in truth]], float)
    labels = np.array([[int(step.replace("x", "0")) for step in truth]])
    outputs = np.eye(2)[[[int(step) for step in answer]]]
    found = values("sequence", labels, outputs, weights)["change_f1"]
    assert found == (f1 if f1 is None else pytest.approx(f1))


def test_recall_asks_for_the_nearest_others():
    labels, outputs, weights = problem("embedding")
    hits = {k: [] for k in (1, 5, 10)}
    for i in np.flatnonzero(weights):
        others = [j for j in np.flatnonzero(weights) if j != i]
        order = sorted(others, key=lambda j: -(outputs[i] @ outputs[j]))
        same = [labels[j] == labels[i] for j in order]
        for k in hits if any(same) else ():
            hits[k].append(any(same[:k]))
    assert values("embedding", labels, outputs, weights) == pytest.approx(
        {f"recall_at_{k}": np.mean(found) for k, found in hits.items()}
    )
    assert 0.2 < np.mean(hits[1]) < 0.95


def test_a_vector_that_is_always_the_same_finds_nothing():
    found = values("embedding", np.arange(12) % 6, np.ones((12, 3)), None)
    assert found == {"recall_at_1": 0, "recall_at_5": 0, "recall_at_10": 0}


@pytest.mark.parametrize("kind", KINDS)
def test_a_resample_is_measured_as_the_samples_it_holds(kind):
    labels, outputs, weights = problem(kind)
    figures = target_of(kind).figures(labels, outputs, weights)
    known = np.flatnonzero(weights.reshape(SAMPLES, -1).any(axis=1))
    drawn = np.random.default_rng(1).integers(0, len(known), SAMPLES)
    counts = np.bincount(drawn, minlength=len(known))[None]
    found = figures(counts)
    drawn = known[drawn]
    if kind == "embedding":
        # A sample does not find its own copy: each keeps its own figure.
        near = outputs[known] @ outputs[known].T - 2 * np.eye(len(known))
        same = labels[known, None] == labels[known]
        asked = same.sum(axis=1) > 1
        right = asked & same[np.arange(len(known)), near.argmax(axis=1)]
        wanted = (counts @ right) / (counts @ asked)
        assert found["recall_at_1"] == pytest.approx(wanted)
        return
    again = values(kind, labels[drawn], outputs[drawn], weights[drawn])
    assert {n: float(v[0]) for n, v in found.items()} == pytest.approx(again)


@pytest.mark.parametrize("kind", KINDS)
def test_an_interval_holds_the_value(kind):
    target = target_of(kind)
    for metric in measure(target.figures(*problem(kind)), 200).values():
        assert metric["low"] < metric["value"] < metric["high"]
    nothing = np.zeros_like(problem(kind)[2])
    assert measure(target.figures(*problem(kind)[:2], nothing)) == {}


TARGETS = {
    "grade": target_of("ordinal"),
    "move": target_of("sequence", classes=["rest", "walk", "run"]),
    "who": target_of("embedding"),
}
ARRAYS = {
    name: problem(target.kind, seed=place)
    for place, (name, target) in enumerate(sorted(TARGETS.items()))
}


class Known:
    """A model that knows all answers, sample by sample."""

    input = {"x": None}
    output = dict.fromkeys(TARGETS)

    def predict_on_batch(self, x):
        rows = np.asarray(x["x"])[:, 0].astype(int)
        return {name: ARRAYS[name][1][rows] for name in TARGETS}


@pytest.fixture(scope="module")
def result():
    batch = (
        {"x": np.arange(SAMPLES, dtype="float32")[:, None]},
        {name: arrays[0] for name, arrays in ARRAYS.items()},
        {name: arrays[2] for name, arrays in ARRAYS.items()},
    )
    counts = {"low": 5, "mid": 30, "high": 10}
    moves = {"rest": 50, "walk": 9, "run": 9}
    return evaluate(
        Known(),
        [batch],
        TARGETS,
        statistics={
            "grade": {"counts": counts},
            "move": {"counts": moves},
            "who": {"identities": 8},
        },
        resamples=50,
    )


def test_an_evaluation_knows_every_kind(result):
    found = result["targets"]
    grade, move, who = (found[name] for name in sorted(TARGETS))
    assert json.loads(json.dumps(result)) == result
    assert grade["count"] == int((ARRAYS["grade"][2] > 0).sum())
    assert move["count"] == int((ARRAYS["move"][2] > 0).any(axis=1).sum())
    assert np.sum(grade["confusion"]) == grade["count"]
    assert np.sum(move["confusion"]) == int((ARRAYS["move"][2] > 0).sum())
    (majority,) = move["baselines"]
    labels, _, weights = ARRAYS["move"]
    assert majority["metrics"]["accuracy"]["value"] == pytest.approx(
        np.average(labels == 0, weights=weights)
    )
    assert who["baselines"] == who["worst"] == []


def test_the_worst_sequence_is_told_in_runs(result):
    worst = result["targets"]["move"]["worst"][0]
    labels, outputs, weights = ARRAYS["move"]
    likely = np.take_along_axis(outputs, labels[..., None], -1)[..., 0]
    errors = -(np.log(likely) * weights).sum(1) / np.maximum(weights.sum(1), 1)
    assert worst["index"] == errors.argmax()
    assert worst["error"] == pytest.approx(errors.max())
    steps = [run.split(" × ") for run in worst["answer"]]
    names = [name for name, count in steps for _ in range(int(count))]
    classes = TARGETS["move"].classes
    answer = outputs[worst["index"]].argmax(-1)
    assert names == [classes[i] for i in answer]


def test_the_page_shows_every_kind(result):
    page = render_report(result, "kinds")
    for words in ("Kappa (quadratic weights)", "F1 of changes", "Recall at 5"):
        assert words in page
    assert page.count('<table class="confusion">') == 2
    assert "<th>Steps</th>" in page


def test_a_share_has_no_unit_on_the_page(result):
    """Boxes are told in pixels; their precision is not."""
    told = {**result["targets"]["grade"], "unit": "pixels"}
    page = render_report({**result, "targets": {"grade": told}}, "kinds")
    (figure,) = re.findall(r'<div class="big">(.*?)</div>', page)
    value = told["metrics"]["accuracy"]["value"]
    assert figure == f"{value:.3f}"


FILE = ProducedFile("tflite", "int8", Path("int8.tflite"))


def card(target, labels, weights, keras, output):
    """What a card says of Keras and of a file, for one target."""
    found = compare_outputs(
        target, labels, weights, keras, None, {FILE: output}
    )
    return found.keras, found.files[FILE.name]


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_scores_what_the_evaluation_measures(kind):
    labels, outputs, weights = problem(kind)
    wanted, target = values(kind, labels, outputs, weights), target_of(kind)
    keras, file = card(target, labels, weights, outputs, outputs)
    assert keras.figures == file.figures == wanted
    nothing, _ = card(target, labels, weights * 0, outputs, outputs)
    assert nothing.figures == {}
    assert file.agreement == 1 and file.drop == 0
    assert target.agreement(outputs, outputs[::-1]) < 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_says_how_sure_a_drop_is(kind):
    labels, outputs, weights = problem(kind)
    noise = np.random.default_rng(5).normal(size=outputs.shape)
    worse = np.abs(outputs + noise) if kind != "embedding" else outputs + noise
    _, found = card(target_of(kind), labels, weights, outputs, worse)
    assert found.drop > 0
    assert found.drop_interval[0] < found.drop < found.drop_interval[1]
    assert (found.worst_class is None) == (kind == "embedding")
    assert (found.calibration_error is None) == (kind == "embedding")


def test_a_sequence_s_calibration_is_that_of_its_steps():
    labels, outputs, weights = problem("sequence")
    flat = (labels.ravel(), weights.ravel(), outputs.reshape(-1, 3))
    found = [
        card(target_of(kind), *arrays, arrays[2])[1].calibration_error
        for kind, arrays in (
            ("category", flat), ("sequence", (labels, weights, outputs))
        )
    ]  # fmt: skip
    assert found[0] == pytest.approx(found[1])
