"""Subsets of modalities: each one absent, and each one alone."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mmkeras.evaluation.predict import batches


def without(
    dataset: Any, absent: Sequence[str], optional: Sequence[str]
) -> Iterator[tuple[dict, dict, dict]]:
    """Yields the batches of `dataset` with some modalities absent.

    Their column of `present` and their input become 0; the learned vector
    replaces them, as on a device that lacks the sensor.

    Args:
        dataset: Batches with the input `present`.
        absent: Names of the modalities made absent.
        optional: Names of all optional modalities.
    """
    columns = {name: i for i, name in enumerate(sorted(optional))}
    unknown = sorted(set(absent) - set(columns))
    if unknown:
        raise ValueError(
            "`absent` must name optional modalities. Received: "
            f"{unknown}; optional: {sorted(columns)}"
        )
    for x, y, weights in batches(dataset):
        present = np.array(x["present"])
        for name in absent:
            present[:, columns[name]] = 0
        emptied = {name: np.zeros_like(x[name]) for name in absent}
        yield {**x, **emptied, "present": present}, y, weights


def subsets(
    optional: Sequence[str], modalities: Sequence[str]
) -> list[dict[str, Any]]:
    """Returns the subsets to evaluate, each once.

    Args:
        optional: Names of the optional modalities.
        modalities: Names of all modalities.

    Returns:
        `{"name", "absent", "present"}` of each: every optional modality
        absent, then every modality with no other optional one.

    Example:

    >>> [s["name"] for s in subsets(["audio", "image"], ["audio", "image"])]
    ['only image', 'only audio']
    """
    optional, modalities = sorted(optional), sorted(modalities)
    chosen: dict[tuple, list] = {}
    if len(modalities) > 1:
        for name in optional:
            chosen[(name,)] = [m for m in modalities if m != name]
        for name in modalities:
            absent = tuple(m for m in optional if m != name)
            if absent:
                chosen[absent] = [m for m in modalities if m not in absent]
    return [
        {
            "name": f"only {present[0]}"
            if len(present) == 1
            else f"without {' and '.join(absent)}",
            "absent": list(absent),
            "present": present,
        }
        for absent, present in chosen.items()
    ]
