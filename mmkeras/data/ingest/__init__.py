"""From a manifest to shards: `prepare`, and the processes it starts."""

from mmkeras.front_doors import front_door

_HOME = {
    "READING_ROOMS": "rules:ROOMS",
    "SPLITS": "split",
    "Table": "table",
    "answer_jobs": "workers:main",
    "assign_splits": "split",
    "bad_times": "split_by_time",
    "codes_of": "table",
    "draw_places": "split",
    "rules_of": "rules",
    "shares_missed": "split",
    "stamp_of": "stamps",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
