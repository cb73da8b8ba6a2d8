"""Classes of steps in memory: their places among the classes."""

from collections.abc import Callable
from typing import Any

import numpy as np


def cell(
    target: Any, column: str, value: Any, keep: Callable[[str, bytes], str]
) -> str | None:
    """Returns the classes of whole numbers, below 0 unknown; else None."""
    array = np.asarray(value)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        return None
    if {*map(str, array.tolist())} <= {*target.classes}:
        return None
    if array.max(initial=0) >= len(target.classes):
        raise ValueError(f"there is no class {array.max()}")
    return target.join([target.classes[i] if i >= 0 else "" for i in array])
