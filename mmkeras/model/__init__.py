"""From spec to model: the only place where a spec becomes layers."""

from mmkeras.model.build import build_model
from mmkeras.model.ladder import SCALES, smaller
from mmkeras.model.load import load_model
from mmkeras.model.recipe import RECIPE_KEYS, build_from_recipe, check_keys

__all__ = [
    "RECIPE_KEYS",
    "SCALES",
    "build_from_recipe",
    "build_model",
    "check_keys",
    "load_model",
    "smaller",
]
