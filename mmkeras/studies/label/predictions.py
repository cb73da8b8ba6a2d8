"""What a model says of each sample, and what each modality says alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmkeras.studies.label.pool import Pool


def answer(model: Any, pool: Pool) -> tuple:
    """Returns what the model says of each sample, and each modality alone.

    Returns:
        Places of the samples in the pool; outputs by target; outputs of each
        modality that can be asked alone, by modality and target; and, by
        modality, which samples have it.
    """
    optional, names = pool.spec.optional, sorted(pool.spec.modalities)
    voters = [
        name
        for name in names
        if len(names) > 1 and not set(names) - {name} - set(optional)
    ]
    places: list[np.ndarray] = []
    found: dict[str | None, list] = {name: [] for name in (None, *voters)}
    present: dict[str, list] = {name: [] for name in voters}
    for rows, x in pool.batches():
        places.append(rows)
        x = {name: np.asarray(value) for name, value in x.items()}
        for name in found:
            asked = x if name is None else only(x, name, optional)
            found[name].append(model.predict_on_batch(asked))
        for name in voters:
            here = np.ones(len(rows), bool)
            if name in optional:
                here = x["present"][:, optional.index(name)] > 0
            present[name].append(here)
    joined = {name: _joined(parts) for name, parts in found.items()}
    return (
        np.concatenate(places) if places else np.zeros(0, int),
        joined.pop(None),
        joined,
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


def _joined(parts: list[dict]) -> dict[str, np.ndarray]:
    return {
        name: np.concatenate([np.asarray(part[name]) for part in parts])
        for name in (parts[0] if parts else ())
    }
