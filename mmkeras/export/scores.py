"""How good predictions are: one metric a kind of target, weighted."""

import numpy as np

# The metric whose drop is limited, by kind of target.
METRIC = {
    "category": "accuracy",
    "categories": "macro_f1",
    "ordinal": "accuracy",
    "sequence": "accuracy",
    "number": "r2",
    "embedding": "recall_at_1",
}


# Kinds whose metric is a share of what each sample is asked.
SHARES = ("sequence", "embedding")


def score(
    kind: str, labels: np.ndarray, weight: np.ndarray, output: np.ndarray
) -> dict[str, float]:
    """Returns the metrics of one target; empty where nothing is labelled.

    Args:
        kind: A kind of target.
        labels: As in a batch.
        weight: Weight of each sample, or of each step; 0 where the label is
            missing.
        output: The model's output, `(samples, size)`, or `(samples, steps,
            classes)`.
    """
    if kind in SHARES:
        right, of = shares(kind, labels, weight, output)
        return {METRIC[kind]: float(right.sum() / of.sum())} if of.any() else {}
    rows = weight > 0
    if not rows.any():
        return {}
    labels, weight, output = labels[rows], weight[rows], output[rows]
    if kind in ("category", "ordinal"):
        away = np.abs(output.argmax(axis=1) - labels)
        found = {"accuracy": float(np.average(away == 0, weights=weight))}
        if kind == "ordinal":
            found["mae"] = float(np.average(away, weights=weight))
        return found
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


def shares(
    kind: str, labels: np.ndarray, weight: np.ndarray, output: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns what each sample got right, and of how much.

    Of a sequence these are steps; of an embedding, whether the nearest other
    sample has the same identity, asked where any other one has.
    """
    if kind == "sequence":
        weight = weight if weight.ndim == 2 else weight[:, None]
        right = weight * (output.argmax(axis=-1) == labels)
        return right.sum(axis=1), (weight + 0 * right).sum(axis=1)
    known = weight > 0
    found = nearest(output, known)
    counts = np.bincount(labels[known] + 1) if known.any() else np.zeros(1)
    asked = known & (counts[np.where(known, labels + 1, 0)] > 1)
    of = weight * asked
    return of * (labels[found] == labels), of


def nearest(output: np.ndarray, known: np.ndarray | bool = True) -> np.ndarray:
    """Returns the place of the nearest other sample among those known."""
    found = []
    for start in range(0, len(output), 512):
        near = output[start : start + 512].astype("float64") @ output.T
        near[:, ~np.broadcast_to(known, len(output))] = -np.inf
        rows = np.arange(len(near))
        near[rows, start + rows] = -np.inf
        found.append(near.argmax(axis=1))
    return np.concatenate(found)


def agreement(kind: str, one: np.ndarray, other: np.ndarray) -> float | None:
    """Returns how often two outputs decide alike; None for a number."""
    if kind in ("category", "ordinal", "sequence"):
        return float((one.argmax(axis=-1) == other.argmax(axis=-1)).mean())
    if kind == "embedding":
        return float((nearest(one) == nearest(other)).mean())
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
