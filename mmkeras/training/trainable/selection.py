"""Which weights of a model are trained, at which rate, and from which epoch."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import keras

from mmkeras.keras_private import layers_right_inside
from mmkeras.training.trainable.freeze import restore_flags, trainable_flags
from mmkeras.training.trainable.lora import (
    add_lora,
    merge_lora,
    takes_lora,
    tower_patterns,
)
from mmkeras.training.trainable.patterns import (
    Place,
    matches,
    places,
    select,
)
from mmkeras.training.trainable.precision import check_precision, to_float32
from mmkeras.training.trainable.rates import rates_by_depth, rates_by_pattern
from mmkeras.training.trainable.single_towers import modalities, tower_of
from mmkeras.training.trainable.unfreezing import Unfreezing, epochs_of, freeze


@dataclass(frozen=True)
class Tuning:
    """The patterns of a strategy, resolved to a model's weights.

    Stages share their weights with the whole model, so that it holds for
    each of them; a stage's own weights are trained as if no pattern matched.

    Args:
        frozen: Weights frozen throughout.
        late: Weights frozen until the start of an epoch of a stage, by its
            number from 1.
        rates: Multipliers of the learning rate, by the weight's id.
        decays: Weight decays, by the weight's id.
    """

    frozen: Sequence[Place] = ()
    late: dict[int, list[Place]] = field(default_factory=dict)
    rates: dict[int, float] = field(default_factory=dict)
    decays: dict[int, float] = field(default_factory=dict)

    @contextmanager
    def applied(
        self, model: keras.Model, first: int = 0
    ) -> Iterator["Applied"]:
        """Freezes weights for a stage, and unfreezes them at the end.

        Args:
            model: What the stage trains.
            first: Number, from 0, of its first epoch.
        """
        own = {id(weight) for weight in model.weights}
        late = {id(p.weight) for found in self.late.values() for p in found}
        flags = trainable_flags(model)
        try:
            # A weight that matches `freeze` and `unfreeze` is frozen until
            # then.
            freeze(p for p in self.frozen if id(p.weight) in own - late)
            learning = list(model.trainable_variables)
            stopped = {
                epoch: freeze(p for p in found if id(p.weight) in own)
                for epoch, found in self.late.items()
            }
            if not model.trainable_variables:
                raise ValueError(
                    "`freeze` and `unfreeze` must leave weights that learn "
                    "from the first epoch. Received: patterns that match all "
                    f"of `{model.name}`"
                )
            yield Applied(self, model, learning, stopped, first)
        finally:
            restore_flags(flags)


class Applied:
    """`Tuning` applied to one stage.

    Args:
        tuning: What the patterns mean.
        model: What the stage trains.
        learning: Its weights that are trained, at once or later.
        stopped: What `freeze` returned, by epoch.
        first: Number, from 0, of the stage's first epoch.
    """

    def __init__(self, tuning, model, learning, stopped, first):
        self.tuning = tuning
        self.learning = learning
        now = {id(weight) for weight in model.trainable_variables}
        self.late = [i for i, w in enumerate(learning) if id(w) not in now]
        self.grouped = bool(tuning.rates or tuning.decays or self.late)
        stopped = {epoch: owners for epoch, owners in stopped.items() if owners}
        self.callbacks = [Unfreezing(stopped, first)] if stopped else []

    def optimizer_arguments(self, weight_decay: float) -> dict[str, Any]:
        """Returns the arguments of `GroupedAdamW`; none where `AdamW` suffices.

        Args:
            weight_decay: Of a weight that no pattern matches; biases and scales
                have none.
        """
        tuning = self.tuning
        if not self.grouped:
            return {}
        return {
            "rates": [tuning.rates.get(id(w), 1.0) for w in self.learning],
            "decays": [
                tuning.decays.get(id(w), weight_decay) if decays(w) else 0.0
                for w in self.learning
            ],
            "late": self.late,
        }


def decays(weight: Any) -> bool:
    """Whether a weight has decay: scales and biases have none."""
    # Scales and shifts have one axis; recurrent biases have two.
    return len(weight.shape) > 1 and "bias" not in weight.name


def tuning_of(settings: Any, model: keras.Model) -> Tuning:
    """Returns the patterns of a strategy resolved to weights of `model`.

    Args:
        settings: The strategy: `freeze`, `unfreeze`, `learning_rates`,
            `layer_decay` and `weight_decay_groups`.
        model: The whole model.

    Raises:
        ValueError: If a pattern matches nothing.
    """
    found = places(model)
    rates: dict[int, float] = {}
    if settings.layer_decay != 1.0:
        for name in modalities(model):
            rates |= rates_by_depth(tower_of(model, name), settings.layer_decay)
    by_name = rates_by_pattern(
        found, settings.learning_rates or {}, "learning_rates"
    )
    for weight, rate in by_name.items():
        rates[weight] = rates.get(weight, 1.0) * rate
    late = {
        epoch: select(found, patterns, f"unfreeze.{epoch}")
        for epoch, patterns in epochs_of(settings.unfreeze or {}).items()
    }
    _check_late(late)
    frozen = select(found, settings.freeze, "freeze")
    _check_together(late)
    _check_apart(frozen, late)
    return Tuning(
        frozen=frozen,
        late=late,
        rates=rates,
        decays=rates_by_pattern(
            found, settings.weight_decay_groups or {}, "weight_decay_groups"
        ),
    )


@contextmanager
def tuned(settings: Any, model: keras.Model) -> Iterator[Tuning]:
    """Adds LoRA where it is set; afterwards it is merged, in float32.

    Args:
        settings: The strategy.
        model: The whole model.
    """
    check_precision(model, settings.precision)
    _check_epochs(settings, model)
    try:
        if settings.lora_rank is not None:
            add_lora(
                model,
                settings.lora_rank,
                settings.lora_patterns,
                settings.lora_alpha,
            )
        yield tuning_of(settings, model)
    finally:
        if settings.lora_rank is not None:
            merge_lora(model)
        if settings.precision != "float32":
            to_float32(model)


def _check_epochs(settings: Any, model: keras.Model) -> None:
    """Raises ValueError where an epoch of `unfreeze` never comes."""
    longest = max(epochs for _, epochs in settings.plan(model))
    budget = settings.budget_steps or settings.budget_sec
    for epoch in epochs_of(settings.unfreeze or {}):
        if epoch > longest and not budget:
            raise ValueError(
                "The epochs of `unfreeze` must be among those of a stage, "
                f"counted from 1. Received: {epoch}, where the longest stage "
                f"has {longest}"
            )


def _check_late(late: dict[int, list[Place]]) -> None:
    """Raises ValueError where there is nothing to unfreeze."""
    for epoch, found in late.items():
        if not any(p.weight.trainable and p.layer.trainable for p in found):
            raise ValueError(
                f"`unfreeze.{epoch}` must match weights that can learn. "
                f"Received: {found[0].path}, frozen in the model itself; "
                "build the tower with trainable weights"
            )


def _check_together(late: Mapping[int, Sequence[Place]]) -> None:
    """Raises ValueError where a layer would be unfrozen at two epochs."""
    begin = {id(p.weight): epoch for epoch in late for p in late[epoch]}
    first: dict[int, tuple[int, Place]] = {}
    for epoch in sorted(late):
        for place in late[epoch]:
            if (
                layers_right_inside(place.layer)
                or begin[id(place.weight)] != epoch
            ):
                continue
            earlier, other = first.setdefault(id(place.layer), (epoch, place))
            if earlier != epoch:
                raise ValueError(
                    "`unfreeze` must unfreeze a whole layer at one epoch: "
                    f"layers are frozen as a whole. Received: {place.path} at "
                    f"{epoch}, {other.path} at {earlier}"
                )


def _check_apart(
    frozen: Sequence[Place], late: Mapping[int, Sequence[Place]]
) -> None:
    """Raises ValueError where a layer would be frozen and trained at once."""
    begin = {id(p.weight) for found in late.values() for p in found}
    by_layer = {
        id(p.layer): p
        for p in frozen
        if id(p.weight) not in begin and not layers_right_inside(p.layer)
    }
    for epoch, found in late.items():
        for place in found:
            other = by_layer.get(id(place.layer))
            if other is not None:
                raise ValueError(
                    f"`unfreeze.{epoch}` must not match a layer of which "
                    "`freeze` keeps a weight frozen: layers are frozen as a "
                    "whole. "
                    f"Received: {place.path} beside {other.path}"
                )


def fitting(strategy: Any, model: keras.Model) -> Any:
    """Returns `strategy` without patterns that match nothing in `model`.

    Good for the baselines of one modality: patterns of the other towers are
    left out, and so are LoRA where no layer takes it, and blending.

    Args:
        strategy: The strategy of the whole model.
        model: What is trained in its place.
    """
    found = places(model)

    def known(patterns: Iterable[str]) -> list[str]:
        return [p for p in patterns if any(matches(f.path, p) for f in found)]

    def entries(table: Mapping[str, float] | None) -> dict[str, float]:
        return {pattern: table[pattern] for pattern in known(table or {})}

    late = epochs_of(strategy.unfreeze or {})
    late = {epoch: known(patterns) for epoch, patterns in late.items()}
    changed: dict[str, Any] = {
        "freeze": known(strategy.freeze),
        "unfreeze": {epoch: kept for epoch, kept in late.items() if kept},
        "learning_rates": entries(strategy.learning_rates),
        "weight_decay_groups": entries(strategy.weight_decay_groups),
    }
    if strategy.lora_rank is not None:
        kept = known(strategy.lora_patterns or tower_patterns(model))
        chosen = select(found, kept, "lora_patterns")
        takes = any(takes_lora(place.layer) for place in chosen)
        changed |= {"lora_patterns": kept} if takes else {"lora_rank": None}
    if getattr(strategy, "blend", False) and len(modalities(model)) < 2:
        changed["blend"] = False
    return replace(strategy, **changed)
