"""Channels, units and heads removed for good."""

from mmkeras.front_doors import front_door

_HOME = {
    "Groups": "groups",
    "importances": "importance",
    "rebuild_model": "rebuild:rebuild",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
