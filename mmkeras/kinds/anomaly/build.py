"""The head for a distance from normal."""

import numpy as np

from mmkeras import heads

OPTIONS = heads.AnomalyOptions


def head(anomaly, facts, options):
    return heads.Anomaly(
        modalities=tuple(anomaly.modalities),
        given=tuple(anomaly.given),
        scales=scales_of(facts.get("inputs", {})),
        false_alarms=anomaly.false_alarms,
        weight=anomaly.weight,
        **options.arguments(),
    )


def scales_of(inputs):
    """Returns mean and deviation of each channel, in the unit of a batch."""
    found = {}
    for name, facts in inputs.items():
        std = facts.get("std")
        if std is None and "variance" in facts:
            std = np.sqrt(facts["variance"]).tolist()
        mean = facts.get("mean")
        if isinstance(mean, list) and isinstance(std, list):
            unit = facts.get("unit", 1.0)
            found[name] = [m * unit for m in mean], [s * unit for s in std]
    return found
