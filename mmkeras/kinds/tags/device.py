"""Labelled spans of a text, in characters of the text that was given."""

from __future__ import annotations

import numpy as np
from tagged_spans import find_spans, sureness
from token_places import place_of, settled

# Its answers tell places of what was given.
PLACED = True


def shape(entry: dict) -> list[int]:
    """Returns the shape of the model's output for one sample."""
    return [entry["tokens"], 1 + 2 * len(entry["classes"])]


def answer(output: np.ndarray, entry: dict) -> dict:
    """Returns the spans from left to right, each with its label.

    `start` is its first character, `end` the place behind its last one. Of
    tokens without a text, as from a file of samples, its first and last token
    are told instead.
    """
    text = entry.get("placed", {}).get(entry["modality"])
    places = text and settled(text["text"], offsets_of(text))
    found = []
    for span in find_spans(output.argmax(axis=-1)):
        start, end, label = span
        told = {"label": entry["classes"][label]}
        if places is None:
            told |= {"first_token": start, "last_token": end - 1}
        else:
            place = place_of(places, start, end)
            if place is None:
                continue
            told |= {"start": place[0], "end": place[1],
                     "text": text["text"][slice(*place)]}  # fmt: skip
        sure = round(sureness(output, span), 4)
        found.append({**told, "probability": sure})
    return {"spans": found}


def offsets_of(text: dict) -> list[tuple[int, int]]:
    """Returns where the tokens of a text are, as `tokenizers` tells it."""
    # With a tokenizer, which a check of this file alone has not.
    from offsets import offsets

    return offsets(text["tokenizer"], text["text"], text["length"])
