"""Checkpoints that survive a kill: written whole, or not at all."""

import re
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import keras
import numpy as np

from mmkeras import artefact
from mmkeras.arguments import check_number, check_positive
from mmkeras.escaping import say
from mmkeras.training.stages.run_folder import (
    HISTORY,
    RECIPE,
    STATE,
    non_finite,
    save_model,
    write_state,
)

# Folders of a training that runs.
PARTS = ("checkpoints", "logs", "stages")
PREFIX = "epoch-"
STEP = "-step-"
NAME = re.compile(rf"{PREFIX}(\d+)(?:{STEP}(\d+))?", re.ASCII)
Found = TypeVar("Found")


class AtomicCheckpoint(keras.callbacks.Callback):
    """Saves model and optimizer after each epoch, whole or not at all.

    Each checkpoint is a folder `epoch-0001`, or `epoch-0002-step-000100` within
    the second epoch, with `model.keras` and a `manifest.json`, written last,
    with their hashes. A process killed at any
    moment leaves the checkpoint before, or this one. A model with NaN or
    infinite weights is never saved, so that the last good one stays.

    Args:
        folder: Folder of the checkpoints.
        keep: How many are kept.
        model: The model that is saved; the one being trained by default.
        state: What a resumed training needs beside the model: a function
            without arguments to `(arrays, fields)`, the latter JSON values
            for the manifest; None saves the model alone. Within an epoch,
            `step` is the number of its steps that are done, else 0.
        share: The largest share of the time that saving may take. An epoch
            that ends too soon for it is left out, but for the first and the
            last of a `fit`; 1 saves each epoch.
        every_sec: Seconds after which a longer epoch is saved within; None
            for never.

    Attributes:
        saved: Epochs that are done, and steps of the next, of the last
            checkpoint that was saved; None before the first.

    Example:

    >>> model.fit(data.train, callbacks=[AtomicCheckpoint("checkpoints")])
    >>> folder = latest_checkpoint("checkpoints")
    >>> model = mmkeras.load_model(folder / "model.keras")
    """

    def __init__(
        self,
        folder: str | Path,
        keep: int = 2,
        model: keras.Model | None = None,
        state: Callable[[], tuple[dict, dict]] | None = None,
        share: float = 1.0,
        every_sec: float | None = None,
    ):
        super().__init__()
        check_positive(keep=keep)
        if every_sec is not None:
            check_number("every_sec", every_sec, above=0)
        check_number("share", share, above=0, most=1)
        self.folder = Path(folder)
        self.keep = keep
        self.share = share
        self.every_sec = every_sec
        self.step = 0
        self.saved: tuple[int, int] | None = None
        self._saved_model = model
        self._state = state
        self._rest_until = 0.0
        self._saved_sec = time.monotonic()

    def on_train_begin(self, logs=None):
        self._rest_until = 0.0
        self._saved_sec = time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        for place in _checkpoints(self.folder):
            artefact.sweep(place)

    def on_epoch_end(self, epoch, logs=None):
        last = epoch + 1 == (self.params or {}).get("epochs")
        last = last or getattr(self.model, "stop_training", False)
        if time.monotonic() >= self._rest_until or last:
            self.save(epoch + 1)

    def is_due(self) -> bool:
        """Whether it is time for a checkpoint within the epoch."""
        now = time.monotonic()
        if self.every_sec is None or now - self._saved_sec < self.every_sec:
            return False
        return now >= self._rest_until

    def save(self, epoch: int, step: int = 0) -> None:
        """Saves now, after so many epochs, and steps of the next one.

        A model with NaN or infinite weights is not saved.
        """
        start = time.monotonic()
        # Asking for it brings the variables up to date on every backend.
        trained = self.model
        model = self._saved_model or trained
        if _is_taken(place_of(self.folder, epoch, step)):
            return
        if non_finite(model) is None:
            # The balance of several targets is no weight of the model.
            state = getattr(trained, "balance_state", None)
            fields = {} if state is None else {"balance": state()}
            self.step = step
            arrays, more = self._state() if self._state else ({}, {})
            save_checkpoint(
                self.folder, model, epoch, arrays, step, **fields, **more
            )
            self._forget((epoch, step))
            self.saved = epoch, step
        self._saved_sec = end = time.monotonic()
        # As long as makes the save, within save and rest, this share.
        self._rest_until = end + (end - start) * (1 / self.share - 1)

    def _forget(self, place):
        found = _checkpoints(self.folder)
        # Later ones are of an older run into the same folder.
        kept = [f for f in found if _done_at(f) <= place][: self.keep]
        for folder in set(found) - set(kept):
            artefact.clear(folder, "checkpoint")


def save_checkpoint(
    folder: str | Path,
    model: keras.Model,
    epoch: int,
    arrays: Mapping[str, np.ndarray] | None = None,
    step: int = 0,
    **fields: Any,
) -> Path:
    """Saves `model` after `epoch` epochs, and `step` steps; returns where.

    `arrays` become its `state.npz`; `fields`, further entries of its manifest.
    """
    place = place_of(Path(folder), epoch, step)
    with artefact.writing(place, "the model"):
        artefact.claim(place, "checkpoint", ["model.keras", STATE])
        with artefact.atomic(place / "model.keras") as temporary:
            save_model(model, temporary)
        files = ["model.keras"]
        if arrays:
            files.append(write_state(place, arrays))
        artefact.write_manifest(
            place, "checkpoint", files, epoch=epoch, step=step, **fields
        )
    return place


def deciding(strategy: Any) -> dict[str, Any]:
    """Returns the settings that what is trained depends on.

    How often it is saved may be another when it goes on.
    """
    found = asdict(strategy)
    found.pop("checkpoint_every_sec", None)
    return found


def adopt_earlier(out: Path) -> None:
    """Takes over a training that an earlier version left half done.

    It wrote no marker: `out` is known as ours by the manifests of its
    checkpoints, where nothing lies beside them that is no part of a training.
    """
    if not out.is_dir() or artefact.kind_of(out) is not None:
        return
    there = {path.name for path in out.iterdir()} - {artefact.LOCK}
    places = _checkpoints(out / "checkpoints")
    kinds = {artefact.kind_of(place) for place in places}
    if kinds == {"checkpoint"} and there <= {*PARTS, RECIPE}:
        artefact.adopt(out, "run", [HISTORY, *({RECIPE} & there)])
        say(f"{out}: a training that an earlier version began")


def latest_checkpoint(folder: str | Path) -> Path | None:
    """Returns the folder of the newest whole checkpoint, or None.

    Newer ones that are damaged are skipped, with one warning that names them;
    so are all, where none is whole.
    """
    found, broken = newest_whole(
        Path(folder), lambda place: artefact.read_manifest(place, "checkpoint")
    )
    if found is None and broken:
        warnings.warn(
            f"`{folder}` has no whole checkpoint: {told(broken)}", stacklevel=2
        )
    return None if found is None else found[0]


def newest_whole(
    folder: Path, read: Callable[[Path], Found]
) -> tuple[tuple[Path, Found] | None, dict[Path, Exception]]:
    """Returns the newest checkpoint that can be read, and what is damaged.

    Newer ones that cannot are told in one warning.

    Args:
        folder: Folder of the checkpoints.
        read: Returns what a checkpoint holds; a ValueError or OSError says
            that it is damaged.
    """
    broken: dict[Path, Exception] = {}
    for place in _checkpoints(folder):
        # A save that was killed before its manifest is no damage.
        if not (place / artefact.MANIFEST).exists():
            continue
        try:
            found = read(place)
        except (ValueError, OSError) as error:
            broken[place] = error
            continue
        if broken:
            warnings.warn(
                f"`{place}` is used, since what is newer is damaged: "
                f"{told(broken)}",
                stacklevel=3,
            )
        return (place, found), broken
    return None, broken


def told(broken: Mapping[Path, Exception]) -> str:
    """Returns which checkpoints are damaged, and how."""
    return "; ".join(f"`{path}`: {error}" for path, error in broken.items())


def _checkpoints(folder: Path) -> list[Path]:
    """Returns the checkpoints in `folder`, newest first.

    A file or a link of such a name is none of ours.
    """
    found = [
        place
        for place in folder.glob(f"{PREFIX}*")
        if NAME.fullmatch(place.name)
        and place.is_dir()
        and not place.is_symlink()
    ]
    return sorted(found, key=_done_at, reverse=True)


def _is_taken(place: Path) -> bool:
    """Warns where something that is not ours has a checkpoint's name."""
    try:
        artefact.check_out(place, "checkpoint")
    except ValueError as error:
        warnings.warn(
            f"`{place}` is no checkpoint of ours and stays; this one is not "
            f"saved: {error}",
            stacklevel=3,
        )
        return True
    return False


def place_of(folder: Path, epoch: int, step: int = 0) -> Path:
    """Returns where the checkpoint after epochs and steps is saved."""
    if step:
        return folder / f"{PREFIX}{epoch + 1:04d}{STEP}{step:06d}"
    return folder / f"{PREFIX}{epoch:04d}"


def _done_at(place: Path) -> tuple[int, int]:
    """Returns how many epochs were done, and how many steps of the next."""
    epoch, step = NAME.fullmatch(place.name).groups()
    return (int(epoch), 0) if step is None else (int(epoch) - 1, int(step))
