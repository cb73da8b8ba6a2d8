"""Where a model fails: confusions, points, and the worst samples."""

from typing import Any

import numpy as np

from mmkeras.evaluation.decisions import per_step
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
        kind: The kind of target; of an embedding no sample is the worst.
        labels: As in a batch.
        outputs: Of the model.
        weights: As in a batch; samples with weight 0 are left out.
        classes: Names of the classes.
        count: How many samples.

    Returns:
        `{"index", "error", "label", "answer", "probability"}` each: the place
        in the data set; cross-entropy or absolute error; what is true and
        what the model says; how sure it is of that.
    """
    if kind == "embedding":
        return []
    rows = np.flatnonzero((weights > 0).reshape(len(weights), -1).any(axis=1))
    errors = _errors(kind, labels[rows], outputs[rows], weights[rows])
    order = np.argsort(-errors, kind="stable")[:count]
    return [
        {
            "index": int(rows[i]),
            "error": finite(errors[i]),
            **_answer(kind, labels[rows[i]], outputs[rows[i]], classes),
        }
        for i in order
    ]


def _errors(kind, labels, outputs, weights):
    if kind == "number":
        return np.abs(outputs[:, 0] - labels)
    likely = np.clip(outputs.astype(float), 1e-7, 1 - 1e-7)
    if kind in ("category", "ordinal"):
        return -np.log(likely[np.arange(len(labels)), labels.astype(int)])
    if kind == "sequence":
        true = np.take_along_axis(likely, labels[..., None].astype(int), -1)
        known = per_step(labels, weights) > 0
        return -(np.log(true[..., 0]) * known).sum(axis=1) / known.sum(axis=1)
    true = labels > 0.5
    return -np.log(np.where(true, likely, 1 - likely)).mean(axis=1)


def _answer(kind, label, output, classes):
    if kind == "number":
        return {
            "label": float(label),
            "answer": float(output[0]),
            "probability": None,
        }
    if kind == "sequence":
        return {
            "label": _runs(label.astype(int), classes),
            "answer": _runs(output.argmax(axis=-1), classes),
            "probability": None,
        }
    if kind in ("category", "ordinal"):
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


def _runs(steps: np.ndarray, classes: list[str]) -> list[str]:
    """Returns what stays the same for how many steps: "walk × 12"."""
    starts = np.flatnonzero(np.r_[True, steps[1:] != steps[:-1]])
    lengths = np.diff(np.r_[starts, len(steps)])
    return [
        f"{classes[steps[start]]} × {length}"
        for start, length in zip(starts, lengths, strict=True)
    ]


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
