"""Predictions of a model for the pool, of all modalities and of each alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmkeras.studies.label.pool import Pool


def predict_pool(model: Any, pool: Pool) -> tuple:
    """Returns predictions of all modalities, and of each modality alone.

    Returns:
        Places of the samples in the pool; outputs by target; outputs of each
        modality that can be predicted from alone, by modality and target; and,
        by modality, which samples have it.
    """
    optional, names = pool.spec.optional, sorted(pool.spec.modalities)
    alone = [
        name
        for name in names
        if len(names) > 1 and not set(names) - {name} - set(optional)
    ]
    places: list[np.ndarray] = []
    found: dict[str | None, list] = {name: [] for name in (None, *alone)}
    present: dict[str, list] = {name: [] for name in alone}
    for rows, x in pool.batches():
        places.append(rows)
        x = {name: np.asarray(value) for name, value in x.items()}
        for name in found:
            inputs = x if name is None else only(x, name, optional)
            found[name].append(model.predict_on_batch(inputs))
        for name in alone:
            here = np.ones(len(rows), bool)
            if name in optional:
                here = x["present"][:, optional.index(name)] > 0
            present[name].append(here)
    outputs = {name: _concatenated(parts) for name, parts in found.items()}
    return (
        np.concatenate(places) if places else np.zeros(0, int),
        outputs.pop(None),
        outputs,
        {
            name: np.concatenate([np.zeros(0, bool), *parts])
            for name, parts in present.items()
        },
    )


def only(
    x: Mapping[str, np.ndarray], name: str, optional: Sequence[str]
) -> dict[str, np.ndarray]:
    """Returns `x` with no optional modality but `name`."""
    found = dict(x)
    found["present"] = x["present"].copy()
    for column, other in enumerate(optional):
        if other != name:
            found[other] = np.zeros_like(x[other])
            found["present"][:, column] = 0
    return found


def _concatenated(parts: list[dict]) -> dict[str, np.ndarray]:
    return {
        name: np.concatenate([np.asarray(part[name]) for part in parts])
        for name in (parts[0] if parts else ())
    }
