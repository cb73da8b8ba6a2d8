"""Where a value is far out, and columns that tell a target."""

from typing import Any

import numpy as np

# Tukey's (1977) "far out": so many ranges of the middle half beyond it.
FENCE = 3.0
# Fewer values than this have no middle half to speak of.
FEWEST = 20


def far_out(values: np.ndarray) -> tuple[float, float] | None:
    """Returns the ends beyond which a value is far out; None: cannot be said.

    Three ranges of the middle half beyond it, as Tukey has it; and also after
    `asinh` and, where all values are above 0, `log`, so that a skewed column
    is not full of outliers. The widest of these ends count. Where the middle
    half is one value, 1 to 99 % stand in for it.

    Args:
        values: `(n,)`, finite.

    Example:

    >>> far_out(np.append(np.arange(100.0), 1e30))
    (-687.32..., 1187.3...)
    """
    if len(values) < FEWEST:
        return None
    values = np.asarray(values, np.float64)
    median = np.median(values)
    spread = _spread(values)[1]
    if not spread:
        return None
    scales = [
        (lambda x: x, lambda y: y),
        (
            lambda x: np.arcsinh((x - median) / spread),
            lambda y: np.sinh(y) * spread + median,
        ),
    ]
    if values.min() > 0:
        scales.append((np.log, np.exp))
    low, high = [], []
    for there, back in scales:
        (first, third), width = _spread(there(values))
        with np.errstate(over="ignore"):
            low.append(float(back(first - FENCE * width)))
            high.append(float(back(third + FENCE * width)))
    return min(low), max(high)


def _spread(values: np.ndarray) -> tuple[tuple[float, float], float]:
    """Returns the quarters of values, and how far they are apart."""
    first, third = np.quantile(values, [0.25, 0.75])
    width = third - first
    if width == 0:
        low, high = np.quantile(values, [0.01, 0.99])
        # Of a normal distribution, both are as wide.
        width = (high - low) * 1.349 / 4.653
    return (float(first), float(third)), float(width)


def association(
    values: np.ndarray, labels: np.ndarray, kinds: tuple[bool, bool]
) -> dict[str, Any] | None:
    """Returns how much a column tells of a target; None: too few samples.

    Args:
        values: `(n,)` numbers, or indices of categories.
        labels: `(n,)` numbers, or indices of classes.
        kinds: Whether the values, and whether the labels, are classes.

    Returns:
        "measure" and "value" in 0 to 1, or -1 to 1 for "spearman": the rank
        correlation of two numbers; "eta squared", the share of a number's
        variance that classes explain; or "cramer" for two classes.
    """
    known = np.isfinite(values) & np.isfinite(labels)
    values, labels = values[known], labels[known]
    if len(values) < FEWEST or not np.ptp(values) or not np.ptp(labels):
        return None
    if not any(kinds):
        from scipy.stats import spearmanr

        return _rounded("spearman", spearmanr(values, labels).statistic)
    if all(kinds):
        from scipy.stats.contingency import association as cramer

        table = _counts(values, labels)
        return _rounded("cramer", cramer(table, method="cramer"))
    if kinds[0]:
        values, labels = labels, values
    return _rounded("eta squared", _explained(values, labels))


def _explained(values: np.ndarray, classes: np.ndarray) -> float:
    # Scaled first: the square of 1e30 is beyond float64's own room.
    values = values / max(np.abs(values).max(), 1e-300)
    _, index, counts = np.unique(
        classes, return_inverse=True, return_counts=True
    )
    means = np.bincount(index, values) / counts
    total = np.square(values - values.mean()).sum()
    return float((counts * np.square(means - values.mean())).sum() / total)


def _counts(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    rows, row = np.unique(one, return_inverse=True)
    columns, column = np.unique(other, return_inverse=True)
    table = np.zeros((len(rows), len(columns)), int)
    np.add.at(table, (row, column), 1)
    return table


def _rounded(measure: str, value: float) -> dict[str, Any]:
    return {"measure": measure, "value": round(float(value), 4)}
