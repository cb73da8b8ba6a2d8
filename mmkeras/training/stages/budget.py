"""The training budget: steps and seconds spent, and when to stop."""

import time
from collections.abc import Sequence
from typing import Any

import keras


class Spent(keras.callbacks.Callback):
    """Counts the steps and seconds of all stages, and ends a stage in time.

    Seconds are those from the start of an epoch to its last step, and all that
    a stage needs before its first step: validation and checkpoints are not
    training. Only a whole step can be stopped after, and nothing before the
    first, so that a stage is late by less than one step, or by its set-up.

    Args:
        rate: For a budget of seconds: the learning rate as a function of the
            share of the stage's time that has passed; None where the
            optimizer has a schedule of its own.

    Attributes:
        steps: Optimizer steps so far, of all stages.
        seconds: Seconds so far.
    """

    def __init__(self):
        super().__init__()
        self.steps = 0
        self.seconds = 0.0
        self.rate = None
        self._since = None
        self._first = (0, 0.0)
        self._limit: tuple[float | None, float | None] = (None, None)

    def begin_stage(
        self, steps: int | None, seconds: float | None, rate: Any = None
    ) -> None:
        """Sets what the next stage may spend, and its learning rate.

        What is set up from now on to the first step counts.
        """
        self._first = (self.steps, self.seconds)
        self._limit = (steps, seconds)
        self.rate = rate
        self._since = time.perf_counter()

    def state(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "seconds": self.seconds,
            "first": list(self._first),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.steps, self.seconds = int(state["steps"]), float(state["seconds"])
        self._first = (int(state["first"][0]), float(state["first"][1]))
        self._since = None

    def on_epoch_begin(self, epoch, logs=None):
        if self._since is None:
            self._since = time.perf_counter()

    def on_train_batch_begin(self, batch, logs=None):
        if self._since is None:
            # Restored within an epoch.
            self._since = time.perf_counter()
        if self.rate is not None:
            limit = self._limit[1]
            passed = self._in_stage()[1] / limit if limit else 1.0
            self.model.optimizer.learning_rate = self.rate(min(1.0, passed))

    def on_train_batch_end(self, batch, logs=None):
        self.steps += 1
        now = time.perf_counter()
        self.seconds += now - self._since
        self._since = now
        if self._is_over():
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        self._since = None
        if logs is not None:
            logs["steps"] = self.steps
            logs["seconds"] = self.seconds

    def _in_stage(self):
        return self.steps - self._first[0], self.seconds - self._first[1]

    def _is_over(self):
        return any(
            limit is not None and spent >= limit
            for spent, limit in zip(self._in_stage(), self._limit, strict=True)
        )


def share_steps(total: int, epochs: Sequence[int]) -> list[int]:
    """Returns the steps of each stage, in proportion to its epochs.

    Example:

    >>> share_steps(100, [2, 2, 3])
    [29, 28, 43]
    """
    whole = sum(epochs)
    ends, passed = [0], 0
    for each in epochs:
        passed += each
        ends.append(round(total * passed / whole) if whole else 0)
    return [b - a for a, b in zip(ends, ends[1:], strict=False)]


def share_seconds(left: float, epochs: Sequence[int]) -> float:
    """Returns the seconds of the first of `epochs`, of those that are left."""
    return max(0.0, left) * epochs[0] / max(1, sum(epochs))
