"""Statistics that add up: a shard at a time, in any number of processes.

Whole numbers are counted exactly; floats are merged with Chan's formula, in
the order of the shards.
"""

import math
from typing import Any

import numpy as np

Sums = dict[str, Any]
# Up to here a float of 64 bits is exact.
EXACT = 2**53


def whole_sums(value: np.ndarray) -> Sums:
    """Returns the sums of whole numbers, such as pixels, over all but an axis.

    Args:
        value: `(..., channels)` integers.
    """
    flat = value.reshape(-1, value.shape[-1])
    # Channel by channel: sums over the first axis are several times slower.
    channels = [
        flat[:, channel].astype(_exact_type(flat))
        for channel in range(flat.shape[1])
    ]
    return {
        "n": len(flat),
        "sum": [int(channel.sum()) for channel in channels],
        "squares": [int(channel @ channel) for channel in channels],
    }


def _exact_type(flat: np.ndarray) -> type:
    """Returns the faster type in which the squares add up exactly."""
    if flat.dtype.kind in "iu":
        limits = np.iinfo(flat.dtype)
        if len(flat) * max(-limits.min, limits.max) ** 2 <= EXACT:
            return np.float64
    return np.int64


def whole_moments(
    sums: Sums | None, channels: int, scale: int
) -> tuple[list[float], list[float]]:
    """Returns mean and standard deviation a channel, of x / `scale`.

    Args:
        sums: Of `whole_sums`, merged; None gives means 0 and deviations 1.
        channels: How many there are.
        scale: What stands for 1.
    """
    if sums is None:
        return [0.0] * channels, [1.0] * channels
    n = sums["n"]
    # Exact: whole numbers up to the root.
    spread = [
        math.sqrt(squares * n - total * total) / n / scale
        for total, squares in zip(sums["sum"], sums["squares"], strict=True)
    ]
    return [total / n / scale for total in sums["sum"]], spread


def known_sums(value: np.ndarray) -> Sums:
    """Returns the sums of floats, of which NaN do not count.

    Args:
        value: `(steps, channels)`.
    """
    value = value.astype(np.float64)
    known = np.isfinite(value)
    n = known.sum(axis=0)
    mean = np.where(known, value, 0).sum(axis=0) / np.maximum(n, 1)
    m2 = (np.where(known, value - mean, 0) ** 2).sum(axis=0)
    return {"n": n.tolist(), "mean": mean.tolist(), "m2": m2.tolist()}


def known_moments(
    sums: Sums | None, channels: int
) -> tuple[list[float], list[float]]:
    """Returns mean and variance a channel, in raw units.

    Args:
        sums: Of `known_sums`, merged; None gives means 0 and variances 1, and
            so does a channel that is never known.
        channels: How many there are.
    """
    if sums is None:
        return [0.0] * channels, [1.0] * channels
    pairs = zip(sums["m2"], sums["n"], strict=True)
    return sums["mean"], [m2 / n if n else 1.0 for m2, n in pairs]


def merge_sums(left: Sums | None, right: Sums | None) -> Sums | None:
    """Adds two of the above; None stands for nothing yet."""
    if left is None or right is None:
        return left or right
    if "sum" in left:
        return {
            "n": left["n"] + right["n"],
            "sum": _add(left["sum"], right["sum"]),
            "squares": _add(left["squares"], right["squares"]),
        }
    n = np.add(left["n"], right["n"])
    share = right["n"] / np.maximum(n, 1)
    step = np.subtract(right["mean"], left["mean"])
    mean = left["mean"] + step * share
    m2 = np.add(left["m2"], right["m2"]) + step * step * left["n"] * share
    return {"n": n.tolist(), "mean": mean.tolist(), "m2": m2.tolist()}


def add_sums(left: Sums | None, right: Sums | None) -> Sums | None:
    """Adds numbers, or lists of numbers, by name; None is nothing yet.

    Example:

    >>> add_sums({"n": 1, "sizes": [2, 3]}, {"n": 1, "sizes": [4, 0]})
    {'n': 2, 'sizes': [6, 3]}
    """
    if left is None or right is None:
        return left or right
    return {key: np.add(left[key], right[key]).tolist() for key in left}


def _add(left: list[int], right: list[int]) -> list[int]:
    return [a + b for a, b in zip(left, right, strict=True)]
