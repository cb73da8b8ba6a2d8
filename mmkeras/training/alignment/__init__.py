"""Towers that are trained to agree with each other."""

from mmkeras.front_doors import front_door

_HOME = {
    "SigLIPAlignment": "losses",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
