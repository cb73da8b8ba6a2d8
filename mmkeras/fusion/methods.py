"""The fusions that a recipe can name, and their builder."""

from collections.abc import Mapping
from typing import Any

from mmkeras.fusion import (
    attention,
    bilinear,
    bottleneck,
    channel_attention,
    concat,
    elementwise,
    film,
    gated,
    graph,
    invariant,
    late,
    late_logits,
    mimo,
    mlp,
    moe,
    mult,
    multi_view,
    multilinear,
    perceiver,
    self_attention,
)
from mmkeras.fusion.base import Fusion
from mmkeras.introspection import options_of
from mmkeras.options import Options, Part, Variants

METHODS = {
    "mean": elementwise.Mean,
    "weighted_mean": elementwise.WeightedMean,
    "max": elementwise.Max,
    "concat": concat.Concat,
    "projection": elementwise.Projection,
    "mlp": mlp.MLP,
    "gated": gated.Gated,
    "film": film.FiLM,
    "mixture_of_experts": moe.MixtureOfExperts,
    "cross_attention": attention.CrossAttention,
    "self_attention": self_attention.SelfAttentionFusion,
    "bottleneck": bottleneck.Bottleneck,
    "mult": mult.MulT,
    "perceiver": perceiver.Perceiver,
    "multi_channel_attention": channel_attention.MultiChannelAttention,
    "tensor": multilinear.TensorFusion,
    "low_rank": multilinear.LowRank,
    "bilinear": bilinear.Bilinear,
    "multiplicative": bilinear.MultiplicativeInteraction,
    "graph": graph.Graph,
    "multi_view": multi_view.MultiView,
    "mimo": mimo.MIMO,
    "modality_invariant": invariant.ModalityInvariant,
    "average": late.Average,
    "weighted_average": late.WeightedAverage,
    "product_of_experts": late_logits.ProductOfExperts,
    "stacking": late_logits.Stacking,
}
# What a narrower fusion has less of, and what must divide that.
ROLES = {
    "units": "width",
    "hidden": "width",
    "width": "width",
    "num_heads": "parts",
    "groups": "parts",
}


def _part(layer: type[Fusion]) -> Part:
    if not layer.decides:
        return Part(options_of(layer, roles=ROLES, method=""), layer)
    # The units come from the head; so does the dropout, unless the recipe
    # sets it.
    facts = ("units", "activation")
    return Part(options_of(layer, facts, dropout=None, method=""), layer)


FUSIONS = Variants(
    "method", "gated", {name: _part(layer) for name, layer in METHODS.items()}
)


def build_fusion(
    options: Options, heads: Mapping[str, Any]
) -> Fusion | dict[str, Fusion]:
    """Returns the fusion that options name; one a target where it is late.

    Args:
        options: What `FUSIONS.read` returned.
        heads: The heads by target.

    Example:

    >>> build_fusion(FUSIONS.read({"method": "concat", "units": 8}), {}).units
    8
    """
    layer = FUSIONS.build(options)
    arguments = options.arguments()
    del arguments["method"]
    if not layer.decides:
        return layer(name="fusion", **arguments)
    return {
        name: layer(
            name=f"{name}_fusion",
            units=head.outputs,
            activation=head.activation,
            **{"dropout": head.dropout, **arguments},
        )
        for name, head in heads.items()
    }
