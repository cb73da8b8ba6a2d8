"""A number in its own unit."""

import numpy as np


def shape(entry: dict) -> list[int]:
    """Returns the shape of the model's output for one sample."""
    return [1]


def answer(output: np.ndarray, entry: dict) -> dict:
    """Returns the number and its unit."""
    return {"value": float(output[0]), "unit": entry["unit"]}
