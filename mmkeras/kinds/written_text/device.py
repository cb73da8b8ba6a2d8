"""The text that the model writes."""

import json
import math
from pathlib import Path

import numpy as np
from decoding import decoder_of, generate
from sampling import Sampling

# Entries with the names of files that are read.
FILES = ("letters",)
# Options of the command line, and how one is read from a text.
OPTIONS = {
    "temperature": float,
    "top_k": int,
    "top_p": float,
    "beams": int,
    "length_penalty": float,
    "max_characters": int,
    "seed": int,
}


def shape(entry: dict) -> list:
    """Returns the shape of the model's output for one sample."""
    return [None, None]


def answer(output: np.ndarray, entry: dict) -> dict:
    """Returns the text that follows from `(places, numbers)`.

    Without a runner, as in a check, there is no decoder, and no text.
    """
    if "decoder" not in entry:
        return {"text": None, "probability": None, "characters": 0}
    run, details = entry["decoder"]()
    path = Path(entry["folder"]) / entry["letters"]
    letters = json.loads(path.read_text(encoding="utf-8"))["letters"]
    told = entry.get("told")
    decoder = decoder_of(run, details, letters)
    ids, chances = generate(
        output[None],
        decoder,
        Sampling(**entry.get("sampling", {})),
        told and (lambda row, letter: told(letter)),
    )
    text = decoder.text_of(ids[0])
    return {
        "text": text,
        "probability": math.exp(chances.sum()),
        "characters": len(text),
    }
