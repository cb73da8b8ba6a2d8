"""A row of a table in the report of the data."""

from typing import Any

import numpy as np

from mmkeras.kinds.vector import MISSING
from mmkeras.spec import Profile

# Numbers of a list that are looked at one by one.
MAX_COLUMNS = 64


def profile(modality: Any, row: np.ndarray, learned: Any) -> Profile:
    """Returns the cells by column; of a long list its length and gaps."""
    numbers = row[: len(row) - len(modality.categorical)]
    names = modality.columns
    if modality.column and len(numbers) <= MAX_COLUMNS:
        names = [f"{modality.column}[{i}]" for i in range(len(numbers))]
    summary = {}
    if len(numbers):
        summary["missing_share"] = float(np.isnan(numbers).mean())
    if modality.column:
        known = np.nan_to_num(numbers.astype(float))
        summary["norm"] = float(np.sqrt(np.sum(np.square(known))))
    indices = row[len(numbers) :].tolist()
    categories = {
        column: None if index == MISSING else int(index)
        for column, index in zip(modality.categorical, indices, strict=True)
    }
    columns = dict(zip(names, numbers.tolist(), strict=False))
    return Profile(summary, columns, categories)


def vocabulary_sizes(modality: Any, learned: Any) -> dict[str, int] | None:
    """Returns how many categories are known, by column."""
    known = learned.categories if learned else {}
    return {column: len(names) for column, names in known.items()}
