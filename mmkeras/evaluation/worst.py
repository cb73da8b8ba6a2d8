"""Where a model fails: confusions, points, and the worst samples."""

from typing import Any

import numpy as np

from mmkeras.evaluation.measure import finite
from mmkeras.evaluation.predict import batches

# Points of a scatter plot; more would only blacken it.
MAX_POINTS = 1000


def confusion(
    kind: str, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
) -> list[list[int]]:
    """Returns counts, a row a true class, a column an answered one."""
    rows = weights > 0
    size = outputs.shape[1]
    pairs = labels[rows].astype(int) * size + outputs[rows].argmax(axis=1)
    counts = np.bincount(pairs, minlength=size * size)
    return counts.reshape(size, size).tolist()


def points(
    kind: str, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
) -> list[list[float]]:
    """Returns `[true, predicted]` of the samples, evenly thinned."""
    rows = np.flatnonzero(weights > 0)
    if len(rows) > MAX_POINTS:
        rows = rows[np.linspace(0, len(rows) - 1, MAX_POINTS).astype(int)]
    pairs = np.stack([labels[rows], outputs[rows, 0]], axis=1)
    return pairs.astype(float).tolist()


def worst_samples(
    kind: str,
    labels: np.ndarray,
    outputs: np.ndarray,
    weights: np.ndarray,
    classes: list[str],
    count: int = 8,
) -> list[dict[str, Any]]:
    """Returns the samples with the largest loss, the worst first.

    Args:
        kind: "category", "categories" or "number".
        labels: As in a batch.
        outputs: Of the model.
        weights: `(samples,)`; samples with weight 0 are left out.
        classes: Names of the classes.
        count: How many samples.

    Returns:
        `{"index", "error", "label", "answer", "probability"}` each: the place
        in the data set; cross-entropy or absolute error; what is true and
        what the model says; how sure it is of that.
    """
    rows = np.flatnonzero(weights > 0)
    errors = _errors(kind, labels[rows], outputs[rows])
    order = np.argsort(-errors, kind="stable")[:count]
    return [
        {
            "index": int(rows[i]),
            "error": finite(errors[i]),
            **_answer(kind, labels[rows[i]], outputs[rows[i]], classes),
        }
        for i in order
    ]


def _errors(kind, labels, outputs):
    if kind == "number":
        return np.abs(outputs[:, 0] - labels)
    likely = np.clip(outputs.astype(float), 1e-7, 1 - 1e-7)
    if kind == "category":
        return -np.log(likely[np.arange(len(labels)), labels.astype(int)])
    true = labels > 0.5
    return -np.log(np.where(true, likely, 1 - likely)).mean(axis=1)


def _answer(kind, label, output, classes):
    if kind == "number":
        return {
            "label": float(label),
            "answer": float(output[0]),
            "probability": None,
        }
    if kind == "category":
        best = int(output.argmax())
        return {
            "label": classes[int(label)],
            "answer": classes[best],
            "probability": float(output[best]),
        }
    return {
        "label": [c for c, v in zip(classes, label, strict=True) if v > 0.5],
        "answer": [c for c, v in zip(classes, output, strict=True) if v >= 0.5],
        "probability": None,
    }


def gather(dataset: Any, indices: set[int]) -> dict[int, dict[str, Any]]:
    """Returns the inputs `{modality: x}` of some samples, by place."""
    found, start = {}, 0
    for x, y, _ in batches(dataset):
        size = len(next(iter(y.values())))
        for index in indices:
            if start <= index < start + size:
                found[index] = {n: x[n][index - start] for n in x}
        start += size
        if len(found) == len(indices):
            break
    return found
