"""Sample weights of the training split: bootstrap and boosting."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmkeras.data import read_labels


def reweighted(
    data: Any, factors: np.ndarray, targets: Sequence[str] | None = None
) -> Any:
    """Returns the data with the weights of training samples multiplied.

    Args:
        data: What `load_data` returned.
        factors: `(samples,)`, 0 or more, in the order of
            `data.ordered("train")`. They are divided by the mean of those
            above 0, so that the loss keeps its size.
        targets: Targets whose weights are multiplied; all when None. A
            sample without a weight for any target is left out of the epoch.

    Raises:
        ValueError: If `factors` is not one number a sample, or all are 0.

    Example:

    >>> counts = bootstrap(data.counts["train"], np.random.default_rng(0))
    >>> other = reweighted(data, counts)
    """
    found = read_labels(data, seed=0)
    factors = np.asarray(factors, "float64")
    good = np.isfinite(factors).all() and factors.min(initial=0) >= 0
    if factors.shape != (len(found.hashes),) or not good or not factors.any():
        raise ValueError(
            "`factors` must be a finite number from 0 for each of "
            f"{len(found.hashes)} training samples, not all of them 0. "
            f"Received: shape {factors.shape}"
        )
    factors = factors / factors[factors > 0].mean()
    weights = dict(found.weights)
    for name in targets or weights:
        shape = (-1,) + (1,) * (weights[name].ndim - 1)
        weights[name] = (weights[name] * factors.reshape(shape)).astype(
            "float32"
        )
    return data.using(dataclasses.replace(found, weights=weights, only=True))


def bootstrap(samples: int, random: np.random.Generator) -> np.ndarray:
    """Returns how often each sample is drawn, in `samples` draws.

    About 37 % are not drawn at all.
    """
    drawn = random.integers(0, samples, samples)
    return np.bincount(drawn, minlength=samples)
