"""The bootstrap: what figures would be on other samples of the same kind.

Samples of one group (a speaker, a patient) are drawn together: drawn one by
one, they would make a figure look as sure as if each were a new person. Of
few groups percentiles lie too close together (Hesterberg, "What teachers
should know about the bootstrap", 2015, arXiv 1411.5279); there, an interval is
as many standard errors wide as Student's t says.
"""

import math
from collections.abc import Hashable, Iterator, Mapping
from typing import TypeVar

import numpy as np

from mmkeras.metrics.descriptions import describe
from mmkeras.metrics.figures import Figures, finite

CONFIDENCE = 0.95
RESAMPLES = 1000
# Fewer groups say little about one that nobody has seen.
FEW_GROUPS = 8
# Counts held at once, 8 bytes each.
CHUNK = 4_000_000
Key = TypeVar("Key", bound=Hashable)
Span = tuple[float, float]


def measure(
    figures: Figures, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, dict[str, float | None]]:
    """Returns each figure with its 95 % interval.

    Args:
        figures: The figures.
        resamples: How many resamples are drawn; 0 for no intervals.
        seed: Seed of the draws.

    Returns:
        `{figure: {"value", "low", "high"}}`; None where a figure is not
        defined, such as ROC-AUC with one class only, and {} where no sample
        has a label.

    Example:

    >>> measure(regression(labels, outputs, weights))["mae"]
    {'value': 1.2, 'low': 1.1, 'high': 1.3}
    """
    found = spans(figures, resamples, seed)
    return {
        name: _with_span(value, found.get(name))
        for name, value in figures.values().items()
    }


def _with_span(value: float, span: Span | None) -> dict[str, float | None]:
    # What is not defined for the samples themselves has no interval either.
    if span is None or not math.isfinite(value):
        span = (math.nan, math.nan)
    ends = dict(zip(("low", "high"), map(finite, span), strict=True))
    return {"value": finite(value), **ends}


def spans(figures: Figures, resamples: int, seed: int) -> dict[str, Span]:
    """Returns the interval of each figure, NaN where undefined.

    Args:
        figures: The figures.
        resamples: How many resamples are drawn; {} for none.
        seed: Seed of the draws.
    """
    if not resamples or not figures.samples:
        return {}
    found = resample({"": figures}, resamples, seed)[""]
    if figures.groups is None:
        return {name: span_of(values) for name, values in found.items()}
    known = figures.values()
    return {
        name: describe(name).possible(
            *_span_of_groups(known[name], values, figures)
        )
        for name, values in found.items()
    }


def _span_of_groups(value: float, values: np.ndarray, figures: Figures) -> Span:
    """Returns the interval of a figure over few groups; NaN over one.

    Args:
        value: The figure.
        values: The figure under the draws of groups.
        figures: Whose groups were drawn.
    """
    groups, values = figures.units, values[np.isfinite(values)]
    # Nothing tells how another group would differ from a single one.
    if groups < 2 or len(values) < 2:
        return math.nan, math.nan
    from scipy import stats  # More than a second, which few commands need.

    # A resample varies by that much less than new groups would.
    error = float(values.std(ddof=1)) * math.sqrt(groups / (groups - 1))
    reach = error * float(stats.t.ppf((1 + CONFIDENCE) / 2, groups - 1))
    return value - reach, value + reach


def span_of(values: np.ndarray, confidence: float | None = CONFIDENCE) -> Span:
    """Returns the percentile interval of `values`; those of NaN are none.

    Args:
        values: A figure under the draws.
        confidence: Share of the draws within; None for no interval.
    """
    values = values[np.isfinite(values)]
    if confidence is None or not len(values):
        return math.nan, math.nan
    ends = 50 * (1 - confidence), 50 * (1 + confidence)
    low, high = np.percentile(values, ends)
    return float(low), float(high)


def drop_spans(
    before: Figures,
    after: Mapping[Key, Figures],
    name: str,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[Key, Span | None]:
    """Returns the percentile interval of each paired drop of one figure.

    Both sides are measured on the same resample each time, so that what is
    hard for both does not widen the interval.

    Args:
        before: Of what is compared with.
        after: Of the others, by any key, over the same samples.
        name: The figure.
        resamples: How many resamples are drawn.
        seed: Seed of the draws.

    Returns:
        Lower and upper end, positive where a figure got smaller; None where
        no resample has the figure.

    Example:

    >>> drop_spans(keras, {"int8": int8}, "accuracy")
    {'int8': (-0.002, 0.004)}
    """
    if not before.samples:
        return dict.fromkeys(after)
    sides = [each.only(name) for each in (before, *after.values())]
    found = resample(dict(enumerate(sides)), resamples, seed)
    first, *others = (values[name] for values in found.values())
    if before.groups is None:
        ends = [span_of(first - other) for other in others]
    else:
        whole, *drops = (each.values()[name] for each in sides)
        ends = [
            _span_of_groups(whole - drop, first - other, before)
            for drop, other in zip(drops, others, strict=True)
        ]
    return {
        key: span if math.isfinite(span[0]) else None
        for key, span in zip(after, ends, strict=True)
    }


def resample(
    figures: Mapping[Key, Figures], resamples: int, seed: int
) -> dict[Key, dict[str, np.ndarray]]:
    """Returns all figures under the same draws, `(resamples,)` each.

    Args:
        figures: By any key, all over the same samples.
        resamples: How many resamples are drawn.
        seed: Seed of the draws.

    Returns:
        `{key: {figure: values}}`; {} where no sample has a label.
    """
    samples = {each.samples for each in figures.values()}
    if len(samples) > 1:
        raise ValueError(
            "`figures` must all be over the same samples. Received: figures "
            f"over {' and over '.join(map(str, sorted(samples)))}"
        )
    if not any(samples):
        return {}
    parts: dict[Key, list] = {key: [] for key in figures}
    groups = next(iter(figures.values())).groups
    for counts in draws(samples.pop(), resamples, seed, groups):
        for key, each in figures.items():
            parts[key].append(each(counts))
    return {
        key: {name: np.concatenate([p[name] for p in each]) for name in each[0]}
        for key, each in parts.items()
    }


def draws(
    samples: int, resamples: int, seed: int, groups: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yields how often each sample is drawn, in parts that fit in memory.

    Args:
        samples: How many samples there are, at least one.
        resamples: How many resamples are drawn, rows of all parts together.
        seed: Seed of the draws.
        groups: `(samples,)` Numbers from 0 of the groups that are drawn as
            one; None draws samples.
    """
    units = samples if groups is None else int(np.max(groups)) + 1
    draw, step = np.random.default_rng(seed), max(1, CHUNK // samples)
    for start in range(0, resamples, step):
        counts = np.empty((min(step, resamples - start), samples))
        for row in counts:
            drawn = draw.integers(0, units, units)
            times = np.bincount(drawn, minlength=units)
            row[:] = times if groups is None else times[groups]
        yield counts
