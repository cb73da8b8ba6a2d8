"""Fusion layers: several towers' outputs in, one vector out."""

from mmkeras.fusion.absent import ModalityDropout
from mmkeras.fusion.attention import CrossAttention
from mmkeras.fusion.base import Fusion
from mmkeras.fusion.concat import Concat
from mmkeras.fusion.gated import Gated

__all__ = ["Concat", "CrossAttention", "Fusion", "Gated", "ModalityDropout"]
