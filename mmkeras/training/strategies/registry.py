"""The strategies: how a model of several towers is trained.

All have one signature, `fit(model, data, heads, ...)`, and all leave an
ordinary `keras.Model`; `model.fit` remains open to whoever prefers it.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from mmkeras.arguments import check_choice, nearest
from mmkeras.training.strategies.base import Strategy
from mmkeras.training.strategies.component import ComponentPretrain
from mmkeras.training.strategies.full import FullFineTune
from mmkeras.training.strategies.semi import CoTrain, FixMatch, PseudoLabel

STRATEGIES = {
    "full": FullFineTune,
    "component": ComponentPretrain,
    "pseudo_label": PseudoLabel,
    "fixmatch": FixMatch,
    "co_train": CoTrain,
}


def make_strategy(
    name: str, settings: Mapping[str, Any] | None = None
) -> Strategy:
    """Returns the strategy of a recipe.

    Args:
        name: A key of `STRATEGIES`.
        settings: Its arguments by name.

    Raises:
        ValueError: If the name, a key or a value is wrong.

    Example:

    >>> make_strategy("full", {"epochs": 3}).epochs
    3
    """
    check_choice("strategy", name, STRATEGIES)
    allowed = [field.name for field in fields(STRATEGIES[name])]
    for key in settings or {}:
        if key not in allowed:
            raise ValueError(
                f"`training.{key}` is not a setting of the strategy "
                f"'{name}'.{nearest(key, allowed)}"
            )
    return STRATEGIES[name](**(settings or {}))
