"""Ranges learned in quantization-aware training, kept beside a float file."""

from pathlib import Path
from typing import Any

import numpy as np

from mmkeras import artefact

Ranges = dict[str, dict[str, np.ndarray]]
ENDS = ("min", "max")


def plain(model: Any) -> tuple[Any, Any]:
    """Returns the model to convert, and the one that knows its ranges or None.

    Args:
        model: Any model; one of `quantize_aware` is taken apart.
    """
    from mmkeras.compress import strip_quantization
    from mmkeras.compress.quantization.layer import QuantizeAware

    if any(isinstance(layer, QuantizeAware) for layer in model.layers):
        return strip_quantization(model), model
    return model, None


def save_ranges(aware: Any, source: Path, path: Path) -> None:
    """Writes the range of each tensor of a float file that was learned.

    Args:
        aware: The model that knows the ranges.
        source: The float file made of it.
        path: The `.npz` file to write.
    """
    from mmkeras.compress import file_ranges

    ranges, _ = file_ranges(aware, source)
    names = np.array(list(ranges))
    ends = {
        f"{end}_{i}": entry[end]
        for i, entry in enumerate(ranges.values())
        for end in ENDS
    }
    artefact.write_arrays(path, {"names": names, **ends})


def load_ranges(path: Path | None) -> Ranges:
    """Returns what `save_ranges` wrote; nothing without a file."""
    if path is None:
        return {}
    with np.load(path, allow_pickle=False) as file:
        return {
            str(name): {end: file[f"{end}_{i}"] for end in ENDS}
            for i, name in enumerate(file["names"])
        }
