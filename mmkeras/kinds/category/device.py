"""The class of several that the model takes for the likeliest."""

import numpy as np


def shape(entry: dict) -> list[int]:
    """Returns the shape of the model's output for one sample."""
    return [len(entry["classes"])]


def answer(output: np.ndarray, entry: dict) -> dict:
    """Returns the likeliest class, and the probability of each."""
    table = dict(zip(entry["classes"], output.tolist()))
    best = max(table, key=table.get)
    return {
        "label": best,
        "probability": table[best],
        "probabilities": table,
    }
