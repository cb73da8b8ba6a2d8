"""Resuming a killed training, with bit-equal results.

A checkpoint holds all that a further epoch depends on: every variable of the
models and of the optimizer, states of random seeds included, the history, and
what callbacks remember. Which samples come next follows from how many passes
over the training split there were.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mmkeras import artefact
from mmkeras.training.stages.checkpoints import deciding, newest_whole, told
from mmkeras.training.stages.run_folder import STATE, read_state

# How the names of arrays begin.
VARIABLE, METRIC = "variable/", "metric/"


def variables_of(*owners: Any) -> list:
    """Returns the variables of models and optimizers, each once, in order."""
    found = {}
    for owner in owners:
        for variable in owner.variables:
            found.setdefault(id(variable), variable)
    return list(found.values())


def arrays_of(
    variables: Sequence, start: str = VARIABLE
) -> dict[str, np.ndarray]:
    """Returns the values of `variables` under their places."""
    return {
        f"{start}{place:06d}": keras.ops.convert_to_numpy(variable)
        for place, variable in enumerate(variables)
    }


def assign(
    variables: Sequence,
    arrays: Mapping[str, np.ndarray],
    start: str = VARIABLE,
) -> None:
    """Gives `variables` the values that `arrays_of` found.

    Raises:
        ValueError: If their number or a shape differs.
    """
    found = [arrays[k] for k in sorted(arrays) if k.startswith(start)]
    shapes = [tuple(value.shape) for value in found]
    wanted = [tuple(variable.shape) for variable in variables]
    if shapes != wanted:
        raise ValueError(
            "A checkpoint must fit what is trained. Received: "
            f"{len(shapes)} variables, where the model and its optimizer have "
            f"{len(wanted)}, or other shapes; `--restart` starts over"
        )
    for variable, value in zip(variables, found, strict=True):
        variable.assign(value)


def callback_states(
    callbacks: Sequence[Any],
) -> tuple[dict[str, np.ndarray], list]:
    """Returns what callbacks remember: arrays, and JSON values.

    A callback that has a memory has `state()` and `restore(state)`.
    """
    arrays, values = {}, []
    for place, callback in enumerate(callbacks):
        kept = {}
        if hasattr(callback, "state") and hasattr(callback, "restore"):
            for name, value in callback.state().items():
                if isinstance(value, np.ndarray):
                    arrays[f"callback/{place}/{name}"] = value
                else:
                    kept[name] = value
        values.append(kept)
    return arrays, values


def restore_callbacks(
    callbacks: Sequence[Any],
    arrays: Mapping[str, np.ndarray],
    values: Sequence[Mapping[str, Any]],
) -> None:
    """Gives callbacks back what `callback_states` found."""
    for place, callback in enumerate(callbacks):
        if not (hasattr(callback, "state") and hasattr(callback, "restore")):
            continue
        start = f"callback/{place}/"
        kept = {
            name.removeprefix(start): value
            for name, value in arrays.items()
            if name.startswith(start)
        }
        callback.restore({**values[place], **kept})


def json_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Returns the history as JSON can hold it: NaN and Inf as text."""
    return [
        {
            name: repr(value)
            if isinstance(value, float) and not math.isfinite(value)
            else value
            for name, value in row.items()
        }
        for row in rows
    ]


def restore_rows(history: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    """Gives a `CsvHistory` back the rows that `json_rows` kept."""
    history.rows[:] = [
        {
            name: float(value)
            if name != "stage" and isinstance(value, str)
            else value
            for name, value in row.items()
        }
        for row in rows
    ]


class Resumed(keras.callbacks.Callback):
    """Restores a checkpoint's state at the start of `fit`.

    The last of the callbacks, since others reset themselves at the start. Of
    a checkpoint within an epoch, all is restored once more when the epoch has
    begun, the sums of its metrics as well.
    """

    def __init__(self, callbacks, variables, checkpoint):
        super().__init__()
        self.callbacks = callbacks
        self.restored = variables
        self.checkpoint = checkpoint
        self.within = checkpoint["step"] > 0

    def on_epoch_begin(self, epoch, logs=None):
        if self.within:
            self.within = False
            self.on_train_begin()
            sums = self.model.metrics_variables
            assign(sums, self.checkpoint["arrays"], METRIC)

    def on_train_begin(self, logs=None):
        arrays = self.checkpoint["arrays"]
        assign(self.restored(), arrays)
        try:
            memories = self.checkpoint["callbacks"]
            restore_callbacks(self.callbacks, arrays, memories)
        except (LookupError, TypeError, ValueError) as error:
            raise ValueError(
                "A checkpoint must hold what each callback remembers. "
                f"Received: {type(error).__name__}: {error}; `--restart` "
                "starts over"
            ) from None


def fingerprint(
    strategy: Any,
    model: keras.Model,
    data: Any,
    seed: int | None,
    identity: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Returns what must be the same for a training to be resumed."""
    shapes = repr([tuple(weight.shape) for weight in model.weights])
    found = {
        "strategy": type(strategy).__name__,
        "settings": deciding(strategy),
        "seed": seed,
        "weights": hashlib.sha256(shapes.encode()).hexdigest()[:16],
        **(identity or {}),
    }
    manifest = getattr(data, "manifest", None)
    if manifest is not None:
        found["spec"] = manifest.get("spec")
        found["vocabularies"] = dict(getattr(data, "vocabularies", {}))
        found["data_sha256"] = artefact.sha256_of(
            Path(data.folder) / artefact.MANIFEST
        )
    # A file of another content changes batches as another setting does.
    if files := getattr(data, "augment_files", None):
        found["augment_files"] = dict(files)
    labels = getattr(data, "labels", None)
    if labels is not None:
        found["labels_sha256"] = labels.sha256
    return _plain(found)


def _plain(value: Any) -> Any:
    """Returns `value` as JSON gives it back."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """Returns a line for each field in which two fingerprints differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        lines = []
        for key in sorted({*old, *new}):
            inner = f"{name}.{key}" if name else key
            lines += differences(
                old.get(key, "not set"), new.get(key, "not set"), inner
            )
        return lines
    return [] if old == new else [f"`{name}`: {old!r} -> {new!r}"]


def check_same(
    folder: Path, old: Mapping[str, Any], new: Mapping[str, Any]
) -> None:
    """Raises ValueError if a training was started with other settings."""
    lines = differences(old, new)
    if lines:
        shown = "; ".join(line[:300] for line in lines[:10])
        raise ValueError(
            f"`{folder}` must be resumed with the settings it was started "
            "with. Received: "
            f"{shown}. `--restart` (`resume=False`) starts over"
        )


def find_checkpoint(
    out: Path,
    wanted: Mapping[str, Any],
    earlier: Callable[[Mapping[str, Any]], list[Path]] = lambda progress: [],
) -> dict[str, Any] | None:
    """Returns the newest complete checkpoint of `out`, to resume from.

    Args:
        out: Folder of the run.
        wanted: What must be the same.
        earlier: Returns the folders of the stages that had ended at some
            progress, which must be whole too.

    Returns:
        Its manifest's `progress`, with `arrays`; None where there is none.

    Raises:
        ValueError: If it was started with other data or settings, or there
            are checkpoints and none is whole.
    """

    def read(folder: Path) -> tuple[dict, dict | None]:
        manifest = artefact.read_manifest(folder, "checkpoint")
        if manifest.get("progress") is None:
            return manifest, None
        if STATE not in manifest["files"]:
            raise ValueError(
                f"`{folder / artefact.MANIFEST}` must list `{STATE}`. "
                "Received: a manifest that does not"
            )
        for stage in earlier(manifest["progress"]):
            artefact.read_manifest(stage, "run")
        return manifest, read_state(folder)

    found, broken = newest_whole(out / "checkpoints", read)
    if found is None:
        if not broken:
            return None
        raise ValueError(
            f"`{out / 'checkpoints'}` must hold a whole checkpoint to be "
            f"resumed. Received: {told(broken)}. They stay as they are; "
            "`--restart` (`resume=False`) removes them and starts over"
        )
    folder, (manifest, arrays) = found
    if arrays is None:
        raise ValueError(
            f"`{folder}` must hold `{STATE}` to be resumed. Received: a "
            "checkpoint of the model alone; `--restart` starts over"
        )
    check_same(out, manifest["fingerprint"], wanted)
    begin = {"step": 0, "validating": False}
    return {**begin, **manifest["progress"], "arrays": arrays}


def forget(out: Path) -> None:
    """Removes the checkpoints of an older training into `out`."""
    artefact.clear_inside(out, "checkpoints/epoch-*")


def forget_stages(out: Path, kept: Sequence[str]) -> None:
    """Removes stages of an older training into `out`, but for some names."""
    for place in (out / "stages").glob("*"):
        if place.name not in kept:
            artefact.clear_inside(out, f"stages/{place.name}")
