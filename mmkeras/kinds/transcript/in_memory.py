"""Transcripts in memory: their symbols."""

from collections.abc import Callable
from typing import Any


def cell(
    target: Any, column: str, value: Any, keep: Callable[[str, bytes], str]
) -> str | None:
    """Returns the text of a list of symbols; None for anything else."""
    if not isinstance(value, list | tuple):
        return None
    if not all(isinstance(symbol, str) for symbol in value):
        raise ValueError("a list must hold the symbols of a text")
    return target.separator.join(value)
