"""Training: two strategies with one signature, and their callbacks."""

from mmkeras.training.balancing import Balanced, balance
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
from mmkeras.training.votes import VotesFromValidation

__all__ = [
    "STRATEGIES",
    "AtomicCheckpoint",
    "AveragedWeights",
    "Balanced",
    "ComponentPretrain",
    "CsvHistory",
    "FullFineTune",
    "Strategy",
    "VotesFromValidation",
    "balance",
    "check_finite",
    "latest_checkpoint",
    "make_strategy",
    "save_run",
]
