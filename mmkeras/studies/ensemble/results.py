"""Figures of members and ensemble, and the run that is written."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mmkeras.evaluation import predict
from mmkeras.metrics import finite
from mmkeras.runs import describe_run
from mmkeras.training import save_run

SPLITS = ("validation", "test")
RESULT = "ensemble.json"
Figures = dict[str, dict[str, float | None]]


def figures_of(
    targets: Mapping[str, Any],
    outputs: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    weights: Mapping[str, np.ndarray],
) -> Figures:
    """Returns each metric of each target, `{target: {metric: value}}`."""
    found = {}
    for name, target in targets.items():
        figures = target.figures(labels[name], outputs[name], weights[name])
        values = figures.values()
        found[name] = {key: finite(value) for key, value in values.items()}
    return found


def on_splits(model: keras.Model, data: Any) -> dict[str, Figures]:
    """Returns a model's metrics on the validation and the test split."""
    # Compiling would take longer than it saves.
    model.jit_compile = False
    return {
        split: figures_of(
            data.spec.targets, *predict(model, getattr(data, split))
        )
        for split in SPLITS
    }


def write_ensemble(
    out: str | Path,
    model: keras.Model,
    data: Any,
    result: Mapping[str, Any],
    recipe: dict[str, Any],
    seed: int = 0,
    history: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Writes the ensemble as a run, with `ensemble.json` beside its model.

    Args:
        out: Folder to write.
        model: The ensemble, one model.
        data: What it was made for.
        result: `{"method", "members": [...], "ensemble": {...}, ...}`.
        recipe: The first member's recipe, for `mmkeras evaluate`.
        seed: The seed it was made with.
        history: Rows of `history.csv`.

    Returns:
        The manifest.
    """
    rows = keras.callbacks.History()
    rows.epoch = list(range(len(history)))
    names = list(history[0]) if history else []
    rows.history = {name: [row[name] for row in history] for name in names}
    method = result["method"]
    fields = {
        **describe_run(data, recipe, method, seed),
        "ensemble": method,
    }
    return save_run(out, model, rows, results={RESULT: result}, **fields)


def table(result: Mapping[str, Any], targets: Mapping[str, Any]) -> str:
    """Returns members and ensemble as lines of text, one a model."""
    columns = [
        (split, name, target.headline)
        for name, target in sorted(targets.items())
        for split in SPLITS
    ]
    rows = [["", *(f"{n} {metric}, {split}" for split, n, metric in columns)]]
    everyone = [*result["members"], {"run": "ensemble", **result["ensemble"]}]
    for entry in everyone:
        cells = [entry[s][n].get(metric) for s, n, metric in columns]
        cells = ["–" if cell is None else f"{cell:.3f}" for cell in cells]
        rows.append([str(entry["run"]), *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0])]
            + [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    )
