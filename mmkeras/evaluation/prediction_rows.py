"""What a model answers for each sample, as rows of a table."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mmkeras.evaluation.predict import Predicted
from mmkeras.metrics import has_label

# Columns of probabilities that a reader can still use.
MAX_CLASSES = 100


def prediction_rows(
    targets: Mapping[str, Any], predicted: Predicted, ids: Sequence[str]
) -> list[dict[str, Any]]:
    """Returns one row a sample, with or without a label.

    Its columns are `id`; by target the answer under the target's own name, as
    a manifest would hold it; `NAME/label`, empty where there is none; and
    `NAME/CLASS`, the probability of each class, of at most 100.

    Args:
        targets: Targets of a spec by name.
        predicted: What `predict` returned.
        ids: Names of the samples, in the order of the data set.

    Example:

    >>> prediction_rows(spec.targets, predict(model, data.test),
    ...                 data.ids("test"))[0]
    {'id': '17', 'digit': 'three', 'digit/label': '', 'digit/one': 0.01, ...}
    """
    rows: list[dict[str, Any]] = [{"id": name} for name in ids]
    for name, target in sorted(targets.items()):
        cells = _cells(target, *(part[name] for part in predicted))
        for row, (answer, label, chances) in zip(rows, cells, strict=True):
            row |= {name: answer, f"{name}/label": label}
            row |= {f"{name}/{key}": value for key, value in chances.items()}
    return rows


def _cells(
    target: Any, outputs: np.ndarray, labels: np.ndarray, weights: np.ndarray
) -> Iterator[tuple[str, str, dict[str, float]]]:
    known = has_label(weights)
    chances = _chances(target, outputs)
    for place, output in enumerate(outputs):
        label = ""
        if known[place]:
            label = target.label_cell(labels[place], weights[place])
        found = {}
        if chances is not None:
            row = chances[place].round(6).tolist()
            found = dict(zip(target.class_names, row, strict=True))
        yield target.answer_cell(output), label, found


def _chances(target: Any, outputs: np.ndarray) -> np.ndarray | None:
    """Returns `(samples, classes)` probabilities; None for other targets."""
    count = len(target.class_names)
    found = target.probabilities(outputs) if 0 < count <= MAX_CLASSES else None
    if found is None:
        return None
    if found.shape[1:] == (1, count):
        return found[:, 0]
    # Each class is a question, whose answers are no and yes.
    return found[:, :, 1] if found.shape[1:] == (count, 2) else None
