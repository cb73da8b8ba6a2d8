"""The boxes that the model finds in a picture."""

from __future__ import annotations

import numpy as np
from detections import find_boxes

# An answer tells places, so that it asks where the picture's pixels lay.
PLACED = True


def shape(entry: dict) -> list:
    """Returns the shape of the output for one sample, None where it tells."""
    return [None, 8 + len(entry["classes"])]


def answer(output: np.ndarray, entry: dict) -> dict:
    """Returns boxes in pixels of the picture that was given, the surest first.

    A box is [left, top, width, height], from the corner of the upright
    picture. Where nothing tells how large that was, they are in pixels of
    the model's picture.
    """
    name = entry["modality"]
    found = find_boxes(output, entry["least_score"])
    placed = entry.get("placed", {}).get(name)
    if placed is not None:
        corners = found[:, :4].reshape(-1, 2, 2) * placed.stored
        size = placed.size
        corners = np.clip(placed.to_source(corners), 0, size)
    else:
        picture = entry.get("inputs", {}).get(name)
        size = picture["shape"][1::-1] if picture else (1, 1)
        corners = found[:, :4].reshape(-1, 2, 2) * size
    boxes = [
        {
            "label": entry["classes"][int(index)],
            "probability": round(score, 4),
            "box": [round(n, 2) for n in [*low, *(high - low)]],
        }
        for (low, high), score, index in zip(
            corners, found[:, 4].tolist(), found[:, 5]
        )
        # What lies in the black around a picture is none of its boxes.
        if (high > low).all()
    ]
    return {"count": len(boxes), "boxes": boxes, "size": [int(n) for n in size]}
