"""Training: strategies with one signature, their parts and callbacks."""

from mmkeras.training.alignment.pretraining import OBJECTIVES as ALIGNMENTS
from mmkeras.training.alignment.pretraining import Paired, alignment_model
from mmkeras.training.balancing.weights import Balanced, balance
from mmkeras.training.embeddings.cache import cache_embeddings, open_embeddings
from mmkeras.training.embeddings.submodels import embedding_model, fusion_model
from mmkeras.training.pretext import OBJECTIVES as PRETEXTS
from mmkeras.training.pretext import Unlabelled, pretext_model
from mmkeras.training.stages.callbacks import AveragedWeights, CsvHistory
from mmkeras.training.stages.checkpoints import (
    AtomicCheckpoint,
    adopt_earlier,
    latest_checkpoint,
)
from mmkeras.training.stages.modality_weights import (
    ModalityWeightsFromValidation,
)
from mmkeras.training.stages.run_folder import check_finite, save_run
from mmkeras.training.strategies.base import Strategy
from mmkeras.training.strategies.registry import (
    STRATEGIES,
    ComponentPretrain,
    FullFineTune,
    make_strategy,
)
from mmkeras.training.strategies.semi import CoTrain, FixMatch, PseudoLabel
from mmkeras.training.trainable.lora import add_lora, merge_lora
from mmkeras.training.trainable.precision import precision_scope
from mmkeras.training.trainable.rates import GroupedAdamW
from mmkeras.training.trainable.transfer import take_tower

__all__ = [
    "adopt_earlier",
    "ALIGNMENTS",
    "PRETEXTS",
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
    "ModalityWeightsFromValidation",
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
    "embedding_model",
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

# The names of earlier versions.
speaking_model = embedding_model
VotesFromValidation = ModalityWeightsFromValidation
