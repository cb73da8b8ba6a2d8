"""The callbacks that a strategy's settings ask for."""

import importlib.util
import warnings
from pathlib import Path

import keras

from mmkeras import heads as head_kinds
from mmkeras.training.stages.callbacks import (
    AveragedWeights,
    Patience,
    direction_of,
)
from mmkeras.training.stages.definition import Fit, Stage
from mmkeras.training.stages.modality_weights import (
    ModalityWeightsFromValidation,
    modality_weighted_layers,
)
from mmkeras.training.stages.orders import InOrder, SeededOrder


def configured_callbacks(
    fit: Fit, stage: Stage
) -> list[keras.callbacks.Callback]:
    """Returns the strategy's callbacks, in the order that they need."""
    settings, whole = fit.settings, fit.whole
    chosen: list[keras.callbacks.Callback] = [keras.callbacks.TerminateOnNaN()]
    if isinstance(fit.train, InOrder):
        chosen.append(SeededOrder(fit.train))
    if settings.ema_momentum is not None:
        # First, so that all others see the averaged weights.
        chosen.append(AveragedWeights())
    validation = stage.data.validation
    weighted = whole in (
        stage.model,
        stage.product,
    ) and modality_weighted_layers(whole)
    if weighted and validation is not None:
        losses = head_kinds.losses(fit.heads, whole)
        chosen.append(ModalityWeightsFromValidation(whole, losses, validation))
    if fit.out is not None and settings.tensorboard:
        chosen += _tensorboard(fit.out / "logs" / stage.name)
    if settings.patience is not None:
        monitor = _monitor(fit, stage)
        chosen.append(
            Patience(
                monitor,
                mode=direction_of(monitor),
                patience=settings.patience,
                restore_best_weights=True,
            )
        )
    return chosen


def _monitor(fit: Fit, stage: Stage) -> str:
    """Returns the metric that patience watches, by its name in a stage."""
    monitor, heads = fit.settings.monitor, stage.heads
    if monitor in ("loss", "val_loss") or heads is None:
        return monitor
    if not heads:
        # It has no other metric.
        return "loss" if stage.data.validation is None else "val_loss"
    if len(fit.heads) == 1 < len(heads):
        # Keras names the target only where there are several.
        figure = monitor.removeprefix("val_")
        start = monitor.removesuffix(figure)
        return f"{start}{next(iter(fit.heads))}_{figure}"
    return monitor


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
