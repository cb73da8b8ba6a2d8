"""The search for a model whose file keeps within a size, a time, a device."""

from mmkeras.front_doors import front_door

_HOME = {
    "Budget": "size_budget",
    "Candidate": "size_budget",
    "OutOfReach": "size_budget",
    "best": "size_budget",
    "frontier": "size_budget",
    "search": "size_budget",
    "shrink_run": "shrinking",
    "table": "size_budget",
    "write_search": "size_budget",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
