"""Arguments of towers that come from the data: tokenizer, training rows."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mmkeras.escaping import say

# What a projection is fitted on. Axes of so many rows are those of all, and
# fit in memory however many there are.
MAX_ROWS = 50_000


def from_data(
    data: Any, name: str, max_rows: int = MAX_ROWS
) -> dict[str, Callable]:
    """Returns functions for what a tower may need of the data.

    Args:
        data: What `load_data` returns.
        name: Name of the modality.
        max_rows: Most samples that `rows` returns.

    Returns:
        `tokenizer`, which returns the path of its JSON, and `rows`, which
        returns the training samples that have the modality; of too many,
        some that are spread evenly.
    """
    return {
        "tokenizer": partial(data.tokenizer_path, name),
        "rows": partial(_rows, data, name, max_rows),
    }


def _rows(data: Any, name: str, max_rows: int) -> np.ndarray:
    rows, seen, optional = [], 0, data.spec.optional
    # Evenly spread, since a manifest may be sorted.
    step = -(-data.counts["train"] // max_rows)
    for x, _, _ in data.ordered("train"):
        there = np.arange(seen, seen + len(x[name])) % step == 0
        seen += len(there)
        if name in optional:
            there &= np.asarray(x["present"])[:, optional.index(name)] > 0
        rows.append(np.asarray(x[name])[there])
    found = np.concatenate(rows)
    if step > 1:
        say(
            f"`{name}`: its tower is fitted on {len(found):,} of {seen:,} "
            "training samples, spread evenly"
        )
    return found
