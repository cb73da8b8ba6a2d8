"""Pruning schedules: from a step to (whether to prune, sparsity).

A schedule is any callable from the step, 1 being the first, to
`(should_prune, sparsity)`, so that the schedules of
`tensorflow_model_optimization` serve as they are. Those here take the same
arguments and return the same values.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mmkeras.arguments import check_fraction

TFMOT = "tensorflow_model_optimization."


class Schedule(Protocol):
    """The function that `Prune` calls before each step."""

    def __call__(self, step: int) -> tuple[bool, float]: ...


@dataclass(frozen=True)
class ConstantSparsity:
    """The same sparsity at every turn.

    Args:
        target_sparsity: Share of weights that become zero, in [0, 1).
        begin_step: Step of the first turn.
        end_step: Last step that can be a turn; -1 for no end.
        frequency: Steps between turns.

    Example:

    >>> ConstantSparsity(0.5, begin_step=0, frequency=100)(200)
    (True, np.float32(0.5))
    """

    target_sparsity: float
    begin_step: int
    end_step: int = -1
    frequency: int = 100

    def __post_init__(self):
        check_fraction("target_sparsity", self.target_sparsity)
        _check_steps(self)

    def __call__(self, step: int) -> tuple[bool, float]:
        return _is_turn(self, step), np.float32(self.target_sparsity)


@dataclass(frozen=True)
class PolynomialDecay:
    """Sparsity that grows fast at first, then ever slower.

    `final + (initial - final) * (1 - p) ** power`, where `p` goes from 0 at
    `begin_step` to 1 at `end_step`.

    Args:
        initial_sparsity: Share of zeros at `begin_step`, in [0, 1).
        final_sparsity: Share of zeros from `end_step` on, in [0, 1).
        begin_step: Step of the first turn.
        end_step: Step from which nothing more is pruned.
        power: Exponent; 1 is linear.
        frequency: Steps between turns. `end_step - begin_step` should be a
            multiple of it, or the last turn comes short of the end.

    Source: Zhu and Gupta, "To prune, or not to prune", 2017 (arXiv
    1710.01878).

    Example:

    >>> PolynomialDecay(0.0, 0.8, begin_step=0, end_step=1000)(1000)
    (True, np.float32(0.8))
    """

    initial_sparsity: float
    final_sparsity: float
    begin_step: int
    end_step: int
    power: float = 3
    frequency: int = 100

    def __post_init__(self):
        check_fraction("initial_sparsity", self.initial_sparsity)
        check_fraction("final_sparsity", self.final_sparsity)
        _check_steps(self)
        if self.end_step <= self.begin_step:
            raise ValueError(
                "`end_step` must come after `begin_step`. Received: "
                f"begin_step={self.begin_step}, end_step={self.end_step}"
            )

    def __call__(self, step: int) -> tuple[bool, float]:
        # In single precision, as tfmot's: the share decides how many weights
        # are kept, to the last one.
        done = np.float32(step - self.begin_step) / np.float32(
            self.end_step - self.begin_step
        )
        left = np.float32(1) - np.clip(done, np.float32(0), np.float32(1))
        span = np.float32(self.initial_sparsity - self.final_sparsity)
        share = span * left ** np.float32(self.power)
        return _is_turn(self, step), share + np.float32(self.final_sparsity)


def quick(schedule: Schedule) -> Schedule:
    """Returns the schedule of this package that equals one of tfmot's.

    Those compute with TensorFlow, a millisecond a call. A class derived
    from them, like any other schedule, is returned as it is.
    """
    kind = type(schedule)
    ours = {each.__name__: each for each in (ConstantSparsity, PolynomialDecay)}
    if kind.__module__.startswith(TFMOT) and kind.__name__ in ours:
        return ours[kind.__name__](**schedule.get_config()["config"])
    return schedule


def last_turn(schedule: Schedule, step: int) -> int | None:
    """Returns the last turn of a schedule up to `step`, or None."""
    end = int(getattr(schedule, "end_step", -1))
    begin = int(getattr(schedule, "begin_step", 1))
    newest = step if end < 0 else min(step, end)
    turns = range(newest, max(begin, 1) - 1, -1)
    return next((turn for turn in turns if bool(schedule(turn)[0])), None)


def _is_turn(schedule, step: int) -> bool:
    over = schedule.end_step >= 0 and step > schedule.end_step
    since = step - schedule.begin_step
    return since >= 0 and not over and since % schedule.frequency == 0


def _check_steps(schedule) -> None:
    begin, end = schedule.begin_step, schedule.end_step
    if begin < 0 or (end != -1 and end < begin):
        raise ValueError(
            "`begin_step` must be 0 or more, and `end_step` not before it. "
            f"Received: begin_step={begin}, end_step={end}"
        )
    if schedule.frequency < 1:
        raise ValueError(
            "`frequency` must be a positive number of steps. Received: "
            f"frequency={schedule.frequency}"
        )
