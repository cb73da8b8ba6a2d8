"""The contract of every part, for your own as for ours.

    mmkeras.check_kind(kind, rows)
    mmkeras.check_tower(model)
    mmkeras.check_fusion(layer)
    mmkeras.checks.check_head(head, task)

Every part of this package passes them in its tests.
"""

from mmkeras.front_doors import front_door

_HOME = {
    "BACKENDS": "backends",
    "CLASSES": "toys",
    "DEVICE_FILES": "formats:DEVICE",
    "EVERY_FILE": "formats:EVERY",
    "FUSION_NAME": "fusions:ALWAYS",
    "FileKind": "formats",
    "TOKENS": "toys",
    "Task": "toys",
    "WIDTH": "toys",
    "check_backend": "backends:same_on",
    "check_exports": "formats:exports",
    "check_fusion": "fusions",
    "check_head": "heads",
    "check_kind": "kinds",
    "check_tower": "towers",
    "classifier": "toys",
    "fused_classifier": "toys",
    "headed_model": "toys",
    "paired_classifier": "toys",
    "random_input": "toys",
    "toy_problem": "toys",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = front_door(__name__, _HOME)
