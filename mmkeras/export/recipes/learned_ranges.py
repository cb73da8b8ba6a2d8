"""Ranges learned in quantization-aware training, kept for the tasks."""

from pathlib import Path
from typing import Any

import numpy as np

FILE = "learned.npz"


def plain(model: Any) -> tuple[Any, Any]:
    """Returns the model to convert, and the one that knows its ranges or None.

    Args:
        model: Any model; one of `quantize_aware` is taken apart.
    """
    from mmkeras.compress.quantization.layer import QuantizeAware
    from mmkeras.compress.quantization.wrapping import strip_quantization

    if any(isinstance(layer, QuantizeAware) for layer in model.layers):
        return strip_quantization(model), model
    return model, None


def save_ranges(aware: Any, source: Path, folder: Path) -> None:
    """Writes the range of each tensor of a float file that was learned."""
    from mmkeras.compress.quantization.ranges import file_ranges

    ranges, _ = file_ranges(aware, source)
    arrays = {
        f"{end} {name}": value
        for name, entry in ranges.items()
        for end, value in entry.items()
    }
    np.savez(folder / FILE, **arrays)


def load_ranges(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    """Returns what `save_ranges` wrote; nothing if it was not called."""
    path = folder / FILE
    found: dict[str, dict[str, np.ndarray]] = {}
    if path.is_file():
        with np.load(path, allow_pickle=False) as file:
            for key in file.files:
                end, _, name = key.partition(" ")
                found.setdefault(name, {})[end] = file[key]
    return found
