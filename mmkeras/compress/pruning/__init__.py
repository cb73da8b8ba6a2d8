"""Weights that become zero, or few distinct values."""

from mmkeras.front_doors import front_door

_HOME = {
    "k_means": "clustering",
    "last_turn": "schedules",
    "share_values": "clustering",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
