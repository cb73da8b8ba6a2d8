"""How sure a drop is, and how honest the probabilities are."""

import numpy as np

from mmkeras.export.scores import METRIC, SHARES, shares

RESAMPLES = 1000
BINS = 15
WITHOUT_CLASSES = ("number", "embedding")


class Bootstrap:
    """Resamples of a test set, the same ones for every file.

    Args:
        samples: Samples of the test set.
        resamples: How often it is drawn anew, with replacement.
        seed: Seed of the draws.

    Example:

    >>> draws = Bootstrap(len(labels))
    >>> drop_interval(draws, "category", labels, weight, keras, int8)
    (-0.002, 0.004)
    """

    def __init__(self, samples: int, resamples: int = RESAMPLES, seed: int = 0):
        draw = np.random.default_rng(seed)
        even = np.full(samples, 1 / samples)
        # A row of counts: how often each sample was drawn.
        self.counts = draw.multinomial(samples, even, resamples)


def drop_interval(
    draws: Bootstrap,
    kind: str,
    labels: np.ndarray,
    weight: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    confidence: float = 0.95,
) -> tuple[float, float] | None:
    """Returns the percentile interval of a paired drop of the metric.

    Both outputs are scored on the same resample each time, so that what is
    hard for both does not widen the interval.

    Args:
        draws: The resamples.
        kind: A kind of target.
        labels: As in a batch.
        weight: Weight of each sample; 0 where the label is missing.
        before: Keras' output, `(samples, size)`.
        after: The file's output, `(samples, size)`.
        confidence: Share of the resamples inside the interval.

    Returns:
        Lower and upper end, positive where the file is worse; None where no
        resample has the metric.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        drops = np.subtract(
            *(
                _resampled(draws.counts, kind, labels, weight, output)
                for output in (before, after)
            )
        )
    drops = drops[np.isfinite(drops)]
    if not len(drops):
        return None
    ends = np.percentile(drops, [50 * (1 - confidence), 50 * (1 + confidence)])
    return float(ends[0]), float(ends[1])


def _resampled(counts, kind, labels, weight, output):
    """Returns the metric of each resample; NaN where it is not defined."""
    if kind in SHARES:
        right, of = shares(kind, labels, weight, output)
        return counts @ right / (counts @ of)
    rows = weight > 0
    if not rows.any():
        return np.full(len(counts), np.nan)
    metric = {
        "category": _accuracy,
        "categories": _macro_f1,
        "ordinal": _accuracy,
        "number": _r2,
    }
    counts = counts[:, rows] * weight[rows].astype("float64")
    return metric[kind](counts, labels[rows], output[rows])


def _accuracy(counts, labels, output):
    hits = output.argmax(axis=1) == labels
    return counts @ hits / counts.sum(axis=1)


def _macro_f1(counts, labels, output):
    truth, found = labels > 0.5, output >= 0.5
    either = counts @ truth + counts @ found
    known = either > 0
    f1 = np.where(known, 2 * (counts @ (truth & found)) / either, 0)
    return f1.sum(axis=1) / known.sum(axis=1)


def _r2(counts, labels, output):
    # Moments about the mean of all labels: raw ones lose digits.
    centred = (
        labels.astype("float64") - labels.mean() if len(labels) else labels
    )
    error = output[:, 0].astype("float64") - labels
    total = counts.sum(axis=1)
    mean = counts @ centred / total
    variance = counts @ centred**2 / total - mean**2
    return 1 - counts @ error**2 / total / np.where(variance > 0, variance, 0)


def calibration_error(
    kind: str, labels: np.ndarray, weight: np.ndarray, output: np.ndarray
) -> float | None:
    """Returns the expected calibration error over 15 bins.

    None for a number and for an embedding, which have no probabilities.

    The mean distance of confidence and share of right answers, each bin of
    confidence weighted by its samples. Of `categories` each class of each
    sample is an answer of its own.

    Args:
        kind: A kind of target.
        labels: As in a batch.
        weight: Weight of each sample; 0 where the label is missing.
        output: Probabilities, `(samples, classes)`.

    Source: Guo et al., "On Calibration of Modern Neural Networks", 2017
    (arXiv 1706.04599).
    """
    kind, labels, weight, output = as_category(kind, labels, weight, output)
    rows = weight > 0
    if kind in WITHOUT_CLASSES or not rows.any():
        return None
    labels, weight, output = labels[rows], weight[rows], output[rows]
    if kind == "category":
        confidence = output.max(axis=1)
        right = output.argmax(axis=1) == labels
    else:
        confidence = np.maximum(output, 1 - output).ravel()
        right = ((output >= 0.5) == (labels > 0.5)).ravel()
        weight = np.repeat(weight, output.shape[1])
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gap = np.bincount(bins, weight * (confidence - right), BINS)
    return float(np.abs(gap).sum() / weight.sum())


def as_category(kind, labels, weight, output):
    """Returns an ordinal, or each step of a sequence, as a category."""
    if kind not in ("ordinal", "sequence"):
        return kind, labels, weight, output
    weight = np.broadcast_to(weight.T, labels.T.shape).T
    output = output.reshape(-1, output.shape[-1])
    return "category", labels.ravel(), weight.ravel(), output


def by_class(
    kind: str, labels: np.ndarray, weight: np.ndarray, output: np.ndarray
) -> np.ndarray | None:
    """Returns recall (one of several classes) or F1 (any) of each class.

    NaN where a class does not occur; None where there are none.

    Args:
        kind: A kind of target.
        labels: As in a batch.
        weight: Weight of each sample; 0 where the label is missing.
        output: The model's output, `(samples, classes)`.
    """
    kind, labels, weight, output = as_category(kind, labels, weight, output)
    if kind in WITHOUT_CLASSES:
        return None
    classes = np.arange(output.shape[1])
    if kind == "category":
        truth = labels[:, None] == classes
        found = output.argmax(axis=1)[:, None] == classes
    else:
        truth, found = labels > 0.5, output >= 0.5
    right, weight = truth & found, weight[:, None].astype("float64")
    of = (weight * truth).sum(axis=0)
    hits = (weight * right).sum(axis=0)
    if kind == "categories":
        of, hits = of + (weight * found).sum(axis=0), 2 * hits
    return np.divide(hits, of, out=np.full(len(of), np.nan), where=of > 0)


def worst_class(
    names: tuple[str, ...], before: np.ndarray, after: np.ndarray
) -> dict | None:
    """Returns the class that lost most, with its figures before and after."""
    drops = before - after
    if not np.isfinite(drops).any():
        return None
    i = int(np.nanargmax(drops))
    return {
        "class": names[i],
        "keras": float(before[i]),
        "file": float(after[i]),
        "drop": float(drops[i]),
    }


def compare(
    kind: str,
    classes: tuple[str, ...],
    labels: np.ndarray,
    weight: np.ndarray,
    keras: np.ndarray,
    output: np.ndarray,
    scores: dict,
    draws: Bootstrap,
) -> dict:
    """Returns drop, interval, calibration error and worst class of a file.

    Args:
        kind: A kind of target.
        classes: Names of the classes; empty for a number.
        labels: As in a batch.
        weight: Weight of each sample; 0 where the label is missing.
        keras: Keras' output.
        output: The file's output.
        scores: Metrics of "keras" and of the "file".
        draws: The resamples.
    """
    metric, found = METRIC[kind], {}
    if metric in scores["keras"] and metric in scores["file"]:
        found["drop"] = scores["keras"][metric] - scores["file"][metric]
        ends = drop_interval(draws, kind, labels, weight, keras, output)
        if ends:
            found["drop_interval"] = list(ends)
    if kind not in WITHOUT_CLASSES:
        found["calibration_error"] = calibration_error(
            kind, labels, weight, output
        )
        found["worst_class"] = worst_class(
            classes,
            by_class(kind, labels, weight, keras),
            by_class(kind, labels, weight, output),
        )
    return {k: v for k, v in found.items() if v is not None}
