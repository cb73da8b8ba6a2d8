"""The first figure of each kind of target, for many resamples at once."""

from collections.abc import Callable, Iterator

import numpy as np

from mmkeras.evaluation.decisions import decisions
from mmkeras.evaluation.measure import HEADLINES, SUMMED, labelled
from mmkeras.evaluation.resample import CHUNK, resampled
from mmkeras.evaluation.sums import figures, rows_of

# Which figures are better when smaller.
SMALLER = ("mae", "rmse")
Metric = Callable[[np.ndarray], np.ndarray]


def headline(
    kind: str, labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray
) -> Metric:
    """Returns the first figure of a kind as a function of draws.

    Args:
        kind: Kind of the target.
        labels: As in a batch.
        outputs: Of the model.
        weights: As in a batch; samples without a label are left out.

    Returns:
        A function from how often each labelled sample was drawn,
        `(resamples, samples)`, to the figure, `(resamples,)`.

    Example:

    >>> metric = headline("category", labels, outputs, weights)
    >>> metric(np.ones((1, len(labels))))
    array([0.93])
    """
    if kind in SUMMED:
        there = labelled_samples(weights)
        rows = rows_of(kind, labels[there], outputs[there], weights[there])
        return lambda counts: figures(
            kind, {name: counts @ row for name, row in rows.items()}
        )[HEADLINES[kind]]
    labels, outputs = labelled(kind, labels, outputs, weights)
    if kind == "categories":
        return lambda counts: resampled(kind, labels, outputs, counts)[
            HEADLINES[kind]
        ]
    if kind == "number":
        each = np.abs(outputs - labels)
    else:
        truth, found = decisions(kind, labels, outputs)
        each = (truth == found).all(axis=1).astype(float)
    return lambda counts: counts @ each / counts.sum(axis=1)


def labelled_samples(weights: np.ndarray) -> np.ndarray:
    """Returns which samples have a label, a sequence for any of its steps."""
    return (weights > 0).reshape(len(weights), -1).any(axis=1)


def draws(samples: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yields how often each sample is drawn, in parts that fit in memory.

    Args:
        samples: How many samples there are.
        resamples: How many resamples are drawn.
        seed: Seed of the draws.
    """
    draw, step = np.random.default_rng(seed), max(1, CHUNK // samples)
    for start in range(0, resamples, step):
        counts = np.empty((min(step, resamples - start), samples))
        for row in counts:
            drawn = draw.integers(0, samples, samples)
            row[:] = np.bincount(drawn, minlength=samples)
        yield counts


def resample(
    metrics: dict, samples: int, resamples: int, seed: int
) -> dict[object, np.ndarray]:
    """Returns every metric under the same draws, `(resamples,)` each.

    Args:
        metrics: What `headline` returned, by any key.
        samples: Labelled test samples.
        resamples: How many resamples are drawn.
        seed: Seed of the draws.
    """
    parts: dict[object, list] = {key: [] for key in metrics}
    for counts in draws(samples, resamples, seed):
        for key, metric in metrics.items():
            parts[key].append(metric(counts))
    return {key: np.concatenate(found) for key, found in parts.items()}
