"""Reads whether a sample is known to be normal or abnormal."""

from collections.abc import Mapping
from typing import Any

from mmkeras.spec import Label

UNKNOWN, NORMAL = -1, 0


def read(target: Any, cells: Mapping[str, str], io: Any, samples: Any) -> Label:
    """Returns 0 normal, k the k-th abnormal name, below 0 unknown.

    A name that is neither has weight 0.
    """
    cell = "" if target.column is None else cells[target.column].strip()
    if not cell:
        return Label(UNKNOWN, 1.0)
    if cell in target.normal:
        return Label(NORMAL, 1.0)
    if target.abnormal is None:
        return Label(1, 1.0)
    if cell in target.abnormal:
        return Label(target.abnormal.index(cell) + 1, 1.0)
    return Label(UNKNOWN, 0.0, {"neither_normal_nor_abnormal": 1})


def sums(target: Any, label: Label) -> dict[str, Any]:
    """Counts what is known."""
    value = int(label.value)
    return {
        "normal": float(value == NORMAL),
        "abnormal": float(value > NORMAL),
        "unknown": float(value < NORMAL),
    }


def finish(target: Any, found: dict[str, Any] | None) -> dict[str, Any]:
    """Returns how many training samples are known to be what."""
    return {f"{name}_samples": int(n) for name, n in (found or {}).items()}
