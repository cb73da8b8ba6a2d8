"""Figures over several seeds: intervals, paired tests, Holm's correction.

Two things would come out differently another time: the training (weights,
order, which samples carry a label) and the samples of the test split. Every
run of a comparison predicts the same test samples, so the two are crossed. The
variance of a mean over seeds is estimated as the sum of two parts,

- that of the values of the seeds, divided by their number;
- that of the mean over the seeds under the bootstrap of the test samples,
  every run with the same draws,

which counts what belongs to both twice (Owen, "The pigeonhole bootstrap",
2007, arXiv 0712.1111). Intervals and p-values are those of Student's t with
one degree of freedom fewer than there are seeds, or groups of test samples
where those are fewer: the degrees that Satterthwaite's formula gives are
themselves guessed from so few values, and called 11 to 13 % of equal arms
different. How often this test does so is printed by
`benchmarks/false_positives.py`. That benchmarks have to vary all of this is
shown by Bouthillier et al., "Accounting for variance in machine learning
benchmarks", 2021 (arXiv 2103.03098).

Not in it: how much another training split would change. All seeds draw from
the same one.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from mmkeras.metrics.bootstrap import CONFIDENCE

# Fewer tell nothing about how far seeds differ.
MIN_SEEDS = 3
# 2 ** 15 patterns of signs are listed one by one.
MAX_SEEDS = 16


def estimate(
    values: Sequence[float],
    resampled: np.ndarray | None = None,
    units: int | None = None,
) -> dict[str, float]:
    """Returns a mean over seeds with its interval and its distance from 0.

    Args:
        values: One figure a seed.
        resampled: The same figures under the bootstrap of the test samples,
            `(seeds, resamples)`, each column one draw; None where the test
            samples are no matter.
        units: What was drawn: test samples, or groups of them.

    Returns:
        `mean`, `low` and `high` of the 95 % interval, and the two-sided `p`
        of a mean of 0.

    Example:

    >>> estimate([0.90, 0.92, 0.94])["low"]
    0.870...
    """
    values = np.asarray(values, float)
    mean, seeds = float(values.mean()), len(values)
    variance = float(values.var(ddof=1)) / seeds
    freedom = seeds - 1
    if resampled is not None:
        over_seeds = np.asarray(resampled, float).mean(axis=0)
        over_seeds = over_seeds[np.isfinite(over_seeds)]
        if len(over_seeds) > 1:
            spread = float(over_seeds.var(ddof=1))
            if units is not None and units > 1:
                # A resample varies by that much less than new units would.
                spread *= units / (units - 1)
                freedom = min(freedom, units - 1)
            variance += spread
    from scipy import stats  # More than a second, which few commands need.

    # What is left of rounding is no variance.
    error = math.sqrt(variance) if variance >= 1e-24 else 0.0
    if error == 0:
        return {"mean": mean, "low": mean, "high": mean, "p": float(mean == 0)}
    reach = error * float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
    p = 2 * float(stats.t.sf(abs(mean) / error, freedom))
    return {"mean": mean, "low": mean - reach, "high": mean + reach, "p": p}


def sign_flip(differences: Sequence[float]) -> float:
    """Returns the exact two-sided p-value of paired differences.

    If neither arm were better, each seed's difference could as well have had
    the other sign. The p-value is the share of all `2 ** n` patterns of signs
    whose mean is at least as far from 0 as the one that was seen (Fisher,
    "The design of experiments", 1935); no distribution is assumed.

    Args:
        differences: One a seed, 2 to 16 of them.

    Example:

    >>> sign_flip([0.02, 0.01, 0.03, 0.02, 0.01])
    0.0625
    """
    seen = np.asarray(differences, float)
    # Of a pattern and its opposite, one is enough.
    rest = itertools.product((1.0, -1.0), repeat=len(seen) - 1)
    signs = np.array([(1.0, *signs) for signs in rest])
    totals = np.abs(signs @ seen)
    return float(np.mean(totals >= abs(seen.sum()) - 1e-12))


def smallest_p(seeds: int) -> float:
    """Returns the smallest p-value that `sign_flip` can give."""
    return 2 / 2**seeds


def seeds_for(p: float = 1 - CONFIDENCE) -> int:
    """Returns how many seeds `sign_flip` needs to fall below `p`."""
    return next(n for n in range(2, MAX_SEEDS + 1) if smallest_p(n) < p)


def paired(
    first: Sequence[float],
    second: Sequence[float],
    first_resampled: np.ndarray | None = None,
    second_resampled: np.ndarray | None = None,
    units: int | None = None,
) -> dict[str, float | int]:
    """Returns how much more `first` has than `second`, seed by seed.

    Args:
        first: One figure a seed.
        second: The figures of the same seeds.
        first_resampled: As in `estimate`.
        second_resampled: The same draws for `second`.
        units: As in `estimate`.

    Returns:
        What `estimate` returns for the differences, `sign_flip_p`, and for
        how many seeds `first` was `above`, `below` and `equal`.

    Example:

    >>> paired([0.9, 0.8], [0.9, 0.8])["p"]
    1.0
    """
    differences = np.asarray(first, float) - np.asarray(second, float)
    resampled = None
    if first_resampled is not None and second_resampled is not None:
        resampled = np.asarray(first_resampled) - np.asarray(second_resampled)
    return {
        **estimate(differences, resampled, units),
        "sign_flip_p": sign_flip(differences),
        "above": int((differences > 0).sum()),
        "below": int((differences < 0).sum()),
        "equal": int((differences == 0).sum()),
    }


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p-values corrected for how many there are.

    Holm, "A simple sequentially rejective multiple test procedure", 1979:
    the chance that any of the true "no difference" is called a difference
    stays below the level that the corrected values are compared with.

    Example:

    >>> holm([0.01, 0.04])
    [0.02, 0.04]
    """
    order = np.argsort(p_values, kind="stable")
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        scaled = (len(p_values) - rank) * float(p_values[place])
        largest = max(largest, min(1.0, scaled))
        corrected[place] = largest
    return corrected
