"""The contract of every part, for your own as for ours.

    mmkeras.check_kind(kind, rows)
    mmkeras.check_tower(model)
    mmkeras.check_fusion(layer)
    mmkeras.checks.check_head(head, task)

Every part of this package passes them in its tests.
"""

from mmkeras.checks.fusions import check_fusion
from mmkeras.checks.heads import check_head
from mmkeras.checks.kinds import check_kind
from mmkeras.checks.towers import check_tower
from mmkeras.checks.toys import Task

__all__ = ["Task", "check_fusion", "check_head", "check_kind", "check_tower"]
