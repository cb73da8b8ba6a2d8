"""Search: recipes whose values are ranges, tried one after the other."""

from mmkeras.tune.job import METHODS, Job, direction_of
from mmkeras.tune.ranges import Range
from mmkeras.tune.recipe_toml import to_toml
from mmkeras.tune.search import tune
from mmkeras.tune.space import Space

__all__ = [
    "METHODS",
    "Job",
    "Range",
    "Space",
    "direction_of",
    "to_toml",
    "tune",
]
