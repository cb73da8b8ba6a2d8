"""The tables `[training]` and `[training.STRATEGY]` of a recipe."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmkeras.arguments import check_choice, check_table, nearest
from mmkeras.options import Dropped, Options, option
from mmkeras.training import STRATEGIES, Strategy
from mmkeras.values import COUNT


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(Options):
    """Keys of `[training]` that no strategy has.

    Args:
        batch_size: Samples of a batch.
    """

    batch_size: int = option(32, COUNT, "samples")


@dataclass(frozen=True)
class Training:
    """How a recipe is trained.

    Args:
        options: What no strategy has.
        strategies: Each strategy with its settings.
        lacking: Keys of `[training]`, which all strategies share, that a
            strategy does not have, by its name.
    """

    options: TrainingOptions
    strategies: Mapping[str, Strategy]
    lacking: Mapping[str, tuple[str, ...]]

    @property
    def batch_size(self) -> int:
        """Samples of a batch."""
        return self.options.batch_size

    def strategy(self, name: str) -> Strategy:
        """Returns a strategy.

        Raises:
            ValueError: If there is none, or `[training]` says what it lacks.
        """
        check_choice("strategy", name, self.strategies)
        if self.lacking[name]:
            key = self.lacking[name][0]
            raise ValueError(
                f"`training.{key}` is not a setting of the strategy '{name}'."
                + nearest(key, self.strategies[name].names())
            )
        return self.strategies[name]


def read_training(training: Any, dropped: Dropped | None = None) -> Training:
    """Returns what `[training]` says.

    It holds what all strategies share, `[training.full]`,
    `[training.component]` and so on what is theirs alone.

    Args:
        training: The table.
        dropped: See `Options.read`.
    """
    check_table("training", training)
    shared = dict(training)
    own = {name: shared.pop(name, {}) for name in STRATEGIES}
    for name, table in own.items():
        check_table(f"training.{name}", table)
    plain = {k: shared.pop(k) for k in TrainingOptions.names() if k in shared}
    _check_shared(shared, dropped)
    return Training(
        TrainingOptions.read(plain, "training"),
        {
            name: STRATEGIES[name].read(
                {**_known(name, shared), **own[name]},
                f"training.{name}",
                dropped,
            )
            for name in STRATEGIES
        },
        {
            name: tuple(key for key in shared if key not in cls.names())
            for name, cls in STRATEGIES.items()
        },
    )


def _check_shared(shared: dict[str, Any], dropped: Dropped | None) -> None:
    """Raises ValueError for a wrong key, or value, that all would share."""
    known = {key for cls in STRATEGIES.values() for key in cls.names()}
    for key in [key for key in shared if key not in known]:
        if dropped is None or not dropped.unknown:
            choices = [*known, *TrainingOptions.names(), *STRATEGIES]
            raise ValueError(
                f"`training.{key}` is not a known key.{nearest(key, choices)}"
            )
        dropped.keys.append(f"training.{key}")
        del shared[key]
    for name, cls in STRATEGIES.items():
        cls.read(_known(name, shared), "training")


def _known(name: str, shared: Mapping[str, Any]) -> dict[str, Any]:
    known = STRATEGIES[name].names()
    return {key: value for key, value in shared.items() if key in known}
