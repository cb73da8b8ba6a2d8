"""From parts to a model, and a model back from its file."""

from mmkeras.model.build import build_model
from mmkeras.model.inspect import inspect_model
from mmkeras.model.inspect_config import check_config
from mmkeras.model.load import bounded_weights, load_model
from mmkeras.model.saved_tower import SavedTower, own_tower

__all__ = [
    "SavedTower",
    "bounded_weights",
    "build_model",
    "check_config",
    "inspect_model",
    "load_model",
    "own_tower",
]
