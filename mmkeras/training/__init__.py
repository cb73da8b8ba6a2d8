"""Training: two strategies with one signature, and their callbacks."""

from mmkeras.training.callbacks import (
    AtomicCheckpoint,
    AveragedWeights,
    CsvHistory,
    latest_checkpoint,
)
from mmkeras.training.run import check_finite, save_run
from mmkeras.training.strategies import (
    STRATEGIES,
    ComponentPretrain,
    FullFineTune,
    make_strategy,
)
from mmkeras.training.strategy import Strategy

__all__ = [
    "STRATEGIES",
    "AtomicCheckpoint",
    "AveragedWeights",
    "ComponentPretrain",
    "CsvHistory",
    "FullFineTune",
    "Strategy",
    "check_finite",
    "latest_checkpoint",
    "make_strategy",
    "save_run",
]
