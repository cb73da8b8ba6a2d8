"""From a manifest to shards: `prepare`, and the processes it starts."""

from mmkeras.front_doors import front_door

_HOME = {
    "SPLITS": "split",
    "assign_splits": "split",
    "rules_of": "rules",
    "stamp_of": "shards",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
