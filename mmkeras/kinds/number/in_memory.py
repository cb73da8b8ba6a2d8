"""A number in memory, also as an array of one."""

from collections.abc import Callable
from typing import Any

import numpy as np


def cell(
    target: Any, column: str, value: Any, keep: Callable[[str, bytes], str]
) -> str | None:
    """Returns the number of an array that has one."""
    array = np.asarray(value)
    return str(array.reshape(-1)[0]) if array.size == 1 else None
