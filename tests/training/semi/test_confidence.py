"""Which outputs become pseudo-labels: thresholds and weights by hand."""

import numpy as np
import pytest

from mmkeras.heads import Category, Number, Sequence
from mmkeras.training.strategies.semi import (
    agreed_classes,
    balanced_weights,
    class_thresholds,
    confidences,
    confident_classes,
)

HEADS = {
    "color": Category(3),
    "size": Number(mean=0.0, std=1.0),
    "step": Sequence(classes=2, steps=4),
}


def answers(*rows):
    """One answer for each (class, probability), of three classes."""
    found = np.zeros((len(rows), 3))
    for row, (label, probability) in enumerate(rows):
        found[row] = (1 - probability) / 2
        found[row, label] = probability
    return found


def test_each_class_is_believed_from_its_own_threshold_on():
    p = answers((0, 0.8), (0, 0.7), (1, 0.7), (2, 0.95), (1, 0.55))
    limits = class_thresholds(p, [0.75, 0.6, 0.99], adaptive=False)
    assert limits.tolist() == [0.75, 0.6, 0.99]
    found, sure = confident_classes(p, np.ones(5, bool), limits)
    assert found.tolist() == [0, 0, 1, 2, 1]
    assert sure.tolist() == [True, False, True, False, False]


def test_what_is_no_candidate_is_not_believed():
    p = answers((0, 1.0), (1, 1.0))
    _, sure = confident_classes(p, np.array([False, True]), np.full(3, 0.5))
    assert sure.tolist() == [False, True]


def test_a_class_that_lags_has_a_lower_threshold():
    """Four sure answers for 0, two for 1, none for 2; one unsure."""
    p = answers(*[(0, 0.95)] * 4, *[(1, 0.95)] * 2, (2, 0.5))
    limits = class_thresholds(p, 0.9, adaptive=True)
    share = 2 / 4
    expected = [0.9, max(0.9 * share / (2 - share), 0.45), 0.45]
    np.testing.assert_allclose(limits, expected)


def test_few_sure_answers_lower_the_thresholds_of_all():
    """Two of eight are sure: no class is known well, the best one neither."""
    p = answers(*[(0, 0.95)] * 7, *[(1, 0.5)] * 8)
    share = 7 / 8
    limits = class_thresholds(p, 0.9, adaptive=True)
    assert limits[0] == pytest.approx(0.9 * share / (2 - share))


def test_no_answers_leave_the_thresholds_as_they_are():
    limits = class_thresholds(np.zeros((0, 3)), 0.9, adaptive=True)
    assert limits.tolist() == [0.9] * 3


def test_a_class_that_floods_is_weighed_down_to_its_share():
    found = np.array([0] * 6 + [1] * 2 + [0])
    sure = np.array([True] * 8 + [False])
    weights = balanced_weights(found, sure, counts=np.array([5, 5]))
    # Half of eight are wanted of each; class 1 has but two.
    expected = [4 / 6] * 6 + [1] * 2 + [0]
    np.testing.assert_allclose(weights, expected)


def test_weights_of_steps_have_the_shape_of_steps():
    found = np.array([[0, 0], [0, 1]])
    weights = balanced_weights(found, found >= 0, np.array([1, 1]))
    np.testing.assert_allclose(weights, [[2 / 3, 2 / 3], [2 / 3, 1]])


def test_modalities_that_contradict_each_other_give_no_label():
    first = np.array([0, 1, 1, 2]), np.array([True, True, True, False])
    second = np.array([0, 2, 2, 1]), np.array([True, True, False, False])
    found, sure = agreed_classes([first, second])
    assert sure.tolist() == [True, False, True, False]
    assert found[[0, 2]].tolist() == [0, 1]
    found, sure = agreed_classes([second, first])
    assert sure.tolist() == [True, False, True, False] and found[2] == 1


def test_confidence_is_of_all_targets_or_of_some():
    found = confidences(0.9, HEADS)
    assert {name: v.tolist() for name, v in found.items()} == {
        "color": [0.9] * 3,
        "step": [0.9] * 2,
    }
    found = confidences({"color": [0.9, 0.8, 0.7]}, HEADS)
    assert found["color"].tolist() == [0.9, 0.8, 0.7] and len(found) == 1


@pytest.mark.parametrize(
    "confidence, message",
    [
        ({"size": 0.9}, "one class of several: color, step. Received: size"),
        ({}, "Received: none"),
        ({"color": [0.9, 0.8]}, "one for each of its 3 classes"),
        ({"color": 0.0}, "above 0 and at most 1"),
    ],
)
def test_a_confidence_that_cannot_be_is_refused(confidence, message):
    with pytest.raises(ValueError, match=message):
        confidences(confidence, HEADS)
