"""Figures of classes and numbers, against formulas written by hand."""

import numpy as np
import pytest
import scipy.stats

from mmkeras.metrics import measure, multi_label, regression, single_label

FIGURES = {
    "category": single_label,
    "categories": multi_label,
    "number": regression,
}


def case(name):
    """Returns kind, labels, outputs of a small problem with some skill."""
    draw = np.random.default_rng(7)
    size = 60
    if name == "number":
        labels = draw.normal(1000, 3, size)
        return "number", labels, (labels + draw.normal(0, 2, size))[:, None]
    if name == "constant number":
        return "number", np.arange(8.0), np.full((8, 1), 3.0)
    if name == "one number":
        return "number", np.full(5, 2.0), np.arange(5.0)[:, None]
    if name == "categories":
        labels = draw.integers(0, 2, (size, 4)).astype("float32")
        outputs = labels * 0.3 + draw.uniform(0, 0.7, (size, 4))
        # Ties, a class nobody has, and one nobody answers.
        labels[:, 2] = 0
        outputs[:, 3] = np.round(outputs[:, 3], 1) * 0.4
        return "categories", labels, outputs
    classes = {"category": 4, "two": 2, "one class": 3, "unseen": 5}[name]
    labels = draw.integers(0, classes, size)
    if name == "one class":
        labels[:] = 1
    if name == "unseen":
        # Class 4 is never true, but answered; class 3 never either.
        labels = labels % 3
    outputs = np.round(draw.dirichlet(np.ones(classes), size), 2)
    outputs += 0.4 * np.eye(classes)[labels]
    if name == "unseen":
        outputs[:, 3] = 0
    return "category", labels, outputs


CASES = (
    "category",
    "two",
    "one class",
    "unseen",
    "categories",
    "number",
    "constant number",
    "one number",
)


def by_hand(truth, found):
    """Precision, recall and F1 of each class that occurs, from the table."""
    rows = []
    for t, f in zip(truth.T, found.T, strict=True):
        if t.any() or f.any():
            hit = np.sum(t & f)
            rows.append(
                (
                    hit / f.sum() if f.any() else 0,
                    hit / t.sum() if t.any() else 0,
                    2 * hit / (t.sum() + f.sum()),
                )
            )
    return np.mean(rows, axis=0)


def auc_by_hand(truth, scores):
    """Every pair of a positive and a negative, one after the other."""
    pairs = [
        float(p > n) + 0.5 * float(p == n)
        for p in scores[truth]
        for n in scores[~truth]
    ]
    return np.mean(pairs) if pairs else np.nan


def expected(kind, labels, outputs):
    if kind == "number":
        error = outputs[:, 0] - labels
        return {
            "mae": np.abs(error).mean(),
            "rmse": np.sqrt((error**2).mean()),
            "r2": 1 - (error**2).sum() / ((labels - labels.mean()) ** 2).sum(),
            "correlation": scipy.stats.pearsonr(labels, outputs[:, 0])[0],
        }
    if kind == "category":
        answers = outputs.argmax(axis=1)
        eye = np.eye(outputs.shape[1], dtype=bool)
        truth, found = eye[labels], eye[answers]
        recalls = [
            np.mean(answers[labels == c] == c) for c in np.unique(labels)
        ]
        first = {
            "accuracy": np.mean(labels == answers),
            "balanced_accuracy": np.mean(recalls),
        }
    else:
        truth, found = labels > 0.5, outputs >= 0.5
        total = truth.sum() + found.sum()
        first = {
            "subset_accuracy": np.mean((truth == found).all(axis=1)),
            "micro_f1": 2 * np.sum(truth & found) / total,
        }
    macro = by_hand(truth, found)
    areas = [auc_by_hand(t, s) for t, s in zip(truth.T, outputs.T, strict=True)]
    areas = [a for a in areas if np.isfinite(a)]
    return {
        **first,
        "macro_precision": macro[0],
        "macro_recall": macro[1],
        "macro_f1": macro[2],
        "roc_auc": np.mean(areas) if areas else None,
    }


@pytest.mark.parametrize(
    "name", ["category", "two", "one class", "unseen", "categories", "number"]
)
def test_every_metric_equals_its_formula(name):
    kind, labels, outputs = case(name)
    got = measure(FIGURES[kind](labels, outputs), resamples=0)
    want = expected(kind, labels, outputs)
    assert set(got) == set(want)
    for metric, value in want.items():
        assert got[metric]["low"] is None and got[metric]["high"] is None
        if value is None:
            assert got[metric]["value"] is None
        else:
            assert got[metric]["value"] == pytest.approx(value), metric


@pytest.mark.parametrize("name", CASES)
def test_a_resample_scores_like_the_samples_it_repeats(name):
    """Counts of draws against scikit-learn on the drawn samples."""
    kind, labels, outputs = case(name)
    draw = np.random.default_rng(3)
    rows = [np.arange(len(labels))]
    rows += [draw.integers(0, len(labels), len(labels)) for _ in range(6)]
    counts = np.array([np.bincount(r, minlength=len(labels)) for r in rows])
    figures = FIGURES[kind]
    got = figures(labels, outputs)(counts)
    for index, drawn in enumerate(rows):
        want = measure(figures(labels[drawn], outputs[drawn]), resamples=0)
        assert set(got) == set(want)
        for metric, entry in want.items():
            value = got[metric][index]
            if entry["value"] is None:
                assert not np.isfinite(value), metric
            else:
                assert value == pytest.approx(entry["value"]), metric


# Not "unseen": a resample that lacks a rare class has another macro mean.
@pytest.mark.parametrize("name", [c for c in CASES if c != "unseen"])
def test_intervals_hold_the_figure_and_repeat_with_their_seed(name):
    kind, labels, outputs = case(name)
    figures = FIGURES[kind](labels, outputs)
    first = measure(figures, resamples=200, seed=4)
    for metric, entry in first.items():
        if entry["value"] is None:
            assert entry["low"] is None and entry["high"] is None
        else:
            assert entry["low"] - 1e-9 <= entry["value"], metric
            assert entry["value"] <= entry["high"] + 1e-9, metric
    assert first == measure(figures, resamples=200, seed=4)


def test_intervals_do_not_depend_on_how_many_are_counted_at_once(monkeypatch):
    _, labels, outputs = case("category")
    figures = single_label(labels, outputs)
    whole = measure(figures, resamples=50)
    monkeypatch.setattr("mmkeras.metrics.bootstrap.CHUNK", 7 * len(labels))
    assert measure(figures, resamples=50) == whole


def test_samples_without_a_label_are_left_out():
    _, labels, outputs = case("category")
    weights = (np.arange(len(labels)) % 3 > 0).astype("float32")
    rows = weights > 0
    wrong = np.where(rows, labels, (labels + 1) % 4)
    got = measure(single_label(wrong, outputs, weights), resamples=20)
    assert got == measure(single_label(labels[rows], outputs[rows]), 20)
    assert measure(single_label(labels, outputs, 0 * weights)) == {}
