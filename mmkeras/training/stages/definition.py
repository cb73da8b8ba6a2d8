"""What a stage is, what it may spend, and what the stages of a fit share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from mmkeras.training.stages.budget import Spent
from mmkeras.training.stages.callbacks import CsvHistory
from mmkeras.training.trainable.selection import Applied, Tuning


@dataclass(frozen=True)
class Stage:
    """A call of `model.fit` within a strategy.

    Args:
        name: Name in the history: a tower, "fusion" or "all".
        model: What is trained; it shares its weights with the whole model.
        data: What it is trained on: has `train` and `validation`.
        epochs: Passes over `data.train`.
        learning_rate: Peak learning rate.
        heads: Heads of `model` by target; None for those of the whole model.
            An empty dict means that `model` computes its own loss.
        product: What the stage's run keeps; None for `model`.
        callbacks: Further callbacks of this stage.
    """

    name: str
    model: keras.Model
    data: Any
    epochs: int
    learning_rate: float
    heads: Mapping[str, Any] | None = None
    product: keras.Model | None = None
    callbacks: Sequence[keras.callbacks.Callback] = ()


@dataclass(frozen=True)
class Share:
    """What a stage may spend of a budget; None for no limit.

    Args:
        steps: Optimizer steps.
        seconds: Seconds.
    """

    steps: int | None = None
    seconds: float | None = None


@dataclass
class Fit:
    """What the stages of one `Strategy.fit` share.

    Args:
        settings: The strategy.
        whole: The whole model, which checkpoints hold.
        heads: Its heads by target.
        out: Folder of the run, or None.
        rows: Collects the history of all stages.
        spent: Counts steps and seconds of all stages.
        callbacks: The user's.
        verbose: As in `model.fit`.
        seed: Seed of the fit, or None.
        fingerprint: What must be the same for a training to be resumed.
        train: The training split of the stage that runs, counted.
        tuning: Which weights are trained, and how fast.
        applied: The same of the stage that runs.
        share: What the stage that runs may spend.
        left_out: Stages whose share of the budget was nothing.
    """

    settings: Any
    whole: keras.Model
    heads: Mapping[str, Any]
    out: Path | None
    rows: CsvHistory
    spent: Spent
    callbacks: Sequence[keras.callbacks.Callback]
    verbose: int | str
    seed: int | None = None
    fingerprint: dict[str, Any] = field(default_factory=dict)
    train: Any = None
    tuning: Tuning = field(default_factory=Tuning)
    applied: Applied | None = None
    share: Share = field(default_factory=Share)
    left_out: list[str] = field(default_factory=list)
