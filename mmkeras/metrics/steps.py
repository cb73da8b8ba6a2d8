"""Figures of a class for each step of time, and of where it changes."""

import numpy as np

from mmkeras.metrics.classes import f1_of, per_step
from mmkeras.metrics.figures import (
    Figures,
    Sums,
    labelled,
    mean_where,
    of_sums,
)

# A change found so many steps away from a true one is right.
TOLERANCE_STEPS = 1


def step_classes(
    labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray | None = None
) -> Figures:
    """Returns accuracy and macro F1 of the steps, and F1 of the changes.

    A change is a step whose class is not that of the step before, both of
    them known. It is found where the predictions change at most one step away,
    and weighs what the lighter of its two steps does.

    Args:
        labels: `(samples, steps)` class indices.
        outputs: `(samples, steps, classes)` probabilities.
        weights: `(samples, steps)`, or `(samples,)`; 0 is left out.
    """
    labels, outputs, weights = labelled(labels, outputs, weights)
    labels, weights = labels.astype(int), per_step(labels, weights)
    answer, one_of = outputs.argmax(axis=-1), np.eye(outputs.shape[-1])
    truth = one_of[labels] * weights[..., None]
    found = [
        _changes(*each) for each in zip(labels, answer, weights, strict=True)
    ]
    matched, changes = np.array(found, "float64").reshape(-1, 2).T
    rows = {
        "weight": weights.sum(axis=1),
        "right": (weights * (labels == answer)).sum(axis=1),
        "hits": (truth * one_of[answer]).sum(axis=1),
        "true": truth.sum(axis=1),
        "answered": (one_of[answer] * weights[..., None]).sum(axis=1),
        "changes_matched": matched,
        "changes": changes,
    }
    names = ("accuracy", "macro_f1", "change_f1")
    return Figures(len(labels), {names: of_sums(rows, _of_sums)})


def _of_sums(sums: Sums) -> dict[str, np.ndarray]:
    occurs = sums["true"] + sums["answered"] > 0
    return {
        "accuracy": sums["right"] / sums["weight"],
        "macro_f1": mean_where(f1_of(sums), occurs),
        "change_f1": sums["changes_matched"] / sums["changes"],
    }


def _changes(labels, answer, weights) -> tuple[float, float]:
    """Returns the weight of changes matched one to one, and of all changes.

    True and found changes are counted together.
    """
    weight = np.minimum(weights[1:], weights[:-1])
    true = np.flatnonzero((labels[1:] != labels[:-1]) & (weight > 0))
    predicted = np.flatnonzero((answer[1:] != answer[:-1]) & (weight > 0))
    matched, i, j = 0.0, 0, 0
    while i < len(true) and j < len(predicted):
        away = true[i] - predicted[j]
        if abs(away) <= TOLERANCE_STEPS:
            matched += weight[true[i]] + weight[predicted[j]]
        i, j = (
            i + (away <= TOLERANCE_STEPS),
            j + (away >= -TOLERANCE_STEPS),
        )
    return matched, weight[true].sum() + weight[predicted].sum()
