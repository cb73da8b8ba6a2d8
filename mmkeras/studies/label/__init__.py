"""Labelling of samples: proposed by a model, corrected by a person.

`propose_labels` writes a sheet, `apply_labels` brings it back.
"""

from mmkeras.front_doors import front_door

_HOME = {
    "STRATEGIES": "acquisition",
    "apply_labels": "sheet",
    "disagreement": "acquisition",
    "find_name": "name_matching:find",
    "judge": "acquisition",
    "pool_of": "pool",
    "propose_labels": "propose",
    "spellings": "name_matching",
    "write_sheet": "sheet",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
