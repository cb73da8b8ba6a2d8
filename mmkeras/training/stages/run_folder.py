"""The folder of a run: the trained model, its history, their manifest."""

import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mmkeras import artefact
from mmkeras.training.trainable.lora import merged
from mmkeras.training.trainable.precision import stored_as_float32

STATE, RECIPE = "state.npz", "recipe.toml"
# Grows while a run is trained.
HISTORY = "logs/history.csv"
FLOAT32_BYTES = 4
# What HDF5 and NumPy write about one array, beside its values.
HEADER_BYTES = 4096
# Folders inside a run that are made of it, the innermost first.
INSIDE = ("checkpoints/epoch-*", "stages/*", "evaluation", "measured")


def forget_runs(folder: Path, place: str) -> None:
    """Removes runs in a folder, but for what is not ours.

    Args:
        folder: The folder; it stays.
        place: Where they are in it, such as `members/*`.
    """
    patterns = [f"{place}/{inside}" for inside in INSIDE]
    artefact.clear_inside(folder, *patterns, place)


def non_finite(model: keras.Model) -> str | None:
    """Returns the path of the first weight with NaN or Inf, or None."""
    for weight in model.weights:
        if "float" not in str(weight.dtype):
            continue
        values = keras.ops.convert_to_numpy(weight)
        # bfloat16 is no NumPy type of its own.
        if not np.isfinite(values.astype("float32", copy=False)).all():
            return weight.path
    return None


def check_finite(model: keras.Model) -> None:
    """Raises ValueError if a weight of `model` is NaN or infinite."""
    path = non_finite(model)
    if path is not None:
        raise ValueError(
            "The weights of a model that is saved must be finite. Received: "
            f"NaN or Inf in `{path}`; train again with a lower "
            "`learning_rate`, or with `clip_norm=1.0`"
        )


def check_room(
    out: str | Path, model: keras.Model, checkpoints: int, stages: int = 0
) -> None:
    """Raises OSError unless all that a training saves would fit into `out`.

    Args:
        out: Folder of the run.
        model: The whole model.
        checkpoints: How many are kept; one more is there while it is saved.
        stages: How many leave a run of their own.
    """
    one = sum(
        FLOAT32_BYTES * math.prod(weight.shape) + HEADER_BYTES
        for weight in model.weights
    )
    # A model is saved with AdamW's two moments of each weight; a checkpoint
    # holds all of that twice, once as `state.npz`, and a stage's state its own
    # model beside the whole one.
    copies = 6 * (checkpoints + 1) + 5 * stages + 3
    artefact.check_room(out, "checkpoints, stages and the model", copies * one)


def save_model(model: keras.Model, path: str | Path) -> None:
    """Saves `model` with LoRA merged and in float32, as it is exported."""
    with merged(model), stored_as_float32(model):
        model.save(path)


def write_state(folder: str | Path, arrays: Mapping[str, np.ndarray]) -> str:
    """Writes `state.npz` into `folder`; returns its name."""
    with artefact.atomic(Path(folder) / STATE) as temporary:
        artefact.write_arrays(temporary, arrays)
    return STATE


def read_state(folder: str | Path) -> dict[str, np.ndarray]:
    """Reads `state.npz` of a folder whose manifest was checked.

    Raises:
        ValueError: If it is no file of arrays, or holds objects.
    """
    path = Path(folder) / STATE
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"`{path}` must hold arrays. Received: {error}"
        ) from None


def history_of(
    rows: Sequence[Mapping[str, Any]], model: keras.Model
) -> keras.callbacks.History:
    """Returns `rows` as Keras' own history; None where a row has no figure."""
    history = keras.callbacks.History()
    history.set_model(model)
    history.epoch = [row["epoch"] - 1 for row in rows]
    names = list(dict.fromkeys(name for row in rows for name in row))
    history.history = {
        name: [row.get(name) for row in rows]
        for name in names
        if name != "epoch"
    }
    return history


def write_history(path: str | Path, history: keras.callbacks.History) -> None:
    """Writes what `fit` returned as CSV, one epoch a row."""
    rows = [{"epoch": epoch + 1} for epoch in history.epoch]
    for name, values in history.history.items():
        for row, value in zip(rows, values, strict=True):
            row[name] = "" if value is None else value
    artefact.write_csv(path, rows)


def save_run(
    out: str | Path,
    model: keras.Model,
    history: keras.callbacks.History,
    *,
    recipe_file: str | Path | None = None,
    state: Mapping[str, np.ndarray] | None = None,
    results: Mapping[str, Any] | None = None,
    **fields: Any,
) -> dict:
    """Writes `model.keras`, `history.csv` and, last, `manifest.json`.

    An older run in the folder stays until all of the new one is there.

    Args:
        out: Folder of the run; new, empty, or of an older run.
        model: The trained model.
        history: What `fit` returned.
        recipe_file: The recipe's TOML, which becomes `recipe.toml`.
        state: Arrays of `state.npz`, for a stage that others go on from.
        results: Further files by name, JSON values.
        **fields: Further entries of the manifest, JSON values only, such as
            `seed`, `strategy` and `data`.

    Returns:
        The manifest.

    Raises:
        ValueError: If a weight is NaN or infinite, or the folder is not
            ours; nothing is written then.
        OSError: If `out` cannot be written; an older run stays as it was.

    Example:

    >>> history = FullFineTune(epochs=5).fit(model, data, heads)
    >>> manifest = save_run("runs/first", model, history, seed=0)
    >>> sorted(manifest["files"])
    ['history.csv', 'model.keras']
    """
    check_finite(model)
    if settled := getattr(history, "settled", None):
        fields = {"settled": settled, **fields}
    files, results = ["model.keras", "history.csv"], results or {}
    files += [RECIPE] * (recipe_file is not None)
    files += [STATE] * (state is not None)
    kind = "ensemble" if "ensemble" in fields else "run"
    with (
        artefact.writing(out, "the model"),
        artefact.replacing(out, kind, [*files, *results]) as new,
    ):
        with artefact.atomic(new / "model.keras") as temporary:
            save_model(model, temporary)
        write_history(new / "history.csv", history)
        if recipe_file is not None:
            artefact.copy_file(recipe_file, new / RECIPE)
        if state is not None:
            write_state(new, state)
        for name, value in results.items():
            artefact.write_json(new / name, value)
        return artefact.write_manifest(new, "run", [*files, *results], **fields)
