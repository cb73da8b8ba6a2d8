"""A class for each step of time."""

import numpy as np


def shape(entry: dict) -> list[int]:
    """Returns the shape of the model's output for one sample."""
    return [entry["steps"], len(entry["classes"])]


def answer(output: np.ndarray, entry: dict) -> dict:
    """Returns, from `(steps, classes)`, the class of each step.

    `changes` are the steps at which another class begins.
    """
    best = output.argmax(axis=-1)
    return {
        "labels": [entry["classes"][i] for i in best],
        "changes": (np.flatnonzero(np.diff(best)) + 1).tolist(),
        "probabilities": {
            label: output[:, i].tolist()
            for i, label in enumerate(entry["classes"])
        },
    }
