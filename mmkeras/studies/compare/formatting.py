"""Figures and lists formatted for the report."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmkeras.evaluation.report import number_of
from mmkeras.metrics import describe

Entry = Mapping[str, Any]


def labels_of(fraction: float) -> str:
    """Returns "With all labels", or "With 10 % of the labels"."""
    if fraction == 1:
        return "With all labels"
    return f"With {share_of(fraction)} of the labels"


def share_of(fraction: float) -> str:
    """Returns "10 %"."""
    return f"{100 * fraction:.3g} %"


def value_of(entry: Entry, value: float) -> str:
    """Returns a figure as text, with its unit: "0.912", "4.1 mm"."""
    if describe(entry["metric"]).share:
        return f"{value:.3f}"
    return f"{number_of(value)} {entry['unit']}".strip()


def points(entry: Entry, value: float, named: bool = True) -> str:
    """Returns a difference: "4.7 points" of a share, else in its unit."""
    if not describe(entry["metric"]).share:
        text = f"{number_of(value)} {entry['unit'] if named else ''}"
        return text.strip()
    text = f"{100 * value:.1f}".replace("-0.0", "0.0")
    return f"{text} points" if named else text


def and_(parts: Sequence[str]) -> str:
    """Returns "a, b and c"."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
