"""Figures against scikit-learn, weighed and not, and against themselves."""

import numpy as np
import pytest
from metrics.metrics_toys import (
    fractions,
    identities,
    multi,
    number,
    single,
    steps,
)
from sklearn import metrics as sk

from mmkeras.metrics import (
    Figures,
    means,
    multi_label,
    ordered_classes,
    recall_within,
    regression,
    single_label,
    step_classes,
)

EVERY = {
    "single": (single_label, single),
    "multi": (multi_label, multi),
    "ordered": (ordered_classes, single),
    "steps": (step_classes, steps),
    "number": (regression, number),
    "retrieval": (recall_within, identities),
}


def kept(weights, *arrays):
    """The samples that weigh something, and their weights."""
    rows = weights > 0
    return [np.asarray(a)[rows] for a in (*arrays, weights)]


def macro(truth, answer, weights, **options):
    names = ("macro_precision", "macro_recall", "macro_f1")
    found = sk.precision_recall_fscore_support(
        truth, answer, average="macro", zero_division=0,
        sample_weight=weights, **options,
    )  # fmt: skip
    return dict(zip(names, found, strict=False))


def test_one_class_weighs_as_scikit_learn():
    labels, outputs = single()
    weights = fractions(len(labels))
    found = single_label(labels, outputs, weights).values()
    truth, outputs, weights = kept(weights, labels, outputs)
    answer = outputs.argmax(axis=1)
    areas = [
        sk.roc_auc_score(truth == c, outputs[:, c], sample_weight=weights)
        for c in range(4)
    ]
    assert found == pytest.approx(
        {
            "accuracy": sk.accuracy_score(truth, answer, sample_weight=weights),
            "balanced_accuracy": sk.balanced_accuracy_score(
                truth, answer, sample_weight=weights
            ),
            **macro(truth, answer, weights),
            "roc_auc": np.mean(areas),
        }
    )


def test_any_classes_weigh_as_scikit_learn():
    labels, outputs = multi()
    weights = fractions(len(labels))
    found = multi_label(labels, outputs, weights).values()
    truth, outputs, weights = kept(weights, labels > 0.5, outputs)
    answer = outputs >= 0.5
    occurs = np.flatnonzero((truth | answer).any(axis=0))
    areas = [
        sk.roc_auc_score(truth[:, c], outputs[:, c], sample_weight=weights)
        for c in range(4)
        if truth[:, c].any()
    ]
    assert found == pytest.approx(
        {
            "subset_accuracy": sk.accuracy_score(
                truth, answer, sample_weight=weights
            ),
            **macro(truth, answer, weights, labels=occurs),
            "micro_f1": sk.f1_score(
                truth, answer, average="micro", sample_weight=weights
            ),
            "roc_auc": np.mean(areas),
        }
    )


def test_numbers_weigh_as_scikit_learn():
    labels, outputs = number()
    weights = fractions(len(labels))
    found = regression(labels, outputs, weights).values()
    truth, answer, weights = kept(weights, labels, outputs[:, 0])
    matrix = np.cov(truth, answer, aweights=weights)
    assert found == pytest.approx(
        {
            "mae": sk.mean_absolute_error(truth, answer, sample_weight=weights),
            "rmse": sk.root_mean_squared_error(
                truth, answer, sample_weight=weights
            ),
            "r2": sk.r2_score(truth, answer, sample_weight=weights),
            "correlation": matrix[0, 1] / np.sqrt(matrix[0, 0] * matrix[1, 1]),
        }
    )


def test_grades_weigh_as_scikit_learn():
    labels, outputs = single()
    weights = fractions(len(labels))
    found = ordered_classes(labels, outputs, weights).values()
    truth, outputs, weights = kept(weights, labels, outputs)
    # The median class is the nearest one on average.
    classes = np.arange(outputs.shape[1])
    away = np.abs(classes[:, None] - classes)
    answer = (outputs[:, None] * away).sum(axis=2).argmin(axis=1)
    assert found == pytest.approx(
        {
            "accuracy": sk.accuracy_score(truth, answer, sample_weight=weights),
            "mae": sk.mean_absolute_error(truth, answer, sample_weight=weights),
            "kappa": sk.cohen_kappa_score(
                truth, answer, weights="quadratic", sample_weight=weights
            ),
        }
    )


def test_steps_weigh_as_scikit_learn_each_on_its_own():
    labels, outputs = steps()
    weights = fractions(labels.shape)
    found = step_classes(labels, outputs, weights).values()
    truth, answer, weights = kept(weights, labels, outputs.argmax(axis=-1))
    assert found["accuracy"] == pytest.approx(
        sk.accuracy_score(truth, answer, sample_weight=weights)
    )
    assert found["macro_f1"] == pytest.approx(
        macro(truth, answer, weights)["macro_f1"]
    )


def test_a_change_weighs_what_the_lighter_of_its_steps_does():
    labels = np.array([[0, 0, 1, 1, 0, 0]])
    # The first change is found one step late, the second not at all.
    outputs = np.eye(2)[[[0, 0, 0, 1, 1, 1]]]
    weights = np.array([[1, 1, 0.5, 2, 0.25, 1]])
    found = step_classes(labels, outputs, weights).values()["change_f1"]
    # True: 0.5 and 0.25; found: 0.5. Matched: 0.5 on both sides.
    assert found == pytest.approx((0.5 + 0.5) / (0.5 + 0.25 + 0.5))


def test_recall_weighs_who_asks():
    labels, outputs = np.array([0, 0, 1, 1, 2]), np.eye(5)[[0, 0, 1, 2, 1]]
    found = recall_within(labels, outputs, np.array([1, 3, 0.5, 2, 9]))
    # The third finds the last first, the fourth is as near to all.
    assert found.values()["recall_at_1"] == pytest.approx(4 / 6.5)


@pytest.mark.parametrize("name", EVERY)
def test_a_weight_of_two_is_a_sample_twice_and_of_zero_none(name):
    measure, problem = EVERY[name]
    labels, outputs = problem()
    weights = np.random.default_rng(2).integers(0, 3, len(labels))
    if name == "retrieval":
        # A copy would find itself: weights of 0 and 2 are enough.
        weights = 2 * (weights > 0)
        rows = weights > 0
    else:
        rows = np.repeat(np.arange(len(labels)), weights)
    found = measure(labels, outputs, weights).values()
    again = measure(labels[rows], outputs[rows], None).values()
    assert found == pytest.approx(again)


@pytest.mark.parametrize("name", EVERY)
def test_counts_of_draws_are_the_samples_they_draw(name):
    measure, problem = EVERY[name]
    labels, outputs = problem()
    weights = fractions(len(labels))
    figures = measure(labels, outputs, weights)
    drawn = np.random.default_rng(3).integers(0, figures.samples, (5, 50))
    counts = np.array(
        [np.bincount(d, minlength=figures.samples) for d in drawn]
    )
    found = figures(counts)
    assert list(found) == list(figures.values())
    labels, outputs, weights = kept(weights, labels, outputs)
    for place, rows in enumerate(drawn if name != "retrieval" else ()):
        again = measure(labels[rows], outputs[rows], weights[rows]).values()
        for figure, value in again.items():
            assert found[figure][place] == pytest.approx(value), figure


@pytest.mark.parametrize("name", EVERY)
def test_one_figure_alone_is_the_same(name):
    measure, problem = EVERY[name]
    figures = measure(*problem())
    counts = np.random.default_rng(0).integers(0, 3, (4, figures.samples))
    every = figures(counts)
    for figure, values in every.items():
        found = figures.only(figure)(counts)
        assert list(found) == [figure]
        np.testing.assert_array_equal(found[figure], values)


@pytest.mark.parametrize("name", EVERY)
def test_without_a_label_there_is_no_figure(name):
    measure, problem = EVERY[name]
    labels, outputs = problem()
    figures = measure(labels, outputs, np.zeros(len(labels)))
    assert figures.samples == 0 and figures.values() == {}


@pytest.mark.parametrize("value", [0.1, 1e9 + 0.1])
def test_equal_labels_have_no_r2_and_equal_outputs_no_correlation(value):
    rising = np.arange(7.0)
    same = np.full(7, value)
    for weights in (None, fractions(7)):
        found = regression(same, rising, weights).values()
        assert np.isnan(found["r2"]) and np.isnan(found["correlation"])
        found = regression(rising, same, weights).values()
        assert np.isfinite(found["r2"]) and np.isnan(found["correlation"])


def test_f1_is_undefined_where_no_class_is_true_or_found():
    found = multi_label(np.zeros((3, 2)), np.full((3, 2), 0.2)).values()
    assert np.isnan(found["macro_f1"]) and found["subset_accuracy"] == 1


def test_figures_of_your_own_are_means():
    each = {"near": np.array([True, False]), "far": np.array([0.0, 4.0])}
    found = means(np.array([3.0, 1.0]), **each)
    assert found.values() == {"near": 0.75, "far": 1.0}
    assert isinstance(found, Figures)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: regression([0, 1], [[1.0]]), "a sample. Received: 2 and 1"),
        (
            lambda: single_label(*single()).only("r2"),
            "roc_auc. Received: 'r2'",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
