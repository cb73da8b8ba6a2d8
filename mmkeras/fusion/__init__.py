"""Fusion layers: several towers' outputs in, one vector out.

The costs in their docstrings leave out biases and normalisation.
"""

from mmkeras.fusion.attention import CrossAttention
from mmkeras.fusion.base import Fusion
from mmkeras.fusion.bilinear import Bilinear, MultiplicativeInteraction
from mmkeras.fusion.bottleneck import Bottleneck
from mmkeras.fusion.channel_attention import MultiChannelAttention
from mmkeras.fusion.concat import Concat
from mmkeras.fusion.elementwise import Max, Mean, Projection, WeightedMean
from mmkeras.fusion.film import FiLM
from mmkeras.fusion.gated import Gated
from mmkeras.fusion.graph import Graph
from mmkeras.fusion.invariant import (
    ModalityCritic,
    ModalityInvariant,
    reverse_gradient,
)
from mmkeras.fusion.late import Average, Late, WeightedAverage
from mmkeras.fusion.late_logits import ProductOfExperts, Stacking
from mmkeras.fusion.methods import FUSIONS, build_fusion
from mmkeras.fusion.mimo import MIMO
from mmkeras.fusion.mlp import MLP
from mmkeras.fusion.modality_dropout import ModalityDropout
from mmkeras.fusion.moe import MixtureOfExperts
from mmkeras.fusion.mult import MulT
from mmkeras.fusion.multi_view import MultiView
from mmkeras.fusion.multilinear import LowRank, TensorFusion
from mmkeras.fusion.perceiver import Perceiver
from mmkeras.fusion.self_attention import SelfAttentionFusion

__all__ = [
    "Average",
    "Bilinear",
    "Bottleneck",
    "Concat",
    "CrossAttention",
    "FUSIONS",
    "FiLM",
    "Fusion",
    "Gated",
    "Graph",
    "Late",
    "LowRank",
    "MIMO",
    "MLP",
    "Max",
    "Mean",
    "MixtureOfExperts",
    "ModalityCritic",
    "ModalityDropout",
    "ModalityInvariant",
    "MulT",
    "MultiChannelAttention",
    "MultiView",
    "MultiplicativeInteraction",
    "Perceiver",
    "ProductOfExperts",
    "Projection",
    "SelfAttentionFusion",
    "Stacking",
    "TensorFusion",
    "WeightedAverage",
    "WeightedMean",
    "build_fusion",
    "reverse_gradient",
]
