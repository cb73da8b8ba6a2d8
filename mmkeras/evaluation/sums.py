"""Metrics of ordinals, sequences and embeddings, made of sums over samples.

Each sample gives a row of numbers, and each metric is a formula of the sums
of the rows. One formula so serves the figure itself and, with how often each
sample was drawn, every resample of the bootstrap.
"""

import numpy as np

from mmkeras.evaluation.decisions import per_step
from mmkeras.evaluation.resample import CHUNK

# A change found so many steps away from a true one is right.
TOLERANCE_STEPS = 1
RANKS = (1, 5, 10)
Rows = dict[str, np.ndarray]


def rows_of(
    kind: str, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
) -> Rows:
    """Returns what each sample adds, `(samples,)` or `(samples, classes)`.

    Args:
        kind: "ordinal", "sequence" or "embedding".
        labels: As in a batch.
        outputs: Of the model.
        weights: As in a batch; what has weight 0 adds nothing.
    """
    return _ROWS[kind](labels, outputs, per_step(labels, weights) > 0)


def figures(kind: str, sums: Rows) -> dict[str, np.ndarray]:
    """Returns each metric of sums over samples, NaN where undefined.

    Args:
        kind: "ordinal", "sequence" or "embedding".
        sums: Of the rows: `(resamples,)` or `(resamples, classes)`.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return _FIGURES[kind](sums)


def _ordinal_rows(labels, outputs, known):
    labels, found = labels.astype(float), outputs.argmax(axis=-1).astype(float)
    rows = {
        "samples": np.ones(len(labels)),
        "right": labels == found,
        "away": np.abs(labels - found),
        "away_squared": (labels - found) ** 2,
        "label": labels,
        "label_squared": labels**2,
        "answer": found,
        "answer_squared": found**2,
    }
    return {name: row * known for name, row in rows.items()}


def _ordinal_figures(sums):
    mean = {name: value / sums["samples"] for name, value in sums.items()}
    label, answer = mean["label"], mean["answer"]
    # What the squared distance would be if answers and labels were drawn
    # independently, each with its own frequencies.
    chance = mean["label_squared"] + mean["answer_squared"] - 2 * label * answer
    return {
        "accuracy": mean["right"],
        "mae": mean["away"],
        "kappa": np.where(
            chance > 1e-12, 1 - mean["away_squared"] / chance, np.nan
        ),
    }


def _sequence_rows(labels, outputs, known):
    found, classes = outputs.argmax(axis=-1), outputs.shape[-1]
    truth = np.eye(classes)[labels] * known[..., None]
    answer = np.eye(classes)[found] * known[..., None]
    matched, total = zip(
        *(_changes(labels[i], found[i], known[i]) for i in range(len(labels))),
        strict=True,
    )
    return {
        "steps": known.sum(axis=1).astype(float),
        "right": ((labels == found) & known).sum(axis=1).astype(float),
        "truth": truth.sum(axis=1),
        "answer": answer.sum(axis=1),
        "both": (truth * answer).sum(axis=1),
        "changes_matched": np.array(matched, float),
        "changes": np.array(total, float),
    }


def _changes(labels, found, known) -> tuple[int, int]:
    """Returns changes matched one to one, and true and found ones together."""
    both = known[1:] & known[:-1]
    true = np.flatnonzero((labels[1:] != labels[:-1]) & both)
    said = np.flatnonzero((found[1:] != found[:-1]) & both)
    matched = i = j = 0
    while i < len(true) and j < len(said):
        away = true[i] - said[j]
        matched += abs(away) <= TOLERANCE_STEPS
        i, j = (
            i + (away <= TOLERANCE_STEPS),
            j + (away >= -TOLERANCE_STEPS),
        )
    return int(matched), len(true) + len(said)


def _sequence_figures(sums):
    either = sums["truth"] + sums["answer"]
    f1 = np.where(either > 0, 2 * sums["both"] / either, 0)
    return {
        "accuracy": sums["right"] / sums["steps"],
        "macro_f1": f1.sum(axis=-1) / (either > 0).sum(axis=-1),
        "change_f1": 2 * sums["changes_matched"] / sums["changes"],
    }


def before_match(near: np.ndarray, match: np.ndarray) -> np.ndarray:
    """Returns who is no match and stands before the nearest one.

    Whoever is as near stands before: a constant finds nothing. Neither does
    NaN, which stands before nothing that is found.

    Args:
        near: `(queries, items)`, how near each item is.
        match: `(queries, items)`, whether it is what is looked for.
    """
    best = np.where(match, near, -np.inf).max(
        axis=1, keepdims=True, initial=-np.inf
    )
    return ~match & ((near >= best) | np.isnan(best))


def _embedding_rows(labels, outputs, known):
    samples = len(labels)
    ranks, asked = np.zeros(samples), np.zeros(samples, bool)
    step = max(1, CHUNK // samples)
    for start in range(0, samples, step):
        rows = np.arange(start, min(start + step, samples))
        near = outputs[rows].astype(float) @ outputs.T
        other = known & (rows[:, None] != np.arange(samples))
        match = other & (labels[rows, None] == labels)
        ranks[rows] = (other & before_match(near, match)).sum(axis=1)
        asked[rows] = known[rows] & match.any(axis=1)
    found = {f"within_{k}": (ranks < k) & asked for k in RANKS}
    return {"asked": asked, **found}


def _embedding_figures(sums):
    return {
        f"recall_at_{k}": sums[f"within_{k}"] / sums["asked"] for k in RANKS
    }


_ROWS = {
    "ordinal": _ordinal_rows,
    "sequence": _sequence_rows,
    "embedding": _embedding_rows,
}
_FIGURES = {
    "ordinal": _ordinal_figures,
    "sequence": _sequence_figures,
    "embedding": _embedding_figures,
}
