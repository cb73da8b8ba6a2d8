"""A class for each step of time."""

import math

import numpy as np


def shape(entry: dict) -> list[int]:
    """Returns the shape of the model's output for one sample."""
    return [entry["steps"], len(entry["classes"])]


def answer(output: np.ndarray, entry: dict) -> dict:
    """Returns, from `(steps, classes)`, the class of each step.

    `changes` are the steps at which another class begins. Of a target of
    variable length, the answer ends where the last of its inputs does.
    """
    output = output[: steps_of(entry)]
    best = output.argmax(axis=-1)
    return {
        "labels": [entry["classes"][i] for i in best],
        "changes": (np.flatnonzero(np.diff(best)) + 1).tolist(),
        "probabilities": {
            label: output[:, i].tolist()
            for i, label in enumerate(entry["classes"])
        },
    }


def steps_of(entry: dict) -> int:
    """Returns the steps that have input, by what the runner says of each."""
    read = entry.get("modality") or []
    read = [read] if isinstance(read, str) else read
    if entry.get("length") != "variable" or not read:
        return entry["steps"]
    # Without a runner, as in a check, all of an input counts.
    known = entry.get("known", lambda name: 1.0)
    share = max(map(known, read))
    # A step that the input reaches into is answered.
    return math.ceil(share * entry["steps"] - 1e-6)
