"""How much the metrics of targets drop from one set of outputs to another."""

import math
from collections.abc import Mapping

import numpy as np

from mmkeras.spec import Target

Arrays = Mapping[str, np.ndarray]


def guarded(
    targets: Mapping[str, Target],
    labels: Arrays,
    weights: Arrays,
    outputs: Arrays,
) -> dict[str, float]:
    """Returns the figure whose drop is limited, by target; none undefined.

    Args:
        targets: The targets of the spec.
        labels: As in a batch, `(samples, ...)`.
        weights: As in a batch; 0 where there is no label.
        outputs: Outputs by target, `(samples, ...)`.
    """
    found = {}
    for name, target in targets.items():
        figures = target.figures(labels[name], outputs[name], weights[name])
        value = figures.only(target.guard).values().get(target.guard, math.nan)
        if math.isfinite(value):
            found[name] = value
    return found


def largest_drop(
    targets: Mapping[str, Target],
    labels: Arrays,
    weights: Arrays,
    before: Arrays,
    after: Arrays,
) -> float:
    """Returns the drop of the metric that lost most; 0 without labels.

    Args:
        targets: The targets of the spec.
        labels: As in a batch, `(samples, ...)`.
        weights: As in a batch; 0 where there is no label.
        before: Outputs by target, `(samples, ...)`.
        after: Those that may be worse.
    """
    first, second = (
        guarded(targets, labels, weights, outputs)
        for outputs in (before, after)
    )
    both = first.keys() & second.keys()
    return max((first[name] - second[name] for name in both), default=0.0)
