"""From Keras to files, and what can be read off a file."""

from mmkeras.front_doors import front_door

_HOME = {
    "Notes": "produced_file",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
