"""Training with the rounding of an int8 file."""

from mmkeras.front_doors import front_door

_HOME = {
    "layer_of": "layer",
    "round_activation": "rounding",
    "round_table": "rounding",
    "round_weight": "rounding",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
