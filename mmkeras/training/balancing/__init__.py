"""How much each of several targets counts in training."""

from mmkeras.front_doors import front_door

_HOME = {
    "GRADNORM_RATE": "weights:RATE",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
