"""Pictures on the device: PNG or JPEG, brought to the model's size.

What is read here is what `prepare` reads; what it reads and this does not is
refused. Another size needs Pillow, as JPEG does.
"""

from __future__ import annotations

import numpy as np
from picture import place_picture, read_picture

# The options of the runner that can be for such an input.
LIVE = ("camera",)


def read(path: str, entry: dict) -> np.ndarray:
    """Returns a picture, `(height, width, channels)` of uint8."""
    return read_picture(path, entry["shape"], entry.get("resize"))


def place(path: str, entry: dict) -> object:
    """Returns where the pixels of a picture come to lie."""
    return place_picture(path, entry["shape"], entry.get("resize"))


def draw(entry: dict, count: int, rng: np.random.Generator) -> np.ndarray:
    """Returns noise as the model reads pictures, to compare machines by."""
    return rng.integers(0, 256, (count, *entry["shape"]), dtype=np.uint8)
