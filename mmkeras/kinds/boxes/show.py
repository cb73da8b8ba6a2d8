"""A picture with the boxes that are there, and those that are found."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmkeras.metrics import find_boxes
from mmkeras.reporting import framed

# Of what is there, and of what is found.
THERE, FOUND = "#2a9d2a", "#d62728"


def show(
    boxes: Any, label: Any, output: np.ndarray, values: Mapping[str, Any]
) -> list[dict[str, str]]:
    """Returns the picture, with true boxes green and found ones red."""
    if boxes.modality not in values:
        return []
    there = [] if label is None else label[label[:, 4] >= 0]
    frames = [(row[:4], THERE, "") for row in there]
    for row in find_boxes(output, boxes.least_score):
        text = f"{boxes.classes[int(row[5])]} {row[4]:.2f}"
        frames.append((row[:4], FOUND, text))
    drawing = framed(np.asarray(values[boxes.modality]), frames)
    told = "green is there, red is found"
    return [{"name": "boxes", "text": told, "drawing": drawing}]
