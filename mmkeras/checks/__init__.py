"""The contract of towers and fusions, for your own parts as for ours.

    mmkeras.check_tower(model)
    mmkeras.check_fusion(layer)

Every part of this package passes them in its tests.
"""

from mmkeras.checks.fusions import check_fusion
from mmkeras.checks.towers import check_tower

__all__ = ["check_fusion", "check_tower"]
