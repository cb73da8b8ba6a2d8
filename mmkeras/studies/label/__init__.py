"""Labelling of samples: proposed by a model, corrected by a person.

`propose_labels` writes a sheet, `apply_labels` brings it back.
"""

from mmkeras.studies.label.acquisition import STRATEGIES, judge
from mmkeras.studies.label.pool import pool_of
from mmkeras.studies.label.propose import propose_labels
from mmkeras.studies.label.sheet import apply_labels

__all__ = [
    "STRATEGIES",
    "apply_labels",
    "judge",
    "pool_of",
    "propose_labels",
]
