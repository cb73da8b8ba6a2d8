"""The boxes that the model finds in a picture."""

import numpy as np
from detections import find_boxes


def shape(entry: dict) -> list:
    """Returns the shape of the output for one sample, None where it tells."""
    return [None, 8 + len(entry["classes"])]


def answer(output: np.ndarray, entry: dict) -> dict:
    """Returns boxes in pixels of the picture that was given, the surest first.

    A box is [left, top, width, height].
    """
    picture = entry.get("inputs", {}).get(entry["modality"])
    height, width = picture["shape"][:2] if picture else (1, 1)
    found = [
        {
            "label": entry["classes"][int(index)],
            "probability": round(score, 4),
            "box": [
                round(left * width, 2),
                round(top * height, 2),
                round((right - left) * width, 2),
                round((bottom - top) * height, 2),
            ],
        }
        for left, top, right, bottom, score, index in find_boxes(
            output, entry["least_score"]
        ).tolist()
    ]
    return {"count": len(found), "boxes": found}
