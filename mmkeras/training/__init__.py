"""Training: strategies with one signature, their parts and callbacks."""

from mmkeras.training.alignment import Paired, alignment_model
from mmkeras.training.balancing import Balanced, balance
from mmkeras.training.callbacks import (
    AtomicCheckpoint,
    AveragedWeights,
    CsvHistory,
    latest_checkpoint,
)
from mmkeras.training.embeddings import cache_embeddings, open_embeddings
from mmkeras.training.frozen import fusion_model, speaking_model
from mmkeras.training.lora import add_lora, merge_lora
from mmkeras.training.precision import precision_scope
from mmkeras.training.pretext import Unlabelled, pretext_model
from mmkeras.training.rates import GroupedAdamW
from mmkeras.training.run import check_finite, save_run
from mmkeras.training.semi import CoTrain, FixMatch, PseudoLabel
from mmkeras.training.strategies import (
    STRATEGIES,
    ComponentPretrain,
    FullFineTune,
    make_strategy,
)
from mmkeras.training.strategy import Strategy
from mmkeras.training.transfer import take_tower
from mmkeras.training.votes import VotesFromValidation

__all__ = [
    "STRATEGIES",
    "AtomicCheckpoint",
    "AveragedWeights",
    "Balanced",
    "CoTrain",
    "ComponentPretrain",
    "CsvHistory",
    "FixMatch",
    "FullFineTune",
    "GroupedAdamW",
    "Paired",
    "PseudoLabel",
    "Strategy",
    "Unlabelled",
    "VotesFromValidation",
    "add_lora",
    "alignment_model",
    "balance",
    "cache_embeddings",
    "check_finite",
    "fusion_model",
    "latest_checkpoint",
    "make_strategy",
    "merge_lora",
    "open_embeddings",
    "precision_scope",
    "pretext_model",
    "save_run",
    "speaking_model",
    "take_tower",
]
