"""Figures of masks, by hand."""

import numpy as np
import pytest

from mmkeras.metrics import classes_of, measure, overlap

UNKNOWN = 255


def one_hot(classes, count):
    return np.eye(count)[classes]


def squares(*rows):
    """Masks of 4x4 with so many marked pixels, from the corner."""
    found = np.zeros((len(rows), 16), "uint8")
    for place, count in enumerate(rows):
        found[place, :count] = 1
    return found.reshape(-1, 4, 4)


def test_dice_and_iou_by_hand():
    labels = squares(4, 8, 0, 0)
    answers = squares(8, 8, 0, 4)[..., None].astype("float32")
    found = overlap(labels, answers).values()
    # 2*4/12, 1, 1 where neither marks anything, 0 where the answer alone does
    each = [8 / 12, 1, 1, 0]
    assert found["dice"] == pytest.approx(np.mean(each))
    assert found["iou"] == pytest.approx(np.mean([4 / 8, 1, 1, 0]))
    assert found["worst_dice"] == 0


def test_each_class_counts_in_the_samples_that_have_it():
    labels = np.zeros((2, 2, 2), "uint8")
    labels[0, 0, 0], labels[0, 0, 1] = 1, 2
    answers = labels.copy()
    answers[0, 0, 1] = 1  # 2 is taken for 1
    found = overlap(labels, one_hot(answers, 3), names=("a", "b")).values()
    assert found["dice_a"] == pytest.approx(2 / 3)
    assert found["dice_b"] == 0
    # The second sample has no class, and is right.
    assert found["dice"] == pytest.approx((1 / 3 + 1) / 2)


def test_unknown_pixels_count_nowhere():
    labels, answers = squares(4), squares(8)[..., None].astype("float32")
    labels.reshape(-1)[4:8] = UNKNOWN
    assert overlap(labels, answers).values()["dice"] == 1


def test_samples_weigh_and_without_a_label_are_left_out():
    labels, answers = squares(4, 4, 4), squares(4, 0, 0)[..., None]
    found = overlap(labels, answers.astype(float), np.array([3.0, 1, 0]))
    assert found.samples == 2
    assert found.values()["dice"] == pytest.approx(0.75)


def test_the_worst_of_a_resample_is_the_worst_that_is_drawn():
    labels, answers = squares(8, 8, 8), squares(8, 4, 2)[..., None] * 1.0
    figures = overlap(labels, answers)
    found = figures(np.array([[1, 1, 1], [2, 1, 0], [3, 0, 0]]))
    assert np.allclose(found["worst_dice"], [0.4, 8 / 12, 1])
    span = measure(figures, resamples=200, seed=0)["dice"]
    assert span["low"] < span["value"] < span["high"]


def test_classes_of_probabilities():
    assert classes_of(np.array([[0.4], [0.6]])).tolist() == [0, 1]
    assert classes_of(np.array([[0.2, 0.5, 0.3]])).tolist() == [1]
