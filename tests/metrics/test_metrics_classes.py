"""Each class by itself, confusion and calibration."""

import numpy as np
import pytest
from metrics.metrics_toys import fractions, multi, single, steps
from sklearn import metrics as sk

from mmkeras.metrics import (
    any_classes,
    calibration_error,
    confusion,
    one_class,
    per_class,
    worst_class,
)


def unseen():
    """Class 4 is never true, but answered; class 3 is neither."""
    labels, outputs = single(classes=5)
    outputs[:, 3] = 0
    return labels % 3, outputs


PROBLEMS = {"single": single, "unseen": unseen, "multi": multi}


@pytest.mark.parametrize("weigh", [False, True])
@pytest.mark.parametrize("name", PROBLEMS)
def test_each_class_equals_scikit_learn(name, weigh):
    labels, outputs = PROBLEMS[name]()
    weights = fractions(len(labels)) if weigh else np.ones(len(labels))
    decide = any_classes if name == "multi" else one_class
    seen = decide(labels, outputs, weights)
    found = per_class(seen)
    by = {"sample_weight": weights[weights > 0]}
    for c in range(outputs.shape[1]):
        t, f, s = (a[:, c] for a in (seen.truth, seen.answer, outputs))
        s = s[weights > 0]
        want = {
            "support": t.sum(),
            "precision": sk.precision_score(t, f, **by) if f.any() else np.nan,
            "recall": sk.recall_score(t, f, **by) if t.any() else np.nan,
            "f1": sk.f1_score(t, f, **by) if (t | f).any() else np.nan,
            "roc_auc": sk.roc_auc_score(t, s, **by) if t.any() else np.nan,
        }
        got = {figure: values[c] for figure, values in found.items()}
        assert got == pytest.approx(want, nan_ok=True)


def test_the_confusion_of_steps_is_scikit_learns():
    labels, outputs = steps()
    weights = fractions(labels.shape)
    seen = one_class(labels, outputs, weights)
    known = weights > 0
    want = sk.confusion_matrix(labels[known], outputs.argmax(-1)[known])
    np.testing.assert_array_equal(confusion(seen), want)


def test_a_weight_a_sample_is_one_for_each_of_its_steps():
    labels, outputs = steps()
    weights = fractions(len(labels))
    per_step = np.repeat(weights[:, None], labels.shape[1], axis=1)
    one, other = (one_class(labels, outputs, w) for w in (weights, per_step))
    np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_array_equal(one.truth, other.truth)


def test_calibration_is_the_gap_between_confidence_and_accuracy():
    outputs = np.tile([0.8, 0.2], (10, 1))
    honest = np.array([0] * 8 + [1] * 2)
    assert calibration_error(one_class(honest, outputs)) == pytest.approx(0)
    boastful = calibration_error(one_class(1 - honest, outputs))
    assert boastful == pytest.approx(0.6)
    # Weights shift the share of right answers.
    weights = np.array([1.0] * 8 + [4.0] * 2)
    weighed = calibration_error(one_class(honest, outputs, weights))
    assert weighed == pytest.approx(0.3)
    sure = any_classes(np.eye(2), np.array([[0.9, 0.1], [0.1, 0.9]]))
    assert calibration_error(sure) == pytest.approx(0.1)
    assert calibration_error(one_class(honest, outputs, 0 * weights)) is None


def test_the_worst_class_is_the_one_that_lost_most():
    labels = np.array([0, 0, 1, 1, 2, 2])
    before = one_class(labels, np.eye(3)[labels])
    after = one_class(labels, np.eye(3)[[0, 0, 1, 2, 0, 0]])
    assert worst_class(("a", "b", "c"), before, after) == {
        "class": "c", "before": 1.0, "after": 0.0, "drop": 1.0,
    }  # fmt: skip
    nothing = any_classes(np.zeros((2, 1)), np.zeros((2, 1)))
    assert worst_class(("a",), nothing, nothing) is None
