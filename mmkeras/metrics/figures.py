"""Figures of predictions, as a function of how often each sample is drawn.

A resample of the bootstrap is a row of counts, how often each sample was
drawn. A figure that takes such rows serves both: with counts of one it is the
figure itself, and with a thousand rows it is that of a thousand resamples, by
a few products of matrices. So a figure is written once, and its interval
cannot disagree with it.

Samples weigh as in Keras: a fraction multiplies, and 0 leaves out.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

# From counts `(resamples, samples)` to each figure, `(resamples,)`.
Part = Callable[[np.ndarray], dict[str, np.ndarray]]
Sums = dict[str, np.ndarray]


@dataclass(frozen=True)
class Figures:
    """Figures of one target, as a function of draws; NaN where undefined.

    Args:
        samples: How many samples have a label.
        parts: What computes them, by the names of the figures. Those that
            share their sums stand in one part.
        groups: `(samples,)` integers, the same for samples that hang
            together, such as those of one speaker: they are drawn together.
            None where each sample stands for itself.

    Example:

    >>> figures = single_label(labels, outputs, weights)
    >>> figures(np.ones((1, figures.samples)))["accuracy"]
    array([0.93])
    """

    samples: int
    parts: Mapping[tuple[str, ...], Part]
    groups: np.ndarray | None = None

    @property
    def units(self) -> int:
        """How many groups there are, or samples where there are none."""
        if self.groups is None:
            return self.samples
        return len(np.unique(self.groups))

    def __call__(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        """Returns each figure, `(resamples,)`.

        Args:
            counts: How often each sample with a label was drawn,
                `(resamples, samples)`.
        """
        found = {}
        with np.errstate(divide="ignore", invalid="ignore"):
            for names, part in self.parts.items():
                values = part(counts)
                found |= {name: values[name] for name in names}
        return found

    def only(self, name: str) -> "Figures":
        """Returns what computes one figure, and no more than it needs."""
        for names, part in self.parts.items():
            if name in names:
                return dataclasses.replace(self, parts={(name,): part})
        known = [each for names in self.parts for each in names]
        raise ValueError(
            f"`name` must be one of {', '.join(known)}. Received: {name!r}"
        )

    def grouped(
        self, names: Sequence[str] | None, weights: np.ndarray
    ) -> "Figures":
        """Returns the same figures over samples that hang together.

        Args:
            names: The group of each sample of the split, with a label or
                not; "" where it is not known: such a sample is a group of its
                own. None where there are no groups.
            weights: `(all samples, ...)`, 0 where there is no label.

        Example:

        >>> figures.grouped(["theo", "theo", "lucas"], np.ones(3)).units
        2
        """
        if names is None:
            return self
        if len(names) != len(weights):
            raise ValueError(
                "`names` must have the group of each sample. Received: "
                f"{len(names)} for {len(weights)} samples"
            )
        whole = np.array([n or f"\0{place}" for place, n in enumerate(names)])
        rows = has_label(weights)
        if rows.sum() != self.samples:
            # Figures of all samples, such as those of a retrieval.
            rows = np.ones(len(whole), bool)
        kept = np.unique(whole[rows], return_inverse=True)[1]
        return dataclasses.replace(self, groups=kept)

    def values(self) -> dict[str, float]:
        """Returns the figures of the samples themselves; {} without any."""
        if not self.samples:
            return {}
        found = self(np.ones((1, self.samples)))
        return {name: float(value[0]) for name, value in found.items()}


def means(weights: np.ndarray, **each: np.ndarray) -> Figures:
    """Returns figures that are weighted means over samples.

    Args:
        weights: `(samples,)`, all above 0.
        **each: What is averaged, by the name of its figure, `(samples,)`.

    Example:

    >>> means(np.ones(2), accuracy=np.array([True, False])).values()
    {'accuracy': 0.5}
    """
    rows = {name: weights * value for name, value in each.items()}

    def formula(sums: Sums) -> dict[str, np.ndarray]:
        return {name: sums[name] / sums["weight"] for name in each}

    part = of_sums({"weight": weights, **rows}, formula)
    return Figures(len(weights), {tuple(each): part})


def of_sums(
    rows: Mapping[str, np.ndarray],
    formula: Callable[[Sums], dict[str, np.ndarray]],
) -> Part:
    """Returns figures that are a formula of sums over the samples.

    Args:
        rows: What each sample adds, `(samples,)` or `(samples, classes)`.
        formula: From the sums, `(resamples,)` or `(resamples, classes)`, to
            the figures.
    """
    rows = {name: np.asarray(row, "float64") for name, row in rows.items()}
    return lambda counts: formula({n: counts @ row for n, row in rows.items()})


def labelled(
    labels: np.ndarray, outputs: np.ndarray, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the samples that have a label, with their weights.

    Args:
        labels: First axis samples.
        outputs: Of the model, first axis samples.
        weights: `(samples,)`, or `(samples, steps)`: a sample with a label
            for any of its steps has one. All weigh 1 by default.

    Raises:
        ValueError: If they differ in length.
    """
    labels, outputs = np.asarray(labels), np.asarray(outputs)
    if len(labels) != len(outputs):
        raise ValueError(
            "`labels` and `outputs` must have one entry a sample. Received: "
            f"{len(labels)} and {len(outputs)}"
        )
    if weights is None:
        return labels, outputs, np.ones(len(labels))
    rows = has_label(weights)
    return labels[rows], outputs[rows], np.asarray(weights, "float64")[rows]


def has_label(weights: np.ndarray) -> np.ndarray:
    """Returns which samples have a label, `(samples,)`, if for one step."""
    weights = np.asarray(weights)
    return (weights > 0).reshape(len(weights), -1).any(axis=1)


def mean_where(values: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Returns the mean of each row over the columns where `where` holds."""
    return np.where(where, values, 0).sum(axis=-1) / where.sum(axis=-1)


def finite(value: float) -> float | None:
    """Returns a plain float, or None, which JSON can hold, for NaN."""
    return float(value) if math.isfinite(value) else None


def weighted_share(
    true: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Returns the share of decisions for which something is true.

    Args:
        true: `(samples, ...)` of true or false.
        weights: `(samples,)`, or as many axes as `true` has. All weigh the
            same without them, and where they are all 0.

    Example:

    >>> weighted_share(np.array([True, False]), np.array([3, 1]))
    0.75
    """
    if weights is None or not np.any(weights):
        return float(np.mean(true))
    weights = np.asarray(weights, "float64")
    weights = weights.reshape(weights.shape + (1,) * (true.ndim - weights.ndim))
    return float(np.average(true, weights=np.broadcast_to(weights, true.shape)))
