"""Ways to make a float file smaller, and the choice among them."""

from mmkeras.front_doors import front_door

_HOME = {
    "widest_range": "heavy_int8:widest_range",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
