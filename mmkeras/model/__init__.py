"""From parts to a model, and a model back from its file."""

from mmkeras.model.build import build_model
from mmkeras.model.load import load_model
from mmkeras.model.saved_tower import SavedTower, own_tower

__all__ = ["SavedTower", "build_model", "load_model", "own_tower"]
