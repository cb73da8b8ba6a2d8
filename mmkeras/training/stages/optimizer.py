"""The optimizer of a stage, and its learning-rate schedule."""

import math
from collections.abc import Callable
from typing import Any

import keras

from mmkeras.training.stages.definition import Share, Stage
from mmkeras.training.trainable.rates import GroupedAdamW
from mmkeras.training.trainable.selection import Applied

SCHEDULES = ("cosine", "constant")


def schedule(
    settings: Any, stage: Stage, steps: int, share: Share | None = None
) -> Callable[[float], float] | None:
    """Returns the learning rate as a function of the share of time spent.

    None without a budget of seconds: the optimizer then has a schedule by
    steps.
    """
    if share is None or share.seconds is None:
        return None
    # The same share of the time as the warm-up has of the epochs.
    warmup = min(settings.warmup_epochs / max(stage.epochs, 1), 0.25)
    peak = stage.learning_rate

    def rate(passed: float) -> float:
        if passed < warmup:
            return peak * max(passed / warmup, 0.01)
        if settings.schedule == "constant":
            return peak
        along = (passed - warmup) / (1 - warmup)
        return peak * 0.5 * (1 + math.cos(math.pi * along))

    return rate


def make_optimizer(
    settings: Any,
    stage: Stage,
    steps: int,
    share: Share | None = None,
    applied: Applied | None = None,
) -> keras.optimizers.Optimizer:
    """Returns AdamW with warm-up, schedule, clipping and averaging.

    Args:
        settings: The strategy.
        stage: Gives epochs, peak rate, and the weights that have no decay.
        steps: Batches in an epoch.
        share: What the stage may spend.
        applied: Which weights have a rate, a decay or a start of their own.
    """
    total = stage.epochs * steps
    if share is not None and share.steps is not None:
        total = share.steps
    warmup = min(settings.warmup_epochs * steps, total / 4)
    peak = stage.learning_rate
    rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=peak / (warmup + 1),
        decay_steps=max(1, math.ceil(total - warmup)),
        alpha=1.0 if settings.schedule == "constant" else 0.0,
        warmup_target=peak,
        # Keras divides by it.
        warmup_steps=max(1, round(warmup)),
    )
    if share is not None and share.seconds is not None:
        # Set at each step, by the time that has passed.
        rate = peak
    own = applied.optimizer_arguments(settings.weight_decay) if applied else {}
    optimizer = (GroupedAdamW if own else keras.optimizers.AdamW)(
        learning_rate=rate,
        weight_decay=settings.weight_decay,
        global_clipnorm=settings.clip_norm,
        use_ema=settings.ema_momentum is not None,
        ema_momentum=settings.ema_momentum or 0.99,
        # Keras takes 2 or more.
        gradient_accumulation_steps=settings.accumulate_steps
        if settings.accumulate_steps > 1
        else None,
        **own,
    )
    # Scales and shifts have one axis; recurrent biases have two.
    flat = [w for w in stage.model.trainable_weights if len(w.shape) < 2]
    optimizer.exclude_from_weight_decay(var_list=flat, var_names=["bias"])
    return optimizer
