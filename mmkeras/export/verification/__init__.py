"""Whether a file is still the model: measured on samples, against Keras."""

from mmkeras.front_doors import front_door

_HOME = {
    "compare_outputs": "comparison",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
