"""Strategies for data most of whose samples have no label.

All three take what `data.with_labels` returns, or data with empty cells in
the manifest's label columns, and leave an ordinary model.
"""

from mmkeras.training.strategies.semi.cotraining import CoTrain
from mmkeras.training.strategies.semi.fixmatch import Consistency, FixMatch
from mmkeras.training.strategies.semi.pseudo import PseudoLabel

__all__ = ["CoTrain", "Consistency", "FixMatch", "PseudoLabel"]
