"""Spans in memory: a list of dicts or of triples."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np


def cell(
    target: Any, column: str, value: Any, keep: Callable[[str, bytes], str]
) -> str | None:
    """Returns the JSON of spans, or tags a word; None for anything else."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple | dict):
        return None
    if value and all(isinstance(one, str) for one in value):
        return " ".join(value)
    try:
        return json.dumps(value, default=_plain)
    except (TypeError, ValueError):
        raise ValueError(
            "spans must be dicts with start, end and label, or triples of them"
        ) from None


def _plain(value: Any) -> Any:
    """Returns a number of NumPy as Python's."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(type(value).__name__)
