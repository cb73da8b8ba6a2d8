"""Outputs of frozen towers, kept on disk."""

from mmkeras.front_doors import front_door

_HOME = {
    "frozen_model": "submodels",
    "token_readers": "submodels",
    "towers_sha256": "cache",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
