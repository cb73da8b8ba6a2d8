"""Callbacks: history as CSV, averages, patience."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mmkeras import artefact

# Parts of a metric's name that tell whether larger or smaller is better.
LOWER = ("loss", "mae", "rmse", "error", "distance")
HIGHER = ("accuracy", "f1", "auc", "precision", "recall", "match")


class CsvHistory(keras.callbacks.Callback):
    """Writes every epoch's metrics to a CSV file, replaced whole each time.

    Unlike `keras.callbacks.CSVLogger` it continues over several calls of
    `fit`, whose metrics may differ in name.

    Args:
        path: The file; None collects the rows only.

    Example:

    >>> model.fit(data.train, callbacks=[CsvHistory("history.csv")])
    """

    def __init__(self, path: str | Path | None):
        super().__init__()
        self.path = Path(path) if path is not None else None
        self.stage = "all"
        self.rows: list[dict[str, Any]] = []

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1, "stage": self.stage}
        row |= {name: float(value) for name, value in (logs or {}).items()}
        row["learning_rate"] = float(self.model.optimizer.learning_rate)
        self.rows.append(row)
        if self.path is not None:
            with artefact.writing(self.path, "the model"):
                artefact.write_csv(self.path, self.rows)


class AveragedWeights(keras.callbacks.SwapEMAWeights):
    """Uses the weights' moving average in validation and in what is saved.

    Validation, checkpoints, early stopping and the model after `fit` all see
    the average, also when `fit` stops before its last epoch; a checkpoint
    within an epoch has the last step's weights. It stands first
    among the callbacks, and the optimizer has `use_ema=True`.
    """

    def __init__(self):
        super().__init__(swap_on_epoch=True)
        self._average = None

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        self._average = self.model.get_weights()

    def on_train_end(self, logs=None):
        # Keras has just put the optimizer's copy into the model, and after a
        # swap that copy is the last step's weights.
        if self._average is not None:
            self.model.set_weights(self._average)

    def state(self):
        found = {"swapped": self._ema_weights_in_model}
        return found | numbered(self._average)

    def restore(self, state):
        self._ema_weights_in_model = state["swapped"]
        self._average = listed(state)


class TorchChance(keras.callbacks.Callback):
    """Keeps PyTorch's global generator, from which dropout draws there.

    Without a seed Keras' dropout is PyTorch's own, and each iterator over a
    `DataLoader` draws a number when it begins. A training that goes on within
    an epoch begins such an iterator once more, so that the state is restored
    again before its first step.
    """

    def __init__(self):
        super().__init__()
        self._within = False
        self._before_validation: np.ndarray | None = None
        self._at_first_step: np.ndarray | None = None

    def on_epoch_begin(self, epoch, logs=None):
        self._between()

    def on_epoch_end(self, epoch, logs=None):
        self._between()

    def on_train_batch_begin(self, batch, logs=None):
        if self._at_first_step is not None:
            self._set(self._at_first_step)
            self._at_first_step = None

    def on_train_batch_end(self, batch, logs=None):
        self._within = True

    def on_test_begin(self, logs=None):
        self._between()
        # A validation that is cut begins anew.
        self._before_validation = self._get()

    def state(self):
        found = self._before_validation
        found = self._get() if found is None else found
        return {"generator": found, "within": self._within}

    def restore(self, state):
        self._set(state["generator"])
        self._within = state["within"]
        self._at_first_step = state["generator"] if self._within else None

    def _between(self):
        self._within = False
        self._before_validation = self._at_first_step = None

    def _get(self):
        import torch

        return torch.get_rng_state().numpy()

    def _set(self, value):
        import torch

        torch.set_rng_state(torch.tensor(value))


def direction_of(figure: str) -> str | None:
    """Returns whether "min" or "max" of a metric is better, by its name.

    None where the name does not tell.

    Example:

    >>> direction_of("val_digit_accuracy"), direction_of("val_size_rmse")
    ('max', 'min')
    """
    # The end of the name: a target may be called like a metric.
    name = re.sub(r"_at_\d+$", "", figure)
    if name.endswith(LOWER):
        return "min"
    return "max" if name.endswith(HIGHER) else None


class Patience(keras.callbacks.EarlyStopping):
    """Early stopping that can be resumed.

    Its count and the best weights are restored; see
    `keras.callbacks.EarlyStopping` for its arguments.

    Raises:
        ValueError: If there is no such metric.
    """

    COUNTS = ("wait", "stopped_epoch", "best_epoch")

    def get_monitor_value(self, logs):
        if self.monitor not in logs:
            raise ValueError(
                "`monitor` must be a metric of the training. Received: "
                f"{self.monitor!r}. Choices: {', '.join(sorted(logs))}"
            )
        return logs[self.monitor]

    def state(self):
        found = {name: int(getattr(self, name)) for name in self.COUNTS}
        best = None if self.best is None else repr(float(self.best))
        return {"best": best, **found} | numbered(self.best_weights)

    def restore(self, state):
        for name in self.COUNTS:
            setattr(self, name, state[name])
        self.best = None if state["best"] is None else float(state["best"])
        self.best_weights = listed(state)


def numbered(weights: Sequence[np.ndarray] | None) -> dict[str, np.ndarray]:
    """Returns weights as a callback's `state()` holds them."""
    return {
        f"weight{place:05d}": np.asarray(value)
        for place, value in enumerate(weights or ())
    }


def listed(state: Mapping[str, Any]) -> list[np.ndarray] | None:
    """Returns the weights that `numbered` put into a state."""
    names = sorted(name for name in state if name.startswith("weight"))
    return [state[name] for name in names] or None
