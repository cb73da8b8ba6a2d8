"""How sure a drop is, and calibration, against plain loops and by hand."""

import numpy as np
import pytest
from target_toys import CLASSES, KEYS, boxes, problem, target_of

from mmkeras.metrics import (
    any_classes,
    calibration_error,
    draws,
    drop_spans,
    one_class,
    single_label,
    worst_class,
)


def pair(kind, count=300, seed=0):
    """Labels, weights, and the outputs of a model and of a worse copy."""
    rng = np.random.default_rng(seed)
    weight = (rng.random(count) < 0.9) * rng.uniform(0.5, 2, count)
    if kind == "number":
        labels = rng.normal(5, 2, count)
        before = labels[:, None] + rng.normal(0, 0.5, (count, 1))
        return labels, weight, before, before + rng.normal(0, 1, (count, 1))
    if kind == "forecast":
        labels, before, weight = problem(kind, count)
        after = before + rng.normal(0, 1, (*labels.shape, 1))
        return labels, weight, before, after
    if kind == "text":
        labels, before, weight = problem(kind, count)
        # Some of the answers are those of others.
        after = np.where(rng.random((count, 1, 1)) < 0.3, before[::-1], before)
        return labels, weight, before, after
    if kind == "transcript":
        labels, before, _ = problem(kind, 30, seed)
        after = before + rng.gumbel(size=before.shape)
        return labels, weight[:30], before, after
    if kind == "tags":
        labels, before, weight = problem(kind, 40, seed)
        return labels, weight, before, before + rng.random(before.shape)
    if kind == "boxes":
        labels, before, _ = boxes(40, rng)
        after = before + rng.uniform(-0.1, 0.1, before.shape)
        return labels, weight[:40], before, after
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
@pytest.mark.parametrize("kind", sorted(set(KEYS) - {"embedding"}))
def test_the_interval_is_that_of_a_plain_loop(kind):
    target = target_of(kind)
    labels, weight, before, after = pair(kind)
    known = np.flatnonzero(weight.reshape(len(weight), -1).any(axis=1))
    drops = []
    for counts in np.concatenate(list(draws(len(known), 200, seed=3))):
        rows = np.repeat(known, counts.astype(int))
        first, second = (
            target.figures(labels[rows], output[rows], weight[rows]).values()
            for output in (before, after)
        )
        drops.append(first[target.guard] - second[target.guard])
    one, other = (target.figures(labels, o, weight) for o in (before, after))
    found = drop_spans(one, {0: other}, target.guard, 200, seed=3)[0]
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
        one, other = (
            single_label(np.ones(400, int), output)
            for output in (before, after)
        )
        low, high = drop_spans(one, {0: other}, "accuracy", 300, seed)[0]
        inside += low <= 0.1 <= high
    assert 88 <= inside <= 100


def test_calibration_error_by_hand():
    # Two bins: sure of 0.9 and right in 1 of 2, sure of 0.6 and always right.
    output = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    labels, weight = np.array([0, 1, 1, 1]), np.ones(4)
    expected = (2 * abs(0.9 - 0.5) + 2 * abs(0.6 - 1)) / 4
    found = calibration_error(one_class(labels, output, weight))
    assert found == pytest.approx(expected)
    # A weight of 0 takes the sample away; the first bin then is all right.
    weight[1] = 0
    found = calibration_error(one_class(labels, output, weight))
    assert found == pytest.approx((0.1 + 2 * 0.4) / 3)


def test_calibration_error_of_categories_looks_at_every_class():
    output = np.array([[0.8, 0.3], [0.8, 0.3]])
    truth = np.array([[1.0, 0], [0, 0]])
    # 0.8: right in one of two; 0.7 that it is not: always right.
    expected = (abs(2 * 0.8 - 1) + abs(2 * 0.7 - 2)) / 4
    found = calibration_error(any_classes(truth, output))
    assert found == pytest.approx(expected)
    assert target_of("number").decisions(truth, output) is None


def test_a_class_that_does_not_occur_is_not_the_worst():
    # "mid" is never true: its recall is undefined.
    labels = np.array([0, 0, 2, 2])
    before = one_class(labels, np.eye(3)[labels])
    after = one_class(labels, np.eye(3)[[0, 0, 1, 0]])
    found = worst_class(CLASSES, before, after)
    assert found["class"] == "high" and found["drop"] == 1.0


def test_how_often_two_outputs_decide_alike():
    one = np.array([[0.9, 0.1], [0.2, 0.8]])
    other = np.array([[0.6, 0.4], [0.7, 0.3]])
    assert target_of("category").agreement(one, other) == 0.5
    assert target_of("categories").agreement(one, other) == 0.5
    for kind in ("category", "categories"):
        target = target_of(kind)
        assert target.agreement(one, other, np.array([3, 1])) == 0.75
        assert target.agreement(one, other, np.zeros(2)) == 0.5
    assert target_of("number").agreement(one, other) is None


def test_steps_of_padding_decide_nothing():
    one = np.eye(2)[[[0, 0, 1, 1], [0, 1, 1, 1]]]
    other = np.eye(2)[[[0, 0, 0, 0], [0, 1, 1, 1]]]
    target = target_of("sequence")
    assert target.agreement(one, other) == 0.75
    weights = np.array([[1, 1, 0, 0], [1, 1, 1, 0]])
    assert target.agreement(one, other, weights) == 1


def test_a_label_that_weighs_nothing_may_be_anything():
    labels, weight, before, _ = pair("number")
    target, known = target_of("number"), weight > 0
    wanted = target.figures(labels, before, weight).values()
    labels = np.where(known, labels, np.nan)
    assert target.figures(labels, before, weight).values() == wanted
