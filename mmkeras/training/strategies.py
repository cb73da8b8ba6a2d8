"""The strategies: how a model of several towers is trained.

Both have one signature, `fit(model, data, heads, ...)`, and both leave an
ordinary `keras.Model`; `model.fit` remains open to whoever prefers it.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from mmkeras.training.datasets import OneModality, present_columns
from mmkeras.training.freeze import restore_flags, trainable_flags
from mmkeras.training.stage import Stage
from mmkeras.training.strategy import Strategy
from mmkeras.training.towers import (
    input_names,
    modalities,
    tower_model,
    tower_of,
)


@dataclass(frozen=True, kw_only=True)
class FullFineTune(Strategy):
    """Trains towers, fusion and heads together from the first step.

    Args:
        epochs: Passes over the training split.

    Every argument of `Strategy` is taken too.

    Example:

    >>> strategy = FullFineTune(epochs=5, learning_rate=2e-3)
    >>> history = strategy.fit(model, data, heads, out="runs/first")
    """

    epochs: int = 20

    def stages(self, model, data, heads):
        yield Stage("all", model, data, self.epochs, self.learning_rate)


@dataclass(frozen=True, kw_only=True)
class ComponentPretrain(Strategy):
    """Trains each tower by itself, then the fusion, then everything.

    1. Each tower learns the targets with heads of its own, which are thrown
       away; samples that lack the modality do not count.
    2. Fusion and heads learn; the towers stay as they are, their batch
       statistics included.
    3. Everything learns, at the lower `fine_tune_learning_rate`.

    Args:
        tower_epochs: Passes over the training split for each tower.
        fusion_epochs: Passes with frozen towers.
        epochs: Passes with everything.
        fine_tune_learning_rate: Peak learning rate of the last stage.

    Every argument of `Strategy` is taken too.

    Example:

    >>> strategy = ComponentPretrain(tower_epochs=5, epochs=5)
    >>> history = strategy.fit(model, data, heads)
    >>> history.history["stage"][0]
    'audio_tower'
    """

    tower_epochs: int = 10
    fusion_epochs: int = 5
    epochs: int = 5
    fine_tune_learning_rate: float = 1e-4

    def stages(self, model, data, heads):
        flags = trainable_flags(model)
        names = modalities(model)
        inputs = input_names(model)
        columns = present_columns(
            data,
            names,
            inputs["present"].shape[-1] if "present" in inputs else 0,
        )
        for name in names:
            yield Stage(
                f"{name}_tower",
                tower_model(model, name, heads),
                OneModality(data, name, columns.get(name)),
                self.tower_epochs,
                self.learning_rate,
            )
        for name in names:
            tower_of(model, name).trainable = False
        yield Stage(
            "fusion", model, data, self.fusion_epochs, self.learning_rate
        )
        restore_flags(flags)
        yield Stage(
            "all", model, data, self.epochs, self.fine_tune_learning_rate
        )


STRATEGIES = {"full": FullFineTune, "component": ComponentPretrain}


def make_strategy(
    name: str, settings: Mapping[str, Any] | None = None
) -> Strategy:
    """Returns the strategy of a recipe.

    Args:
        name: "full" or "component".
        settings: Its arguments by name.

    Raises:
        ValueError: If the name, a key or a value is wrong.

    Example:

    >>> make_strategy("full", {"epochs": 3}).epochs
    3
    """
    if name not in STRATEGIES:
        raise ValueError(
            f"`strategy` must be one of {', '.join(STRATEGIES)}. "
            f"Received: {name!r}"
        )
    allowed = [field.name for field in fields(STRATEGIES[name])]
    for key in settings or {}:
        if key not in allowed:
            close = difflib.get_close_matches(key, allowed, n=1, cutoff=0.5)
            hint = f" Did you mean `{close[0]}`?" if close else ""
            raise ValueError(
                f"`training.{key}` is not a setting of the strategy "
                f"'{name}'.{hint} Choices: {', '.join(sorted(allowed))}"
            )
    return STRATEGIES[name](**(settings or {}))
