"""Arguments of towers that come from the data: tokenizer, training rows."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np


def from_data(data: Any, name: str) -> dict[str, Callable]:
    """Returns functions for what a tower may need of the data.

    Args:
        data: What `load_data` returns.
        name: Name of the modality.

    Returns:
        `tokenizer`, which returns the path of its JSON, and `rows`, which
        returns the training samples that have the modality.
    """
    return {
        "tokenizer": partial(data.tokenizer_path, name),
        "rows": partial(_rows, data, name),
    }


def _rows(data: Any, name: str) -> np.ndarray:
    rows, optional = [], data.spec.optional
    for x, _, _ in data.ordered("train"):
        row = np.asarray(x[name])
        if name in optional:
            row = row[np.asarray(x["present"])[:, optional.index(name)] > 0]
        rows.append(row)
    return np.concatenate(rows)
