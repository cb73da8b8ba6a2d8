"""The classes that the model takes for likelier than not."""

import numpy as np


def shape(entry: dict) -> list[int]:
    """Returns the shape of the model's output for one sample."""
    return [len(entry["classes"])]


def answer(output: np.ndarray, entry: dict) -> dict:
    """Returns the classes from one half up, and the probability of each."""
    table = dict(zip(entry["classes"], output.tolist()))
    labels = [label for label in table if table[label] >= 0.5]
    return {"labels": labels, "probabilities": table}
