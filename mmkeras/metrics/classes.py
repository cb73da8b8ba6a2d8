"""Figures of classes: one of several, or any number at once.

The reference is scikit-learn's, with `sample_weight`.
"""

from dataclasses import dataclass

import numpy as np

from mmkeras.metrics.figures import (
    Figures,
    Part,
    Sums,
    has_label,
    labelled,
    mean_where,
    means,
    of_sums,
)
from mmkeras.metrics.roc import mean_roc_auc, roc_auc

# From this probability on, one of any number of classes is predicted.
THRESHOLD = 0.5
MACRO = ("macro_precision", "macro_recall", "macro_f1")


@dataclass(frozen=True)
class Decisions:
    """Labels and predictions, class by class.

    Args:
        truth: `(decisions, classes)`, whether a class is true.
        answer: `(decisions, classes)`, whether it is predicted.
        probabilities: `(decisions, classes)`.
        weights: `(decisions,)`, all above 0.
        exclusive: Whether one class of several is true, and one predicted.
    """

    truth: np.ndarray
    answer: np.ndarray
    probabilities: np.ndarray
    weights: np.ndarray
    exclusive: bool

    @property
    def right(self) -> np.ndarray:
        """Which decisions are right in every class, `(decisions,)`."""
        return (self.truth == self.answer).all(axis=1)


def one_class(
    labels: np.ndarray,
    outputs: np.ndarray,
    weights: np.ndarray | None = None,
    answers: np.ndarray | None = None,
) -> Decisions:
    """Returns the decisions for one class of several.

    Args:
        labels: `(samples,)` class indices, or `(samples, steps)`: each step
            is then a decision.
        outputs: `(samples, classes)` or `(samples, steps, classes)`
            probabilities; the largest one is the prediction.
        weights: As the labels, or `(samples,)`; 0 is left out.
        answers: The predictions, as the labels, where another rule decides.
    """
    labels, outputs = np.asarray(labels), np.asarray(outputs)
    if answers is None:
        answers = outputs.argmax(axis=-1)
    if weights is not None:
        weights = per_step(labels, np.asarray(weights)).reshape(-1)
    labels, answers = labels.reshape(-1), np.asarray(answers).reshape(-1)
    outputs = outputs.reshape(-1, outputs.shape[-1])
    if weights is not None:
        answers = answers[has_label(weights)]
    labels, outputs, weights = labelled(labels, outputs, weights)
    one_of = np.eye(outputs.shape[-1], dtype=bool)
    return Decisions(
        one_of[labels.astype(int)], one_of[answers],
        outputs.astype("float64"), weights, exclusive=True,
    )  # fmt: skip


def any_classes(
    labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray | None = None
) -> Decisions:
    """Returns the decisions for any number of classes.

    Args:
        labels: `(samples, classes)` of 0 and 1.
        outputs: `(samples, classes)` probabilities; those from 0.5 on are
            predicted.
        weights: `(samples,)`; 0 is left out.
    """
    labels, outputs, weights = labelled(labels, outputs, weights)
    return Decisions(
        labels > 0.5, outputs >= THRESHOLD, outputs.astype("float64"),
        weights, exclusive=False,
    )  # fmt: skip


def per_step(labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns a weight a label, also where a sample's is given once."""
    if weights.ndim == labels.ndim:
        return weights
    return np.repeat(weights[:, None], labels.shape[1], axis=1)


def single_label(
    labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray | None = None
) -> Figures:
    """Returns the figures of one class of several.

    Accuracy; balanced accuracy, over the classes that are true; precision,
    recall and F1 over the classes that occur, as a label or as a prediction;
    and one-vs-rest ROC-AUC, over the classes that have both sides.

    Args:
        labels: See `one_class`.
        outputs: See `one_class`.
        weights: See `one_class`.

    Example:

    >>> labels, outputs = np.array([0, 1, 1]), np.eye(2)[[0, 1, 0]]
    >>> single_label(labels, outputs).values()["accuracy"]
    0.666...
    """
    seen = one_class(labels, outputs, weights)
    accuracy = means(seen.weights, accuracy=seen.right)
    names = ("balanced_accuracy", *MACRO)
    parts = {names: _averages(seen), ("roc_auc",): mean_roc_auc(*_ranked(seen))}
    return Figures(accuracy.samples, {**accuracy.parts, **parts})


def multi_label(
    labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray | None = None
) -> Figures:
    """Returns the figures of any number of classes at once.

    Subset accuracy: how often every class is right. Micro F1 is over all
    pairs of a sample and a class. The others are as in `single_label`.

    Args:
        labels: See `any_classes`.
        outputs: See `any_classes`.
        weights: See `any_classes`.
    """
    seen = any_classes(labels, outputs, weights)
    subset = means(seen.weights, subset_accuracy=seen.right)
    names = (*MACRO, "micro_f1")
    parts = {names: _averages(seen), ("roc_auc",): mean_roc_auc(*_ranked(seen))}
    return Figures(subset.samples, {**subset.parts, **parts})


def class_counts(seen: Decisions) -> dict[str, np.ndarray]:
    """Returns what each decision adds to the counts of each class."""
    weights = seen.weights[:, None]
    return {
        "hits": weights * (seen.truth & seen.answer),
        "true": weights * seen.truth,
        "answered": weights * seen.answer,
    }


def f1_of(sums: Sums) -> np.ndarray:
    """Returns the F1 of each class; NaN where it does not occur."""
    return 2 * sums["hits"] / (sums["true"] + sums["answered"])


def _averages(seen: Decisions) -> Part:
    """Returns means over the classes; undefined where none occurs."""
    return of_sums(class_counts(seen), _averages_of)


def _averages_of(sums: Sums) -> dict[str, np.ndarray]:
    hits, true, answered = (sums[n] for n in ("hits", "true", "answered"))
    occurs = true + answered > 0
    recall = np.where(true > 0, hits / true, 0)
    precision = np.where(answered > 0, hits / answered, 0)
    total = true.sum(axis=-1) + answered.sum(axis=-1)
    micro = np.where(total > 0, 2 * hits.sum(axis=-1) / total, 0)
    return {
        "balanced_accuracy": mean_where(recall, true > 0),
        "macro_precision": mean_where(precision, occurs),
        "macro_recall": mean_where(recall, occurs),
        "macro_f1": mean_where(f1_of(sums), occurs),
        "micro_f1": micro,
    }


def _ranked(seen: Decisions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return seen.truth, seen.probabilities, seen.weights


def per_class(seen: Decisions) -> dict[str, np.ndarray]:
    """Returns figures of each class, `(classes,)`; NaN where undefined.

    `support`, how many decisions it is true in; `precision`, `recall`, `f1`
    and `roc_auc`, weighted.
    """
    once = np.ones((1, len(seen.weights)))
    with np.errstate(divide="ignore", invalid="ignore"):
        area = roc_auc(*_ranked(seen))(once)[0]
    return {"support": seen.truth.sum(axis=0), **rates(seen), "roc_auc": area}


def rates(seen: Decisions) -> dict[str, np.ndarray]:
    """Returns `precision`, `recall` and `f1` of each class, `(classes,)`."""
    sums = {name: row.sum(axis=0) for name, row in class_counts(seen).items()}
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "precision": sums["hits"] / sums["answered"],
            "recall": sums["hits"] / sums["true"],
            "f1": f1_of(sums),
        }


def confusion(seen: Decisions) -> np.ndarray:
    """Returns how many decisions there are, a row a true class.

    Args:
        seen: Decisions for one class of several.

    Returns:
        `(classes, classes)`; a column a predicted class.
    """
    size = seen.truth.shape[1]
    pairs = seen.truth.argmax(axis=1) * size + seen.answer.argmax(axis=1)
    return np.bincount(pairs, minlength=size * size).reshape(size, size)
