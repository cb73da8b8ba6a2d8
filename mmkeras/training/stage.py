"""One stage of a strategy: what is trained, on what, how long, how fast."""

import importlib.util
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from mmkeras import heads as head_kinds
from mmkeras.training.balancing import balance
from mmkeras.training.callbacks import (
    AtomicCheckpoint,
    AveragedWeights,
    CsvHistory,
    latest_checkpoint,
)
from mmkeras.training.datasets import count_batches
from mmkeras.training.votes import VotesFromValidation, voting_layers

SCHEDULES = ("cosine", "constant")


@dataclass(frozen=True)
class Stage:
    """A call of `model.fit` within a strategy.

    Args:
        name: Name in the history: a tower, "fusion" or "all".
        model: What is trained; it shares its weights with the whole model.
        data: What it learns from: has `train` and `validation`.
        epochs: Passes over `data.train`.
        learning_rate: Peak learning rate.
    """

    name: str
    model: keras.Model
    data: Any
    epochs: int
    learning_rate: float


def run_stage(
    settings: Any,
    stage: Stage,
    whole: keras.Model,
    heads: Mapping[str, Any],
    out: Path | None,
    rows: CsvHistory,
    callbacks: Sequence[keras.callbacks.Callback],
    verbose: int | str,
) -> None:
    """Compiles and fits one stage; its figures land in `rows`.

    Args:
        settings: The strategy.
        stage: What is trained.
        whole: The whole model, which checkpoints hold.
        heads: Heads by target.
        out: Folder of the run, or None.
        rows: Collects the history of all stages.
        callbacks: The user's.
        verbose: As in `model.fit`.
    """
    if stage.epochs == 0:
        return
    steps = count_batches(stage.data.train)
    stage.model.compile(
        optimizer=make_optimizer(settings, stage, steps),
        loss=head_kinds.losses(heads),
        loss_weights=head_kinds.loss_weights(heads),
        weighted_metrics=head_kinds.metrics(heads),
    )
    first = len(rows.rows)
    rows.stage = stage.name
    if verbose:
        print(f"Stage `{stage.name}`: {stage.epochs} epochs")
    trained = balance(stage.model, heads, settings.balance)
    trained.fit(
        stage.data.train,
        validation_data=stage.data.validation,
        initial_epoch=first,
        epochs=first + stage.epochs,
        callbacks=[
            *_own_callbacks(settings, stage, whole, heads, out),
            rows,
            *callbacks,
        ],
        # A tf.data.Dataset shuffles by itself, and Keras would warn.
        shuffle=isinstance(stage.data.train, keras.utils.PyDataset),
        verbose=verbose,
    )
    _check_loss(rows, out)


def make_optimizer(
    settings: Any, stage: Stage, steps: int
) -> keras.optimizers.Optimizer:
    """Returns AdamW with warm-up, schedule, clipping and averaging.

    Args:
        settings: The strategy.
        stage: Gives epochs, peak rate, and the weights that have no decay.
        steps: Batches in an epoch.
    """
    warmup = min(settings.warmup_epochs, stage.epochs / 4) * steps
    peak = stage.learning_rate
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=peak / (warmup + 1),
        decay_steps=max(1, math.ceil(stage.epochs * steps - warmup)),
        alpha=1.0 if settings.schedule == "constant" else 0.0,
        warmup_target=peak,
        # Keras divides by it.
        warmup_steps=max(1, round(warmup)),
    )
    optimizer = keras.optimizers.AdamW(
        learning_rate=rate,
        weight_decay=settings.weight_decay,
        global_clipnorm=settings.clip_norm,
        use_ema=settings.ema_momentum is not None,
        ema_momentum=settings.ema_momentum or 0.99,
    )
    # Scales and shifts have one axis; recurrent biases have two.
    flat = [w for w in stage.model.trainable_weights if len(w.shape) < 2]
    optimizer.exclude_from_weight_decay(var_list=flat, var_names=["bias"])
    return optimizer


def _own_callbacks(
    settings: Any,
    stage: Stage,
    whole: keras.Model,
    heads: Mapping[str, Any],
    out: Path | None,
) -> list[keras.callbacks.Callback]:
    """Returns the strategy's callbacks, in the order that they need."""
    chosen: list[keras.callbacks.Callback] = [keras.callbacks.TerminateOnNaN()]
    if settings.ema_momentum is not None:
        # Before all that look at the weights.
        chosen.append(AveragedWeights())
    validation = stage.data.validation
    if stage.model is whole and validation is not None and voting_layers(whole):
        losses = head_kinds.losses(heads)
        chosen.append(VotesFromValidation(whole, losses, validation))
    if out is not None and settings.checkpoints:
        chosen.append(
            AtomicCheckpoint(out / "checkpoints", settings.checkpoints, whole)
        )
    if out is not None and settings.tensorboard:
        chosen += _tensorboard(out / "logs" / stage.name)
    if settings.patience is not None:
        chosen.append(
            keras.callbacks.EarlyStopping(
                settings.monitor,
                patience=settings.patience,
                restore_best_weights=True,
            )
        )
    return chosen


def _tensorboard(folder: Path) -> list[keras.callbacks.Callback]:
    if importlib.util.find_spec("tensorboard") is None:
        warnings.warn(
            "`tensorboard` is not installed, so no logs are written for it; "
            "`pip install tensorboard`, or `tensorboard=False`",
            stacklevel=2,
        )
        return []
    return [
        keras.callbacks.TensorBoard(
            str(folder), write_graph=False, update_freq="epoch"
        )
    ]


def _check_loss(rows: CsvHistory, out: Path | None) -> None:
    """Raises ValueError if the last epoch's loss is NaN or infinite."""
    last = rows.rows[-1]
    if math.isfinite(last["loss"]):
        return
    kept = out and latest_checkpoint(out / "checkpoints")
    raise ValueError(
        f"The loss must stay finite. Received: loss={last['loss']} in epoch "
        f"{last['epoch']} (stage `{last['stage']}`); "
        + (f"the last finite checkpoint is `{kept}`; " if kept else "")
        + "try a lower `learning_rate` or a smaller `clip_norm`, and look "
        "for NaN in the data"
    )


def history_of(
    rows: Sequence[Mapping[str, Any]], model: keras.Model
) -> keras.callbacks.History:
    """Returns `rows` as Keras' own history; None where a row has no figure."""
    history = keras.callbacks.History()
    history.set_model(model)
    history.epoch = [row["epoch"] - 1 for row in rows]
    names = list(dict.fromkeys(name for row in rows for name in row))
    history.history = {
        name: [row.get(name) for row in rows]
        for name in names
        if name != "epoch"
    }
    return history


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and the backend, and makes a CPU repeat itself."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    # On a GPU it would refuse operators and switch XLA off.
    if not tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()
