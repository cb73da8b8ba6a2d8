"""Intervals, calibration and classes, against plain loops and scikit-learn."""

import numpy as np
import pytest

from mmkeras.export.scores import METRIC, score
from mmkeras.export.statistics import (
    Bootstrap,
    by_class,
    calibration_error,
    drop_interval,
    worst_class,
)


def problem(kind, count=300, seed=0):
    """Labels, weights, and the outputs of a model and of a worse copy."""
    rng = np.random.default_rng(seed)
    weight = (rng.random(count) < 0.9) * rng.uniform(0.5, 2, count)
    if kind == "number":
        labels = rng.normal(5, 2, count)
        before = labels[:, None] + rng.normal(0, 0.5, (count, 1))
        return labels, weight, before, before + rng.normal(0, 1, (count, 1))
    labels = rng.integers(0, 3, count)
    truth = np.eye(3)[labels]
    noise = [rng.uniform(0, size, (count, 3)) for size in (1.2, 2.0)]
    before, after = ((truth + n) / (truth + n).sum(1)[:, None] for n in noise)
    if kind == "categories":
        return truth, weight, before, after
    if kind == "sequence":
        shape = (count // 3, 3)
        likely = [part.reshape(*shape, 3) for part in (before, after)]
        return labels.reshape(shape), weight.reshape(shape), *likely
    return labels, weight, before, after


# A resampled embedding would find its own copy; see test_kinds_measured.py.
@pytest.mark.parametrize("kind", sorted(set(METRIC) - {"embedding"}))
def test_the_interval_is_that_of_a_plain_loop(kind):
    labels, weight, before, after = problem(kind)
    draws = Bootstrap(len(labels), resamples=200, seed=3)
    drops = []
    for counts in draws.counts:
        rows = np.repeat(np.arange(len(labels)), counts)
        scores = [
            score(kind, labels[rows], weight[rows], output[rows])
            for output in (before, after)
        ]
        drops.append(scores[0][METRIC[kind]] - scores[1][METRIC[kind]])
    found = drop_interval(draws, kind, labels, weight, before, after)
    assert found == pytest.approx(np.percentile(drops, [2.5, 97.5]), abs=1e-9)
    assert found[0] < found[1]


def test_the_interval_covers_the_true_drop():
    # Right with 0.8 before and 0.7 after, on the same samples as a rule.
    inside, rng = 0, np.random.default_rng(0)
    for seed in range(100):
        luck = rng.random(400)
        before, after = np.zeros((2, 400, 2))
        before[luck < 0.8, 1] = after[luck < 0.7, 1] = 1
        before[luck >= 0.8, 0] = after[luck >= 0.7, 0] = 1
        low, high = drop_interval(
            Bootstrap(400, 300, seed), "category", np.ones(400, int),
            np.ones(400), before, after,
        )  # fmt: skip
        inside += low <= 0.1 <= high
    assert 88 <= inside <= 100


def test_the_same_answers_have_no_drop_and_no_spread():
    labels, weight, before, _ = problem("category")
    draws = Bootstrap(len(labels))
    found = drop_interval(draws, "category", labels, weight, before, before)
    assert draws.counts.shape == (1000, 300) and found == (0, 0)
    assert (draws.counts.sum(axis=1) == 300).all()
    assert (Bootstrap(300).counts == draws.counts).all()


def test_what_has_no_label_has_no_interval():
    labels, weight, before, after = problem("number")
    draws = Bootstrap(len(labels), 10)
    found = drop_interval(draws, "number", labels, weight * 0, before, after)
    assert found is None
    assert calibration_error("category", labels, weight * 0, before) is None


def test_calibration_error_by_hand():
    # Two bins: sure of 0.9 and right in 1 of 2, sure of 0.6 and always right.
    output = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    labels, weight = np.array([0, 1, 1, 1]), np.ones(4)
    expected = (2 * abs(0.9 - 0.5) + 2 * abs(0.6 - 1)) / 4
    found = calibration_error("category", labels, weight, output)
    assert found == pytest.approx(expected)
    # A weight of 0 takes the sample away; the first bin then is all right.
    weight[1] = 0
    found = calibration_error("category", labels, weight, output)
    assert found == pytest.approx((0.1 + 2 * 0.4) / 3)


def test_calibration_error_of_categories_looks_at_every_class():
    output = np.array([[0.8, 0.3], [0.8, 0.3]])
    truth = np.array([[1.0, 0], [0, 0]])
    # 0.8: right in one of two; 0.7 that it is not: always right.
    expected = (abs(2 * 0.8 - 1) + abs(2 * 0.7 - 2)) / 4
    found = calibration_error("categories", truth, np.ones(2), output)
    assert found == pytest.approx(expected)
    assert calibration_error("number", truth, np.ones(2), output) is None


def test_classes_equal_a_reference():
    from sklearn import metrics

    labels, weight, before, _ = problem("category")
    expected = metrics.recall_score(
        labels, before.argmax(1), sample_weight=weight, average=None
    )
    found = by_class("category", labels, weight, before)
    assert found == pytest.approx(expected)
    truth, weight, before, _ = problem("categories")
    expected = metrics.f1_score(
        truth, before >= 0.5, sample_weight=weight, average=None
    )
    found = by_class("categories", truth, weight, before)
    assert found == pytest.approx(expected)
    assert by_class("number", labels, weight, before) is None


def test_the_class_that_lost_most_is_named():
    before, after = np.array([0.9, np.nan, 0.8]), np.array([0.8, np.nan, 0.3])
    assert worst_class(("a", "b", "c"), before, after) == {
        "class": "c", "keras": 0.8, "file": 0.3, "drop": 0.5,
    }  # fmt: skip
    assert worst_class(("b",), before[1:2], after[1:2]) is None
