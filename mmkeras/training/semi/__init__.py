"""Strategies for data most of whose samples have no label.

All three take what `data.with_labels` returns, or data with empty cells in
the manifest's label columns, and leave an ordinary model.
"""

from mmkeras.training.semi.cotraining import CoTrain
from mmkeras.training.semi.fixmatch import Consistency, FixMatch
from mmkeras.training.semi.pseudo import PseudoLabel

__all__ = ["CoTrain", "Consistency", "FixMatch", "PseudoLabel"]
