"""A clip in the report of the data."""

from typing import Any

import numpy as np

from mmkeras.kinds.image.profile import picture_hash
from mmkeras.spec import Fingerprint, Profile


def profile(modality: Any, frames: np.ndarray, learned: Any) -> Profile:
    """Returns lightness and contrast in 0 to 1, and how much changes.

    `change` is the mean difference between frames, 0 where they stand still.
    """
    values = frames.astype(np.float32) / 255
    change = np.abs(np.diff(values, axis=0)).mean() if len(values) > 1 else 0
    return Profile(
        {
            "lightness": float(values.mean()),
            "contrast": float(values.std()),
            "change": float(change),
        }
    )


def profile_source(modality: Any, cells: Any, io: Any) -> dict[str, float]:
    """Returns the size of the file."""
    with io.open(cells[modality.column]) as file:
        return {"file_kb": file.seek(0, 2) / 1000}


def fingerprint(
    modality: Any, frames: np.ndarray, learned: Any
) -> Fingerprint | None:
    """Returns the perceptual hashes of the first, middle and last frame."""
    chosen = [frames[0], frames[len(frames) // 2], frames[-1]]
    found = [picture_hash(frame) for frame in chosen]
    if None in found:
        return None
    places = np.concatenate([one.places for one in found])
    return Fingerprint(places, found[0].alike)
