"""Strategies for data most of whose samples have no label.

All three take what `data.with_labels` returns, or data with empty cells in
the manifest's label columns, and leave an ordinary model.
"""

from mmkeras.training.strategies.semi.base import outputs_of, with_everything
from mmkeras.training.strategies.semi.confidence import (
    agreed_classes,
    balanced_weights,
    class_thresholds,
    confidences,
    confident_classes,
)
from mmkeras.training.strategies.semi.cotraining import CoTrain
from mmkeras.training.strategies.semi.fixmatch import Consistency, FixMatch
from mmkeras.training.strategies.semi.pseudo import PseudoLabel

__all__ = [
    "CoTrain",
    "Consistency",
    "FixMatch",
    "PseudoLabel",
    "agreed_classes",
    "balanced_weights",
    "class_thresholds",
    "confidences",
    "confident_classes",
    "outputs_of",
    "with_everything",
]
