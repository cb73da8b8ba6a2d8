"""Classes in memory: rows of 0 and 1, one place a class."""

from collections.abc import Callable
from typing import Any

import numpy as np


def cell(
    target: Any, column: str, value: Any, keep: Callable[[str, bytes], str]
) -> str | None:
    """Returns the class of a row of 0 and 1; None for anything else."""
    names = marked(target, value)
    if names is not None and len(names) != 1:
        raise ValueError(f"a row of 0 and 1 must have one 1; it has {names}")
    return None if names is None else names[0]


def marked(target: Any, value: Any) -> list[str] | None:
    """Returns the classes that a row of 0 and 1 marks; None for others."""
    if isinstance(value, list | tuple):
        value = np.array(value, object)
    if (
        not isinstance(value, np.ndarray)
        or value.shape != (len(target.classes),)
        or not all(type(one) is not str and one in (0, 1) for one in value)
    ):
        return None
    return [n for n, one in zip(target.classes, value, strict=True) if one]
