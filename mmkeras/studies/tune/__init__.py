"""Hyperparameter search over recipes whose values are ranges."""

from mmkeras.studies.tune.job import METHODS, Job, direction_of
from mmkeras.studies.tune.ranges import Range
from mmkeras.studies.tune.recipe_toml import to_toml
from mmkeras.studies.tune.search import tune
from mmkeras.studies.tune.space import Space

__all__ = [
    "METHODS",
    "Job",
    "Range",
    "Space",
    "direction_of",
    "to_toml",
    "tune",
]
