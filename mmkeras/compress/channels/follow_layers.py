"""How channels pass Keras' own layers."""

import re
from math import prod
from typing import Any

import numpy as np
from keras import layers

from mmkeras.compress.channels.flow import Flow
from mmkeras.compress.channels.follow import Follow
from mmkeras.compress.channels.follow_convolutions import CONVOLUTIONS
from mmkeras.compress.channels.follow_ops import moved, reshape
from mmkeras.compress.channels.follow_recurrent import RECURRENT


def element(follow: Follow, layer: Any, x: Flow, *_, **__) -> Flow:
    return follow.activated(layer, x)


def scaled(follow: Follow, layer: Any, x: Flow) -> Flow | None:
    if np.ndim(layer.scale) or np.ndim(layer.offset):
        return follow.leave("a scale for each channel in the config", x)
    return x


def sloped(follow: Follow, layer: Any, x: Flow) -> Flow:
    if layer.alpha.shape[-1] > 1:
        follow.tie(x, follow.weight(layer.alpha, -1))
    return x


def merged(follow: Follow, layer: Any, xs: list) -> Flow:
    return follow.same(*xs)


def concatenated(follow: Follow, layer: Any, xs: list) -> Flow:
    return follow.join(xs, layer.axis)


def dense(follow: Follow, layer: Any, x: Flow, *_, **__) -> Flow:
    ins, outs = (follow.weight(layer.kernel, axis) for axis in (0, 1))
    follow.tie(x, ins)
    if layer.use_bias:
        follow.tie(outs, follow.weight(layer.bias, 0))
    follow.cost(x.positions, ins, outs)
    follow.width(layer, "units", outs)
    out = follow.flow((*x.shape[:-1], len(outs)), outs)
    return follow.activated(layer, out)


def normalised(follow: Follow, layer: Any, x: Flow, *_, **__) -> Flow | None:
    if layer.axis not in (-1, len(x.shape) - 1):
        return follow.unknown(layer, x)
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        variable = getattr(layer, name, None)
        if variable is not None:
            follow.tie(x, follow.weight(variable, 0))
    return x


def einsum(follow: Follow, layer: Any, x: Flow) -> Flow | None:
    """Those that are a dense layer, whatever the letters."""
    inputs, kernel, out = re.split(",|->", layer.equation.replace(" ", ""))
    if kernel != inputs[-1] + out[-1] or inputs[:-1] != out[:-1]:
        return follow.unknown(layer, x)
    ins, outs = (follow.weight(layer.kernel, axis) for axis in (0, 1))
    follow.tie(x, ins)
    if layer.bias is not None:
        if prod(layer.bias.shape) != len(outs):
            return follow.unknown(layer, x)
        follow.tie(outs, follow.weight(layer.bias, -1))
    follow.cost(x.positions, ins, outs)

    def edit(config, count):
        config["output_shape"] = (*layer.partial_output_shape[:-1], count)

    follow.width(layer, edit, outs)
    out = follow.flow((*x.shape[:-1], len(outs)), outs)
    return follow.activated(layer, out)


def embedded(follow: Follow, layer: Any, x: Flow) -> Flow:
    outs = follow.weight(layer.embeddings, 1)
    follow.width(layer, "output_dim", outs)
    return follow.flow((*x.shape, len(outs)), outs)


def attended(
    follow: Follow, layer: Any, query: Flow, value: Flow, key=None, *_, **kw
) -> Flow | None:
    """Heads go as a whole; their width decides the scale of the scores."""
    if kw.get("return_attention_scores"):
        return follow.unknown(layer, query, value, key)
    parts = (layer.query_dense, layer.key_dense, layer.value_dense)
    join = layer.output_dense
    heads = follow.weight(join.kernel, 0)
    for part, x in zip(parts, (query, key or value, value), strict=True):
        ins = follow.weight(part.kernel, 0)
        follow.tie(x, ins)
        follow.tie(heads, follow.weight(part.kernel, 1))
        if part.bias is not None:
            follow.tie(heads, follow.weight(part.bias, 0))
        follow.cost(x.positions * part.kernel.shape[2], ins, heads)
    pairs = query.positions * value.positions
    follow.cost(pairs * sum(part.kernel.shape[2] for part in parts[1:]), heads)
    size = part.kernel.shape[2]

    def edit(config, count):
        config["num_heads"] = count // size

    follow.width(layer, edit, np.repeat(heads, size))
    out = follow.flow(query.shape)
    if len(join.kernel.shape) == 3 and not layer.get_config()["output_shape"]:
        outs = follow.weight(join.kernel, 2)
        follow.tie(query, outs)
        if join.bias is not None:
            follow.tie(outs, follow.weight(join.bias, 0))
        out = follow.flow(query.shape, outs)
    follow.cost(query.positions * prod(join.kernel.shape[1:]), heads)
    return out


NAMES = {
    dense: "Dense",
    einsum: "EinsumDense",
    embedded: "Embedding",
    normalised: "BatchNormalization",
    attended: "MultiHeadAttention",
    scaled: "Rescaling",
    sloped: "PReLU",
    concatenated: "Concatenate",
    reshape: "Reshape",
    moved: "Flatten Permute RepeatVector",
    merged: "Add Subtract Multiply Average Maximum Minimum",
    element: (
        "Activation ReLU LeakyReLU ELU Dropout SpatialDropout1D "
        "SpatialDropout2D SpatialDropout3D GaussianDropout GaussianNoise "
        "AlphaDropout Identity ActivityRegularization"
    ),
}
RULES = {
    **{
        getattr(layers, n): r
        for r, names in NAMES.items()
        for n in names.split()
    },
    **CONVOLUTIONS,
    **RECURRENT,
}
