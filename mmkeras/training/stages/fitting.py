"""Keras' `fit`, which can be ended, and gone on with, within an epoch."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from mmkeras import stopping
from mmkeras.training.stages.checkpoints import AtomicCheckpoint
from mmkeras.training.stages.orders import rest_of
from mmkeras.training.stages.resume import METRIC, VARIABLE, arrays_of


@dataclass(frozen=True)
class Position:
    """Where in a stage a training goes on.

    Args:
        epoch: Epochs that are done, of all stages.
        step: Steps of the next epoch that are done.
        validating: Whether these were all of them, and its validation is not.
    """

    epoch: int
    step: int = 0
    validating: bool = False


class Hooks(keras.callbacks.Callback):
    """All callbacks of a stage, however many calls of `fit` it takes.

    They see one training: one beginning, one end, each step by its number.
    Here a signal is waited for, too: after a step that is not the last of its
    epoch, a checkpoint within the epoch is saved; in a validation, one from
    before it, at once; else the epoch is ended first.

    Args:
        steps: Steps of an epoch.
        epochs: Number of the last epoch.
        request: Whether the process has to end.

    Attributes:
        callbacks: The callbacks, in order.
        saver: What saves, one of them; None where nothing is saved.
        within: Whether it may save within an epoch.
        validating: Whether a validation runs.
        seeds: Returns the states of random seeds.
        drawn: What it returned as the last validation began.
    """

    def __init__(
        self,
        steps: int,
        epochs: int,
        request: stopping.Request,
    ):
        super().__init__()
        self.steps, self.epochs, self.request = steps, epochs, request
        self.callbacks: list[keras.callbacks.Callback] = []
        self.saver: AtomicCheckpoint | None = None
        self.within = False
        self.trained: keras.Model | None = None
        self.part = False
        self.validating = False
        self.seeds: Callable[[], dict[str, np.ndarray]] = dict
        self.drawn: dict[str, np.ndarray] = {}
        self._sums: dict[str, np.ndarray] = {}
        self._first = 0
        self._epoch, self._step = 0, 0
        self._begun = False
        self._kept: list[np.ndarray] = []

    def begin_part(self, step: int) -> None:
        """Says that the next `fit` is the rest of an epoch, after `step`."""
        self.part, self._first = True, step

    def end_part(self) -> None:
        self.part, self._first = False, 0

    def pass_on(self) -> None:
        """Passes on the batches of validations, to whoever wants them.

        Keras waits for each batch as soon as somebody does.
        """
        for name in ("on_test_batch_begin", "on_test_batch_end"):
            own = getattr(keras.callbacks.Callback, name)
            if any(getattr(type(c), name) is not own for c in self.callbacks):
                setattr(self, name, functools.partial(self._call, name))

    def begin_again(self) -> None:
        """Says that the next `fit` is a training of its own."""
        self._begun = False

    def set_params(self, params):
        super().set_params({**(params or {}), "epochs": self.epochs})
        self._call("set_params", self.params)

    def set_model(self, model):
        super().set_model(model)
        # Unlike `model`, it costs nothing to ask for.
        self.trained = model
        self._call("set_model", model)

    def on_train_begin(self, logs=None):
        if not self._begun:
            self._begun = True
            self._call("on_train_begin", logs)

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._step = epoch, self._first
        self._call("on_epoch_begin", epoch, logs)

    def on_train_batch_begin(self, batch, logs=None):
        self._call("on_train_batch_begin", batch + self._first, logs)

    def on_train_batch_end(self, batch, logs=None):
        self._call("on_train_batch_end", batch + self._first, logs)
        self._step = batch + self._first + 1
        if not self.within:
            # What it raised may be lost in a library.
            self.request.check()
            return
        # From now on something would be lost.
        self.request.postponed = True
        if self._step == self.steps or self.trained.stop_training:
            return
        if self.request.number is not None:
            self.saver.save(self._epoch, self._step)
            self.request.check(self._saved())
        elif self.saver.is_due():
            self.saver.save(self._epoch, self._step)

    def on_test_begin(self, logs=None):
        self._call("on_test_begin", logs)
        if self.within:
            # A validation begins them anew.
            self._sums = self.sums_of_metrics(self.model)
            # Some models draw in it, as contrastive ones do.
            self.drawn = self.seeds()
            self.validating, self.request.postponed = True, False
            self.request.check()

    def on_test_end(self, logs=None):
        if self.within:
            self.validating, self.request.postponed = False, True
        self._call("on_test_end", logs)

    def on_epoch_end(self, epoch, logs=None):
        self._call("on_epoch_end", epoch, logs)
        if self.part and getattr(self.model.optimizer, "use_ema", False):
            self._kept = values_of(self.model.trainable_variables)
        if self.request.number is not None and self.saver is not None:
            if self.saver.saved != (epoch + 1, 0):
                self.saver.save(epoch + 1)
            self.request.check(self._saved())

    def on_train_end(self, logs=None):
        if self.part:
            # Keras has put the averages into the model; it is not the end.
            if self._kept:
                assign_all(self.model.trainable_variables, self._kept)
            return
        # The last epoch is saved.
        self.request.postponed = False
        self.request.check()
        self._call("on_train_end", logs)

    def sums_of_metrics(self, trained: keras.Model) -> dict[str, np.ndarray]:
        """Returns the sums of the epoch's metrics, by name."""
        if self.validating:
            return self._sums
        found = arrays_of(trained.metrics_variables, METRIC)
        return {name: np.array(value) for name, value in found.items()}

    def save_before_validation(self) -> str | None:
        """Saves where the validation began; returns what is said of it."""
        self.saver.save(self._epoch, self._step)
        return self._saved()

    def _saved(self):
        place = self.saver.saved
        if place is None:
            return None
        epoch, step = place
        where = f"epoch {epoch}"
        if step:
            where = f"epoch {epoch + 1}, step {step} of {self.steps},"
        return f"{where} is saved in {self.saver.folder}"

    def _call(self, name, *arguments, **named):
        for callback in self.callbacks:
            getattr(callback, name)(*arguments, **named)


def fit_epochs(
    trained: keras.Model,
    hooks: Hooks,
    train: Any,
    validation: Any,
    begin: Position,
    verbose: int | str = 0,
) -> None:
    """Fits `trained` from a position on, to the epoch `hooks.epochs`.

    Args:
        trained: The compiled model.
        hooks: Its callbacks; the last one restores the state.
        train: What `counted` returned, advanced to the position.
        validation: The validation split, or None.
        begin: Where to begin.
        verbose: As in `model.fit`.
    """
    epoch, last = begin.epoch, hooks.epochs
    hooks.pass_on()
    same = {
        "validation_data": validation,
        "callbacks": [hooks],
        "shuffle": False,
        "verbose": verbose,
    }
    try:
        if begin.step:
            hooks.begin_part(begin.step)
            if begin.validating:
                _end_epoch(trained, hooks, validation, epoch)
            else:
                rest = rest_of(train, begin.step)
                trained.fit(rest, initial_epoch=epoch, epochs=epoch + 1, **same)
            hooks.end_part()
            epoch += 1
            if trained.stop_training:
                last = epoch
        trained.fit(train, initial_epoch=epoch, epochs=last, **same)
    except stopping.Stopped as stopped:
        if not hooks.validating:
            raise
        kept = hooks.save_before_validation()
        raise stopping.Stopped(stopped.number, kept) from None


def _end_epoch(
    trained: keras.Model, hooks: Hooks, validation: Any, epoch: int
) -> None:
    """Does what `fit` does after the last step of an epoch."""
    hooks.set_model(trained)
    hooks.set_params({"steps": hooks.steps})
    trained.stop_training = False
    hooks.on_train_begin()
    hooks.on_epoch_begin(epoch)
    logs = dict(trained.get_metrics_result())
    found = trained.evaluate(
        validation, callbacks=[hooks], verbose=0, return_dict=True
    )
    logs |= {f"val_{name}": value for name, value in found.items()}
    # As Keras gives them to callbacks.
    logs = {name: float(logs[name]) for name in sorted(logs)}
    if hasattr(trained, "end_epoch"):
        trained.end_epoch(logs)
    hooks.on_epoch_end(epoch, logs)


def seeds_of(variables: Sequence) -> dict[str, np.ndarray]:
    """Returns what `arrays_of` does of variables that count or are seeds."""
    return {
        f"{VARIABLE}{place:06d}": np.array(keras.ops.convert_to_numpy(each))
        for place, each in enumerate(variables)
        if "float" not in str(each.dtype)
    }


def values_of(variables: Sequence) -> list[np.ndarray]:
    """Returns copies of the values of variables."""
    return [np.array(keras.ops.convert_to_numpy(v)) for v in variables]


def assign_all(variables: Sequence, values: Sequence[np.ndarray]) -> None:
    """Gives variables their values back."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
