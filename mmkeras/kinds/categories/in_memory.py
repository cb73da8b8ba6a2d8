"""Several classes in memory: rows of 0 and 1, one place a class."""

from collections.abc import Callable
from typing import Any

from mmkeras.kinds.category.in_memory import marked


def cell(
    target: Any, column: str, value: Any, keep: Callable[[str, bytes], str]
) -> str | None:
    """Returns the classes of a row of 0 and 1; None for anything else."""
    names = marked(target, value)
    return None if names is None else target.join(names)
