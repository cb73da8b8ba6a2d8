"""A row of a table in a report."""

import numpy as np

from mmkeras.reporting import numbers


def show(modality, row, learned) -> dict[str, str]:
    """Shows missing cells as a dash, and each category by its index."""
    known = len(row) - len(modality.categorical)
    cells = list(row[:known])
    for column, value in zip(modality.categorical, row[known:], strict=True):
        index = int(np.nan_to_num(value))
        cells.append(f"{column}: {_category(index)}")
    return {"text": numbers(cells)}


def _category(index: int) -> str:
    return {0: "–", 1: "?"}.get(index, f"#{index - 1}")
