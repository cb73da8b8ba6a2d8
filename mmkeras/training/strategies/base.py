"""The base class of strategies: settings, and one signature of `fit`."""

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from mmkeras import artefact, stopping
from mmkeras.options import option
from mmkeras.training.balancing.weights import METHODS
from mmkeras.training.stages.budget import Spent
from mmkeras.training.stages.callbacks import CsvHistory, direction_of
from mmkeras.training.stages.checkpoints import adopt_earlier
from mmkeras.training.stages.datasets import check_data
from mmkeras.training.stages.definition import Fit, Stage
from mmkeras.training.stages.optimizer import SCHEDULES
from mmkeras.training.stages.progress import (
    earlier_stages,
    kept_stages,
    run_stages,
    seed_everything,
)
from mmkeras.training.stages.resume import (
    find_checkpoint,
    fingerprint,
    forget,
    forget_stages,
)
from mmkeras.training.stages.run_folder import (
    HISTORY,
    check_room,
    history_of,
)
from mmkeras.training.stages.settling import settle
from mmkeras.training.strategies.settings import TuningSettings
from mmkeras.training.trainable.freeze import restore_flags, trainable_flags
from mmkeras.training.trainable.selection import tuned
from mmkeras.training.trainable.single_towers import check_targets
from mmkeras.values import (
    COUNT,
    FLAG,
    FROM_ZERO,
    PART,
    POSITIVE,
    TEXT,
    WHOLE,
    is_real,
    one_of,
    or_none,
)


@dataclass(frozen=True, kw_only=True)
class Strategy(TuningSettings):
    """Base of every strategy: the optimizer and when to stop.

    A subclass adds its settings, each an `option` with a check, and
    implements `plan` and `stages`.

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
        monitor: The metric that `patience` watches.
        checkpoints: How many checkpoints `fit(out=...)` keeps; 0 for none.
        checkpoint_share: The largest share of the time that saving them may
            take: short epochs are not all saved, but the first and the last
            of a stage are. 1 saves each epoch.
        checkpoint_every_sec: Seconds after which a longer epoch is saved
            within, so that no more is lost; None for never.
        tensorboard: Whether `fit(out=...)` writes logs for TensorBoard.
        balance: How several targets are weighed against each other: "fixed"
            (by their weights alone), "uncertainty", "gradnorm" or "dwa"; see
            `Balanced`.
        budget_steps: Optimizer steps of all stages together, shared out in
            proportion to their epochs, which then say nothing else; None
            trains as many epochs as are set. A step is one batch.
        budget_sec: The same in seconds, with validation and checkpoints not
            counted. Not both.

    Every argument of `TuningSettings` is taken too.
    """

    learning_rate: float = option(1e-3, POSITIVE)
    weight_decay: float = option(1e-4, FROM_ZERO)
    warmup_epochs: float = option(1.0, FROM_ZERO, "epochs")
    schedule: str = option("cosine", one_of(*SCHEDULES))
    clip_norm: float | None = option(1.0, or_none(POSITIVE))
    ema_momentum: float | None = option(
        None,
        (
            "a number above 0 and below 1, or None",
            lambda v: v is None or (is_real(v) and 0 < v < 1),
        ),
    )
    patience: int | None = option(None, or_none(COUNT), "epochs")
    monitor: str = option("val_loss", ("a metric's name", TEXT[1]))
    checkpoints: int = option(2, WHOLE)
    checkpoint_share: float = option(0.05, PART)
    checkpoint_every_sec: float | None = option(300.0, or_none(POSITIVE), "s")
    tensorboard: bool = option(True, FLAG)
    balance: str = option("fixed", one_of(*METHODS))
    budget_steps: int | None = option(None, or_none(COUNT), "steps")
    budget_sec: float | None = option(None, or_none(POSITIVE), "s")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.budget_steps is not None and self.budget_sec is not None:
            raise ValueError(
                "A budget must be of steps or of seconds. Received: "
                f"budget_steps={self.budget_steps} and "
                f"budget_sec={self.budget_sec}"
            )
        if self.patience is not None and direction_of(self.monitor) is None:
            raise ValueError(
                "`monitor` must be a metric whose name tells whether larger is "
                f"better. Received: {self.monitor!r}. Such as: "
                "'val_loss', 'val_accuracy', 'val_TARGET_rmse'"
            )

    def plan(self, model: keras.Model) -> list[tuple[str, int]]:
        """Returns name and epochs of each stage, in order."""
        raise NotImplementedError

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
        resume: bool = False,
        identity: Mapping[str, Any] | None = None,
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
                `save_run` puts the result beside them. Where there are
                several stages, each that ends leaves a run of its own in
                `stages/`, which names those before it by their hash.
            callbacks: Further Keras callbacks, used in every stage.
            seed: Seed of everything random from here on; on a CPU the same
                model, data and seed then give the same bits. None leaves
                seeds and determinism alone.
            verbose: As in `model.fit`.
            resume: Whether to resume from the last complete checkpoint in
                `out`, if there is one; on a CPU, the weights then become the
                same bits as without the interruption. Without it, an older
                training's checkpoints are removed.
            identity: What else must be the same for a training to be resumed,
                JSON values by name, such as the recipe.

        Returns:
            The history of all stages, epochs numbered through, with a
            `stage`, a `learning_rate`, and what was spent so far in `steps`
            and `seconds`, for each epoch. Its `settled` is what heads have
            chosen at the end, by target.

        Raises:
            ValueError: If the loss becomes NaN or infinite, or the
                training to resume was started with other settings.
            OSError: If `out` has no room for what will be saved.
        """
        check_data(data, self.monitor if self.patience else None)
        check_targets(model, heads)
        if seed is not None:
            seed_everything(seed, self.jit_compile)
        if out is not None:
            stages = sum(epochs > 0 for _, epochs in self.plan(model))
            check_room(
                out, model, self.checkpoints, stages if stages > 1 else 0
            )
        with contextlib.ExitStack() as stack:
            if out is not None:
                if resume:
                    adopt_earlier(Path(out))
                opened = artefact.open_out(out, "run", names=[HISTORY])
                with artefact.writing(out, "the model"):
                    out = stack.enter_context(opened)
                    (out / HISTORY).parent.mkdir(exist_ok=True)
            return self._fit(
                model, data, heads, out, callbacks, seed, verbose, resume,
                identity,
            )  # fmt: skip

    def _fit(
        self,
        model: keras.Model,
        data: Any,
        heads: Mapping[str, Any],
        out: Path | None,
        callbacks: Sequence[keras.callbacks.Callback],
        seed: int | None,
        verbose: int | str,
        resume: bool,
        identity: Mapping[str, Any] | None,
    ) -> keras.callbacks.History:
        """Trains as `fit` does, in a folder that nobody else writes."""
        # Not `out/history.csv`: an older run there stays whole until the end.
        rows = CsvHistory(out and out / HISTORY)
        fit = Fit(self, model, heads, out, rows, Spent(), callbacks, verbose)
        fit.seed = seed
        fit.fingerprint = fingerprint(self, model, data, seed, identity)
        checkpoint = None
        if out is not None and resume:
            checkpoint = find_checkpoint(
                out, fit.fingerprint, functools.partial(earlier_stages, fit)
            )
        if out is not None and checkpoint is None:
            forget(out)
            stopping.note_new_beginning()
        flags = trainable_flags(model)
        stages: Iterator[Stage] = iter(())
        try:
            # Data of ours name the shard that cannot be read.
            reading = getattr(data, "reading", contextlib.nullcontext)
            with reading(), tuned(self, model) as fit.tuning:
                stages = self.stages(model, data, heads)
                run_stages(fit, stages, seed, checkpoint)
                settled = settle(model, data, heads)
            if out is not None:
                forget_stages(out, [place.name for place in kept_stages(fit)])
        finally:
            # What lies in a temporary folder goes at once.
            getattr(stages, "close", lambda: None)()
            restore_flags(flags)
        history = history_of(rows.rows, model)
        history.settled = settled
        return history
