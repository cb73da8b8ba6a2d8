"""How good predictions are: one metric a kind of target, weighted."""

import numpy as np

# The metric whose drop is limited, by kind of target.
METRIC = {"category": "accuracy", "categories": "macro_f1", "number": "r2"}


def score(
    kind: str, labels: np.ndarray, weight: np.ndarray, output: np.ndarray
) -> dict[str, float]:
    """Returns the metrics of one target; empty where nothing is labelled.

    Args:
        kind: "category", "categories" or "number".
        labels: As in a batch.
        weight: Weight of each sample; 0 where the label is missing.
        output: The model's output, `(samples, size)`.
    """
    rows = weight > 0
    if not rows.any():
        return {}
    labels, weight, output = labels[rows], weight[rows], output[rows]
    if kind == "category":
        hit = output.argmax(axis=1) == labels
        return {"accuracy": float(np.average(hit, weights=weight))}
    if kind == "categories":
        return {"macro_f1": _macro_f1(labels > 0.5, output >= 0.5, weight)}
    error = output[:, 0].astype("float64") - labels
    centre = np.average(labels, weights=weight)
    variance = np.average((labels - centre) ** 2, weights=weight)
    squared = np.average(error**2, weights=weight)
    found = {"mae": float(np.average(np.abs(error), weights=weight))}
    if variance > 0:
        found["r2"] = float(1 - squared / variance)
    return found


def agreement(kind: str, one: np.ndarray, other: np.ndarray) -> float | None:
    """Returns how often two outputs decide alike; None for a number."""
    if kind == "category":
        return float((one.argmax(axis=1) == other.argmax(axis=1)).mean())
    if kind == "categories":
        return float(((one >= 0.5) == (other >= 0.5)).mean())
    return None


def _macro_f1(truth, found, weight) -> float:
    """Mean F1 over the classes that occur, in truth or as an answer."""
    weight = weight[:, None]
    both = (weight * (truth & found)).sum(axis=0)
    either = (weight * truth).sum(axis=0) + (weight * found).sum(axis=0)
    known = either > 0
    return (
        float((2 * both[known] / either[known]).mean()) if any(known) else 1.0
    )
