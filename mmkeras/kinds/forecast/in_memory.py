"""The next steps of a series in memory: a list of numbers."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np


def cell(
    target: Any, column: str, value: Any, keep: Callable[[str, bytes], str]
) -> str | None:
    """Returns the list of an array; NaN is a step that is missing."""
    array = np.asarray(value, "float64")
    flat = [None if np.isnan(one) else one for one in array.ravel().tolist()]
    nested = np.array(flat, object).reshape(array.shape).tolist()
    return json.dumps(nested)
