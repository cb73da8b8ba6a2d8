"""The plan of a comparison: arms, budget, seeds, shares of labels."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmkeras.arguments import check_number, check_positive, check_table, nearest
from mmkeras.metrics import MAX_SEEDS
from mmkeras.options import Dropped
from mmkeras.runs import (
    ArmOptions,
    TrainingOptions,
    read_init,
    read_training,
    say_dropped,
)
from mmkeras.spec import DataSpec
from mmkeras.training import STRATEGIES, Strategy, make_strategy

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
# A fraction may stand in the name of a folder.
DIGITS = 6


@dataclass(frozen=True)
class Arm:
    """One way to train the recipe's model.

    Args:
        name: Its name in the tables and of its folder.
        strategy: One of `STRATEGIES`.
        settings: The strategy's settings, without the budget.
        modality: The only modality it sees; None for all of them.
        init: Towers of other runs that it starts from, as a recipe's table
            `[init]`.
    """

    name: str
    strategy: str
    settings: dict[str, Any]
    modality: str | None = None
    init: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A whole comparison.

    Args:
        arms: The arms, then each modality alone.
        seeds: Seeds of weights, order, augmentation, and choice of labels.
        fractions: Shares of the training labels, rising.
        budget_steps: Optimizer steps of each run, all its stages together.
        budget_sec: Seconds of each run, instead of `budget_steps`.
    """

    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    fractions: tuple[float, ...]
    budget_steps: int | None = None
    budget_sec: float | None = None

    @property
    def fused(self) -> tuple[Arm, ...]:
        """The arms that see every modality."""
        return tuple(arm for arm in self.arms if arm.modality is None)

    def strategy(self, arm: Arm) -> Strategy:
        """Returns the strategy of an arm, with the budget."""
        budget = {
            "budget_steps": self.budget_steps,
            "budget_sec": self.budget_sec,
        }
        own = {**arm.settings, "tensorboard": False}
        return make_strategy(arm.strategy, {**own, **budget})


def make_plan(
    spec: DataSpec,
    recipe: Mapping[str, Any],
    *,
    budget_steps: int | None = None,
    budget_minutes: float | None = None,
    seeds: int = 5,
    seed: int = 0,
    fractions: Sequence[float] = (1.0,),
    arms: Sequence[str] | None = None,
) -> Plan:
    """Returns a checked plan; raises before anything is trained.

    Args:
        spec: The data's spec.
        recipe: Tables of the recipe; `[compare.NAME]` describes a further
            arm: its `strategy`, settings over those of `[training]`, and
            `init` instead of `[init]`.
        budget_steps: Optimizer steps of each run.
        budget_minutes: Minutes of each run; one of both must be given.
        seeds: How many seeds, 2 to 16.
        seed: The first of them.
        fractions: Shares of the training labels, above 0 and at most 1.
        arms: Names of the arms; "full", "component" and every one of the
            recipe by default.
    """
    _check_budget(budget_steps, budget_minutes)
    if type(seeds) is not int or not 2 <= seeds <= MAX_SEEDS:
        raise ValueError(
            "`seeds` must be a whole number from 2: one run does not show "
            f"how much results vary between seeds; at most {MAX_SEEDS}. "
            f"Received: {seeds!r}"
        )
    plan = Plan(
        arms=tuple(make_arms(spec, recipe, arms)),
        seeds=tuple(range(seed, seed + seeds)),
        fractions=_check_fractions(fractions),
        budget_steps=budget_steps,
        budget_sec=budget_minutes and 60.0 * budget_minutes,
    )
    for arm in plan.arms:
        try:
            plan.strategy(arm)
        except ValueError as error:
            raise ValueError(f"The arm `{arm.name}`: {error}") from error
    return plan


def make_arms(
    spec: DataSpec, recipe: Mapping[str, Any], chosen: Sequence[str] | None
) -> list[Arm]:
    """Returns the arms, and each modality alone."""
    tables = recipe.get("compare", {})
    known = check_arms(tables)
    read_init(recipe.get("init", {}))
    names = list(known) if chosen is None else list(chosen)
    for name in names:
        if name not in known:
            raise ValueError(
                "`arms` must be strategies, or `[compare.NAME]` tables of "
                f"the recipe. Received: {name!r}.{nearest(name, list(known))}"
            )
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(
            "`arms` must be two or more different names. "
            f"Received: {', '.join(names) or 'none'}"
        )
    training = read_training(recipe.get("training", {}))
    made = []
    for name in names:
        lacking = training.lacking[known[name]]
        keys = [f"training.{key}" for key in lacking]
        say_dropped(f"The arm `{name}`", Dropped(keys=keys))
        own = dict(tables.get(name, {}))
        own.pop("strategy", None)
        own.pop("patience", None)
        init = dict(own.pop("init", recipe.get("init", {})))
        settings = {**_shared(recipe, known[name]), **own}
        made.append(Arm(name, known[name], settings, init=init))
    return made + _alone(spec, recipe, names)


def check_arms(tables: Mapping[str, Any]) -> dict[str, str]:
    """Returns the strategy of every arm that can be asked for.

    Args:
        tables: The table `[compare]` of a recipe.

    Raises:
        ValueError: If a key or a value is wrong.
    """
    known = _strategies_of(tables)
    for name, table in tables.items():
        where, own = f"compare.{name}", ArmOptions.names()
        arm = ArmOptions.read({k: table[k] for k in own if k in table}, where)
        read_init(arm.init or {}, f"{where}.init")
        settings = {k: v for k, v in table.items() if k not in own}
        STRATEGIES[known[name]].read(settings, where)
    return known


def _strategies_of(tables: Mapping[str, Any]) -> dict[str, str]:
    """Returns the strategy of every arm that `arms` may name."""
    check_table("compare", tables)
    known = {"full": "full", "component": "component"}
    for name, table in tables.items():
        if not NAME.fullmatch(name) or not isinstance(table, Mapping):
            raise ValueError(
                "`compare` must hold one table an arm, `[compare.NAME]`, "
                "whose name has lower-case letters, digits and `_`. "
                f"Received: {name!r}"
            )
        strategy = table.get("strategy", known.get(name))
        if not isinstance(strategy, str) or strategy not in STRATEGIES:
            raise ValueError(
                f"`compare.{name}.strategy` must be a strategy. Received: "
                f"{strategy!r}.{nearest(str(strategy), list(STRATEGIES))}"
            )
        known[name] = strategy
    return known


def _shared(recipe: Mapping[str, Any], strategy: str) -> dict[str, Any]:
    """Returns the settings of `[training]` and `[training.STRATEGY]`.

    What all arms share and a strategy lacks is left out. Without `patience`:
    an arm that stopped early would not have spent what the others did. All
    keep their last weights.
    """
    training = recipe.get("training", {})
    lacking = read_training(training).lacking[strategy]
    skipped = {*STRATEGIES, *TrainingOptions.names(), *lacking, "patience"}
    shared = {k: v for k, v in training.items() if k not in skipped}
    own = training.get(strategy, {})
    return shared | {k: v for k, v in own.items() if k != "patience"}


def _alone(
    spec: DataSpec, recipe: Mapping[str, Any], taken: Sequence[str]
) -> list[Arm]:
    """Returns an arm for each modality alone, if there are several."""
    if len(spec.modalities) == 1:
        return []
    init = recipe.get("init", {})
    arms = [
        Arm(
            f"{name}_alone",
            "full",
            _shared(recipe, "full"),
            name,
            {key: run for key, run in init.items() if key == name},
        )
        for name in sorted(spec.modalities)
    ]
    for arm in arms:
        if arm.name in taken:
            raise ValueError(
                f"`arms` must not be called like a modality alone. "
                f"Received: {arm.name!r}"
            )
    return arms


def _check_budget(steps: Any, minutes: Any) -> None:
    if (steps is None) == (minutes is None):
        received = "neither" if steps is None else "both"
        raise ValueError(
            "One budget must be given: `budget_steps` or `budget_minutes`. "
            f"Received: {received}"
        )
    if steps is not None:
        check_positive(budget_steps=steps)
    if minutes is not None:
        check_number("budget_minutes", minutes, above=0, below=math.inf)


def _check_fractions(fractions: Sequence[float]) -> tuple[float, ...]:
    for value in fractions:
        check_number("label_fraction", value, above=0, most=1)
    rounded = {round(float(value), DIGITS) for value in fractions}
    if not rounded or len(rounded) < len(fractions) or 0.0 in rounded:
        raise ValueError(
            "`label_fraction` must be one or more different fractions. "
            f"Received: {list(fractions)}"
        )
    return tuple(sorted(rounded))
