"""The bootstrap: metrics of many resamples at once.

A resample is a row of counts, how often each sample was drawn; each metric is
then a few products of matrices instead of a thousand calls.
"""

from collections.abc import Callable

import numpy as np

from mmkeras.evaluation.decisions import decisions

# Counts held at once, 8 bytes each.
CHUNK = 4_000_000


def intervals(
    kind: str,
    labels: np.ndarray,
    outputs: np.ndarray,
    resamples: int,
    seed: int,
    confidence: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Returns the percentile interval of each metric, NaN where undefined.

    Args:
        kind: "category", "categories" or "number".
        labels: As `measure.labelled` returns them.
        outputs: As `measure.labelled` returns them.
        resamples: How many resamples are drawn.
        seed: Seed of the draws.
        confidence: Share of the resamples inside the interval.
    """
    return spans(
        lambda counts: resampled(kind, labels, outputs, counts),
        len(labels), resamples, seed, confidence,
    )  # fmt: skip


def spans(
    metrics: Callable[[np.ndarray], dict[str, np.ndarray]],
    samples: int,
    resamples: int,
    seed: int,
    confidence: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Returns the percentile interval of each metric, NaN where undefined.

    Args:
        metrics: From how often each sample was drawn, `(resamples, samples)`,
            to each metric, `(resamples,)`.
        samples: How many samples there are.
        resamples: How many resamples are drawn.
        seed: Seed of the draws.
        confidence: Share of the resamples inside the interval.
    """
    if resamples == 0:
        return {}
    draw, found = np.random.default_rng(seed), []
    step = max(1, CHUNK // samples)
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        counts = np.empty((rows, samples))
        for row in counts:
            drawn = draw.integers(0, samples, samples)
            row[:] = np.bincount(drawn, minlength=samples)
        found.append(metrics(counts))
    ends = 50 * (1 - confidence), 50 * (1 + confidence)
    return {
        name: _span(np.concatenate([part[name] for part in found]), ends)
        for name in found[0]
    }


def _span(values: np.ndarray, ends: tuple[float, float]):
    values = values[np.isfinite(values)]
    if not len(values):
        return np.nan, np.nan
    return tuple(np.percentile(values, ends))


def resampled(
    kind: str, labels: np.ndarray, outputs: np.ndarray, counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns every metric of every resample, `(resamples,)` each.

    Args:
        kind: "category", "categories" or "number".
        labels: As `measure.labelled` returns them.
        outputs: As `measure.labelled` returns them.
        counts: How often each sample was drawn, `(resamples, samples)`.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "number":
            return _numbers(labels, outputs, counts)
        return _classes(kind, labels, outputs, counts)


def _classes(kind, labels, outputs, counts):
    truth, found = decisions(kind, labels, outputs)
    hits = counts @ (truth & found)
    support, answers = counts @ truth, counts @ found
    known = support + answers > 0
    recall = np.where(support > 0, hits / support, 0)
    precision = np.where(answers > 0, hits / answers, 0)
    f1 = 2 * hits / (support + answers)
    right = counts @ (truth == found).all(axis=1) / counts.sum(axis=1)
    shared = {
        "macro_precision": _mean(precision, known),
        "macro_recall": _mean(recall, known),
        "macro_f1": _mean(f1, known),
        "roc_auc": _mean_auc(truth, outputs, counts),
    }
    if kind == "category":
        balanced = _mean(recall, support > 0)
        return {"accuracy": right, "balanced_accuracy": balanced, **shared}
    total = support.sum(axis=1) + answers.sum(axis=1)
    micro = np.where(total > 0, 2 * hits.sum(axis=1) / total, 0)
    return {"subset_accuracy": right, "micro_f1": micro, **shared}


def _numbers(labels, outputs, counts):
    samples = counts.sum(axis=1)
    # Centred first: sums of squares of large numbers lose their digits.
    labels, outputs = labels - labels.mean(), outputs - labels.mean()
    error = outputs - labels
    y, p = counts @ labels / samples, counts @ outputs / samples
    y_spread = counts @ labels**2 / samples - y**2
    p_spread = counts @ outputs**2 / samples - p**2
    together = counts @ (labels * outputs) / samples - y * p
    squared = counts @ error**2 / samples
    return {
        "mae": counts @ np.abs(error) / samples,
        "rmse": np.sqrt(squared),
        "r2": np.where(y_spread > 0, 1 - squared / y_spread, np.nan),
        "correlation": np.where(
            (y_spread > 0) & (p_spread > 0),
            together / np.sqrt(y_spread * p_spread),
            np.nan,
        ),
    }


def _mean(values, where):
    """Mean of each row over the columns where `where` holds."""
    return np.where(where, values, 0).sum(axis=1) / where.sum(axis=1)


def _mean_auc(truth, outputs, counts):
    """Mean ROC-AUC of each resample over the classes with both sides."""
    values = np.stack(
        [
            _auc(truth[:, index], outputs[:, index], counts)
            for index in range(truth.shape[1])
        ],
        axis=1,
    )
    return _mean(values, np.isfinite(values))


def _auc(truth, scores, counts):
    """Share of the pairs in order; pairs with one score count a half."""
    order = np.argsort(scores, kind="stable")
    scores = scores[order]
    starts = np.flatnonzero(np.r_[True, scores[1:] > scores[:-1]])
    counts = counts[:, order]
    positive = np.add.reduceat(counts * truth[order], starts, axis=1)
    negative = np.add.reduceat(counts * ~truth[order], starts, axis=1)
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    return (positive * below).sum(axis=1) / pairs
