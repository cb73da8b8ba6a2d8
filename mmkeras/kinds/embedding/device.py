"""A vector that is near those of the same identity."""

import numpy as np


def shape(entry: dict) -> list[int | None]:
    """Returns the shape of the output; its width is the model's own."""
    return [None]


def answer(output: np.ndarray, entry: dict) -> dict:
    """Returns the vector."""
    return {"vector": output.tolist()}
