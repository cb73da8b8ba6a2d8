"""Whether a sample is an anomaly."""

import numpy as np


def shape(entry: dict) -> list[int]:
    """Returns the shape of the model's output for one sample."""
    return [1]


def answer(output: np.ndarray, entry: dict) -> dict:
    """Returns the score, the threshold, and whether it is above that.

    The score is in units of the threshold, which the model file holds.
    """
    score = float(output[0])
    return {"score": score, "threshold": 1.0, "anomalous": score > 1.0}
