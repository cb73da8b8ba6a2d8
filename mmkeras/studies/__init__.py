"""What is done with many runs: compare, tune, ensemble, label, retrieve."""

from mmkeras.front_doors import front_door

_HOME = {"study": "anew"}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
