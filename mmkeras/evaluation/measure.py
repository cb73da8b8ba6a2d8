"""Metrics with bootstrap intervals, one table a kind of target.

The figures themselves come from scikit-learn; the intervals from
`resample.py`, which counts a thousand resamples at once.
"""

import math
from typing import Any

import numpy as np
from sklearn import metrics as sk

from mmkeras.evaluation.decisions import decisions
from mmkeras.evaluation.resample import intervals, spans
from mmkeras.evaluation.sums import figures, rows_of

# The figure of each kind that is shown first.
HEADLINES = {
    "category": "accuracy",
    "categories": "macro_f1",
    "ordinal": "accuracy",
    "sequence": "accuracy",
    "number": "mae",
    "embedding": "recall_at_1",
}


# Those whose metrics are formulas of sums over samples.
SUMMED = ("ordinal", "sequence", "embedding")


def measure(
    kind: str,
    labels: np.ndarray,
    outputs: np.ndarray,
    weights: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, dict[str, float | None]]:
    """Returns each metric of one target with its 95 % interval.

    Args:
        kind: "category", "categories", "ordinal", "sequence", "number" or
            "embedding".
        labels: `(samples,)` class indices, `(samples, classes)` of 0 and 1,
            `(samples, steps)` class indices, `(samples,)` numbers or
            identities.
        outputs: `(samples, classes)` or `(samples, steps, classes)`
            probabilities, `(samples, 1)`, or `(samples, units)`.
        weights: `(samples,)`, or `(samples, steps)`; samples, or steps, with
            weight 0 are left out.
        resamples: Bootstrap resamples; 0 for no intervals.
        seed: Seed of the bootstrap.

    Returns:
        `{metric: {"value", "low", "high"}}`; None where a metric is not
        defined, such as ROC-AUC with one class only.

    Example:

    >>> labels, outputs = np.array([0, 1, 1]), np.eye(2)[[0, 1, 0]]
    >>> measure("category", labels, outputs)["accuracy"]["value"]
    0.666...
    """
    if kind in SUMMED:
        values, found = _summed(kind, labels, outputs, weights, resamples, seed)
    else:
        labels, outputs = labelled(kind, labels, outputs, weights)
        if len(labels) == 0:
            return {}
        values = _POINTS[kind](labels, outputs)
        found = intervals(kind, labels, outputs, resamples, seed)
    return {
        name: _with_span(value, found.get(name))
        for name, value in values.items()
    }


def _summed(kind, labels, outputs, weights, resamples, seed):
    """Returns values and intervals of a kind whose metrics are of sums."""
    labels, outputs = np.asarray(labels), np.asarray(outputs)
    weights = np.ones(labels.shape) if weights is None else np.asarray(weights)
    there = (weights > 0).reshape(len(labels), -1).any(axis=1)
    if not there.any():
        return {}, {}
    rows = rows_of(kind, labels[there], outputs[there], weights[there])

    def metrics(counts):
        return figures(kind, {name: counts @ row for name, row in rows.items()})

    values = metrics(np.ones((1, int(there.sum()))))
    found = spans(metrics, int(there.sum()), resamples, seed)
    return {name: float(value[0]) for name, value in values.items()}, found


def _with_span(value: float, span: tuple | None) -> dict[str, float | None]:
    # What is not defined for the samples themselves has no interval either.
    if span is None or not math.isfinite(value):
        span = (math.nan, math.nan)
    return {
        "value": finite(value),
        "low": finite(span[0]),
        "high": finite(span[1]),
    }


def labelled(
    kind: str,
    labels: np.ndarray,
    outputs: np.ndarray,
    weights: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the labelled samples in the shapes that `measure` works with."""
    if kind not in HEADLINES:
        raise ValueError(
            f"`kind` must be one of {', '.join(HEADLINES)}. Received: {kind!r}"
        )
    labels, outputs = np.asarray(labels), np.asarray(outputs)
    if len(labels) != len(outputs):
        raise ValueError(
            "`labels` and `outputs` must have one entry a sample. Received: "
            f"{len(labels)} and {len(outputs)}"
        )
    if weights is not None:
        rows = np.asarray(weights) > 0
        labels, outputs = labels[rows], outputs[rows]
    if kind == "number":
        return labels.reshape(-1).astype(float), outputs.reshape(-1).astype(
            float
        )
    if kind == "category":
        return labels.reshape(-1).astype(int), outputs.astype(float)
    return labels > 0.5, outputs.astype(float)


def per_class(
    kind: str,
    labels: np.ndarray,
    outputs: np.ndarray,
    weights: np.ndarray | None,
    classes: list[str],
) -> list[dict[str, Any]]:
    """Returns precision, recall, F1, ROC-AUC and support of each class."""
    labels, outputs = labelled(kind, labels, outputs, weights)
    if len(labels) == 0:
        return []
    truth, found = decisions(kind, labels, outputs)
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        truth, found, zero_division=np.nan
    )
    return [
        {
            "class": name,
            "support": int(support[index]),
            "precision": finite(precision[index]),
            "recall": finite(recall[index]),
            "f1": finite(f1[index]),
            "roc_auc": finite(_auc(truth[:, index], outputs[:, index])),
        }
        for index, name in enumerate(classes)
    ]


def finite(value: float) -> float | None:
    """Returns a plain float, or None, which JSON can hold, for NaN."""
    return float(value) if math.isfinite(value) else None


def _of_category(labels: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
    truth, found = decisions("category", labels, outputs)
    recalls = sk.recall_score(truth, found, average=None, zero_division=0)
    return {
        "accuracy": sk.accuracy_score(labels, outputs.argmax(axis=1)),
        # scikit-learn's own warns where an answer is no class of the truth.
        "balanced_accuracy": recalls[truth.any(axis=0)].mean(),
        **_macro(truth, found),
        "roc_auc": _mean_auc(truth, outputs),
    }


def _of_categories(labels: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
    truth, found = decisions("categories", labels, outputs)
    return {
        "subset_accuracy": sk.accuracy_score(truth, found),
        **_macro(truth, found),
        "micro_f1": sk.f1_score(truth, found, average="micro", zero_division=0),
        "roc_auc": _mean_auc(truth, outputs),
    }


def _of_number(labels: np.ndarray, outputs: np.ndarray) -> dict[str, float]:
    varied = np.ptp(labels) > 0
    both = varied and np.ptp(outputs) > 0
    return {
        "mae": sk.mean_absolute_error(labels, outputs),
        "rmse": sk.root_mean_squared_error(labels, outputs),
        "r2": sk.r2_score(labels, outputs) if varied else math.nan,
        "correlation": np.corrcoef(labels, outputs)[0, 1] if both else math.nan,
    }


_POINTS = {
    "category": _of_category,
    "categories": _of_categories,
    "number": _of_number,
}


def _macro(truth: np.ndarray, found: np.ndarray) -> dict[str, float]:
    """Means over the classes that occur, as a truth or as an answer."""
    known = np.flatnonzero(truth.any(axis=0) | found.any(axis=0))
    if not len(known):
        return dict.fromkeys(_MACRO, math.nan)
    # Not the columns themselves: one alone would count as two classes.
    values = sk.precision_recall_fscore_support(
        truth, found, labels=known, zero_division=0
    )
    return {
        name: value.mean() for name, value in zip(_MACRO, values, strict=False)
    }


_MACRO = ("macro_precision", "macro_recall", "macro_f1")


def _mean_auc(truth: np.ndarray, outputs: np.ndarray) -> float:
    """Mean one-vs-rest ROC-AUC over the classes that have both sides."""
    values = [
        _auc(truth[:, index], outputs[:, index])
        for index in range(truth.shape[1])
    ]
    known = [value for value in values if math.isfinite(value)]
    return float(np.mean(known)) if known else math.nan


def _auc(truth: np.ndarray, scores: np.ndarray) -> float:
    if truth.all() or not truth.any():
        return math.nan
    return sk.roc_auc_score(truth, scores)
