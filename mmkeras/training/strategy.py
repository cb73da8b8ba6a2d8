"""What every strategy shares: its settings, and one signature of `fit`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import keras

from mmkeras.training.balancing import METHODS
from mmkeras.training.callbacks import CsvHistory
from mmkeras.training.datasets import check_data
from mmkeras.training.freeze import restore_flags, trainable_flags
from mmkeras.training.run import check_room, writing
from mmkeras.training.stage import (
    SCHEDULES,
    Stage,
    history_of,
    run_stage,
    seed_everything,
)
from mmkeras.training.towers import check_targets


def _is_real(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and float("-inf") < value < float("inf")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_POSITIVE = ("a positive number", lambda v: _is_real(v) and v > 0)
_FROM_ZERO = ("a number from 0", lambda v: _is_real(v) and v >= 0)
_COUNT = ("a whole number from 0", lambda v: _is_whole(v) and v >= 0)

# What each setting must be, in words and as a test.
_CHECKS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "learning_rate": _POSITIVE,
    "fine_tune_learning_rate": _POSITIVE,
    "weight_decay": _FROM_ZERO,
    "warmup_epochs": _FROM_ZERO,
    "epochs": _COUNT,
    "tower_epochs": _COUNT,
    "fusion_epochs": _COUNT,
    "checkpoints": _COUNT,
    "schedule": (
        f"one of {', '.join(SCHEDULES)}",
        lambda v: v in SCHEDULES,
    ),
    "clip_norm": (
        "a positive number or None",
        lambda v: v is None or (_is_real(v) and v > 0),
    ),
    "ema_momentum": (
        "a number above 0 and below 1, or None",
        lambda v: v is None or (_is_real(v) and 0 < v < 1),
    ),
    "patience": (
        "a positive whole number or None",
        lambda v: v is None or (_is_whole(v) and v > 0),
    ),
    "monitor": ("a figure's name", lambda v: isinstance(v, str) and v != ""),
    "tensorboard": ("true or false", lambda v: isinstance(v, bool)),
    "balance": (f"one of {', '.join(METHODS)}", lambda v: v in METHODS),
}


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """Base of every strategy: the optimizer and when to stop.

    A subclass adds its numbers of epochs and implements `stages`.

    Args:
        learning_rate: Peak learning rate of AdamW.
        weight_decay: Decoupled weight decay; biases and scales have none.
        warmup_epochs: Epochs over which the rate rises, at most a quarter of
            the stage.
        schedule: "cosine" (down to zero) or "constant", after the warm-up.
        clip_norm: Largest global norm of the gradient; None for no limit.
        ema_momentum: Momentum of the moving average of the weights, which
            then is the result, such as 0.99; None for the last weights.
        patience: Epochs without a better `monitor` after which a stage ends
            and its best weights return; None trains every epoch and keeps the
            last weights.
        monitor: The figure that `patience` looks at.
        checkpoints: How many checkpoints `fit(out=...)` keeps; 0 for none.
        tensorboard: Whether `fit(out=...)` writes logs for TensorBoard.
        balance: How several targets are weighed against each other: "fixed"
            (by their weights alone), "uncertainty", "gradnorm" or "dwa"; see
            `Balanced`.
    """

    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup_epochs: float = 1.0
    schedule: str = "cosine"
    clip_norm: float | None = 1.0
    ema_momentum: float | None = None
    patience: int | None = None
    monitor: str = "val_loss"
    checkpoints: int = 2
    tensorboard: bool = True
    balance: str = "fixed"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            words, good = _CHECKS[field.name]
            if not good(value):
                raise ValueError(
                    f"`{field.name}` must be {words}. Received: {value!r}"
                )

    def stages(
        self, model: keras.Model, data: Any, heads: Mapping[str, Any]
    ) -> Iterator[Stage]:
        """Yields one stage after the other; may freeze layers in between."""
        raise NotImplementedError

    def fit(
        self,
        model: keras.Model,
        data: Any,
        heads: Mapping[str, Any],
        out: str | Path | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        seed: int | None = 0,
        verbose: int | str = "auto",
    ) -> keras.callbacks.History:
        """Trains `model` in place.

        Args:
            model: Functional model from `{modality: x}` to `{target: y}`.
            data: Anything with `train` and `validation`: data sets of
                `({modality: x}, {target: y}, {target: sample_weight})`;
                `validation` may be None.
            heads: The heads of the model, by target.
            out: Folder for `checkpoints/` and `logs/` (TensorBoard's, and a
                `history.csv` that grows epoch by epoch); None writes nothing.
                `save_run` puts the result beside them.
            callbacks: Further Keras callbacks, used in every stage.
            seed: Seed of everything random from here on; on a CPU the same
                model, data and seed then give the same bits. None leaves
                seeds and determinism alone.
            verbose: As in `model.fit`.

        Returns:
            The history of all stages, epochs numbered through, with a
            `stage` and a `learning_rate` for each epoch.

        Raises:
            ValueError: If the loss becomes NaN or infinite.
            OSError: If `out` has no room for what will be saved.
        """
        check_data(data, self.monitor if self.patience else None)
        check_targets(model, heads)
        if seed is not None:
            seed_everything(seed)
        if out is not None:
            out = Path(out)
            check_room(out, model, self.checkpoints + 2)
            with writing(out):
                (out / "logs").mkdir(parents=True, exist_ok=True)
        # Not `out/history.csv`: an older run there stays whole until the end.
        rows = CsvHistory(out and out / "logs" / "history.csv")
        flags = trainable_flags(model)
        try:
            for stage in self.stages(model, data, heads):
                run_stage(
                    self, stage, model, heads, out, rows, callbacks, verbose
                )
        finally:
            restore_flags(flags)
        return history_of(rows.rows, model)
