"""Pretraining one tower by itself, without labels."""

from mmkeras.training.pretext.objectives import (
    OBJECTIVES,
    check_objective,
    kind_of,
    pretext_model,
)
from mmkeras.training.pretext.unlabelled import Unlabelled

__all__ = [
    "OBJECTIVES",
    "Unlabelled",
    "check_objective",
    "kind_of",
    "pretext_model",
]
