"""Films on the device: as many frames as the model takes."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from picture import read_picture
from validation import read_npy, refuse


def read(path: str, entry: dict) -> np.ndarray:
    """Reads frames: an .npy of them, or a folder of pictures by name.

    Returns:
        `(frames, height, width, channels)` of uint8.
    """
    shape = entry["shape"]
    if not Path(path).is_dir():
        frames = read_npy(path)
        # Another shape is refused further on, before it fills the memory.
        return np.array(frames) if list(frames.shape) == shape else frames
    found = (p for p in Path(path).iterdir() if p.name[0] != ".")
    # A folder may hold more than can be listed.
    names = sorted(itertools.islice(found, shape[0] + 1000))
    if len(names) != shape[0]:
        refuse(f"`{path}`", f"a folder of {shape[0]} frames", len(names))
    return np.stack([read_picture(str(name), shape[1:]) for name in names])


def draw(entry: dict, count: int, rng: np.random.Generator) -> np.ndarray:
    """Returns noise as the model reads films, to compare machines by."""
    return rng.integers(0, 256, (count, *entry["shape"]), dtype=np.uint8)
