"""What is said, as a text, from logits of frames."""

import math

import numpy as np
from frame_decoding import decoder, text_of


def shape(entry: dict) -> list[int]:
    """Returns the shape of the model's output for one sample."""
    return [entry["steps"], 1 + len(entry["alphabet"])]


def answer(output: np.ndarray, entry: dict) -> dict:
    """Returns the text of all frames, `(steps, 1 + symbols)`."""
    return begin(entry)(output)


def begin(entry: dict):
    """Begins a text whose frames come in parts.

    Returns:
        A function from further frames, `(frames, 1 + symbols)`, to the answer
        for all so far: the text, its probability, and by `steps` the frame in
        which each of its `symbols` begins.
    """
    found = decoder(entry)

    def listen(output: np.ndarray) -> dict:
        found.push(output)
        return {
            "text": text_of(found.ids, entry),
            "probability": math.exp(found.log_probability),
            "symbols": [entry["alphabet"][i - 1] for i in found.ids],
            "steps": found.frames,
        }

    return listen
