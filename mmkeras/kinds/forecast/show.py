"""A forecast in a report: what came, the median, and a band."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmkeras.reporting import band

# Channels that are drawn, and steps before the forecast.
SHOWN, BEFORE = 4, 2


def show(
    target: Any,
    label: np.ndarray | None,
    output: np.ndarray,
    values: Mapping[str, np.ndarray],
) -> list[dict[str, str]]:
    """Draws each of a few channels: the end of what was seen, and on."""
    found, median = [], target.median(output)
    series = values.get(target.modality)
    for place, name in enumerate(target.channels[:SHOWN]):
        before = []
        if series is not None and target.places is not None:
            column = np.asarray(series)[:, target.places[place]]
            before = column[-BEFORE * target.steps :]
        steps = output[:, place]
        drawing = band(
            before,
            median[:, place],
            steps[:, 0],
            steps[:, -1],
            None if label is None else label[:, place],
        )
        told = f"{widest(target):.0%} interval"
        found.append({"name": name, "drawing": drawing, "text": told})
    return found


def widest(target: Any) -> float:
    """Returns which share of what comes the widest interval is for."""
    return target.quantiles[-1] - target.quantiles[0]
