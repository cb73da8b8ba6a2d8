"""Sounds and films in every format, told by their content."""

from mmkeras.front_doors import front_door

_HOME = {
    "Damaged": "films",
    "Film": "films",
    "Sound": "sounds",
    "container_of": "containers",
    "frames_of": "films",
    "is_cut": "containers",
    "look_through": "films",
    "open_container": "containers",
    "read_sound": "sounds",
    "try_all": "films",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
