"""Masks on the device, in the pixels of the picture that was given."""

from __future__ import annotations

import numpy as np

# An answer tells places, so that it asks where the picture's pixels lay.
PLACED = True


def shape(entry: dict) -> list[int]:
    """Returns the shape of the model's output for one sample."""
    count = len(entry["classes"])
    return [*entry["size"], 1 if count == 1 else count + 1]


def answer(output: np.ndarray, entry: dict) -> dict:
    """Returns what is where: shares of the picture, bounds, and runs.

    The mask is told in runs, row by row: how many pixels in a row have the
    same class, 0 for none of them, 1 for the first class.
    """
    mask = classes_of(output)
    placed = entry.get("placed", {}).get(entry["modality"])
    if placed is not None:
        mask = placed.undo(mask, 0)
    found = {}
    for place, name in enumerate(entry["classes"]):
        marked = mask == place + 1
        found[name] = {"share": float(marked.mean()), "bounds": bounds(marked)}
    return {"classes": found, "size": list(mask.shape), "runs": runs(mask)}


def classes_of(output: np.ndarray) -> np.ndarray:
    """Returns the class of each pixel; 0 is none."""
    if output.shape[-1] == 1:
        return (output[..., 0] > 0.5).astype(np.uint8)
    return output.argmax(axis=-1).astype(np.uint8)


def bounds(marked: np.ndarray) -> list[list[int]] | None:
    """Returns first and last index along each axis; None where nothing is."""
    if not marked.any():
        return None
    places = np.nonzero(marked)
    return [[int(p.min()), int(p.max())] for p in places]


def runs(mask: np.ndarray) -> list[list[int]]:
    """Returns `[class, pixels]` of each run, row by row."""
    flat = mask.ravel()
    starts = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
    lengths = np.diff(np.r_[starts, len(flat)])
    return [[int(flat[s]), int(n)] for s, n in zip(starts, lengths)]
