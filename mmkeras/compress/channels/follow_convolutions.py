"""How channels pass convolutions and poolings."""

from math import prod
from typing import Any

import numpy as np
from keras import layers

from mmkeras.compress.channels.flow import Flow
from mmkeras.compress.channels.follow import Follow
from mmkeras.compress.channels.follow_ops import fold


def convolution(follow: Follow, layer: Any, x: Flow) -> Flow | None:
    if layer.data_format != "channels_last":
        return follow.unknown(layer, x)
    if layer.groups != 1:
        out = follow.flow(layer.compute_output_shape(x.shape))
        follow.cost(out.positions * prod(layer.kernel.shape))
        return follow.leave("groups of channels", x)
    ins, outs = (follow.weight(layer.kernel, axis) for axis in (-2, -1))
    follow.tie(x, ins)
    if layer.use_bias:
        follow.tie(outs, follow.weight(layer.bias, 0))
    out = follow.flow(layer.compute_output_shape(x.shape), outs)
    follow.cost(out.positions * prod(layer.kernel_size), ins, outs)
    follow.width(layer, "filters", outs)
    return follow.activated(layer, out)


def transposed(follow: Follow, layer: Any, x: Flow) -> Flow | None:
    if layer.data_format != "channels_last":
        return follow.unknown(layer, x)
    ins, outs = (follow.weight(layer.kernel, axis) for axis in (-1, -2))
    follow.tie(x, ins)
    if layer.use_bias:
        follow.tie(outs, follow.weight(layer.bias, 0))
    follow.cost(x.positions * prod(layer.kernel_size), ins, outs)
    follow.width(layer, "filters", outs)
    out = follow.flow(layer.compute_output_shape(x.shape), outs)
    return follow.activated(layer, out)


def depthwise(follow: Follow, layer: Any, x: Flow) -> Flow | None:
    if layer.data_format != "channels_last":
        return follow.unknown(layer, x)
    ins = follow.weight(layer.kernel, -2)
    follow.tie(x, ins)
    outs = np.repeat(ins, layer.depth_multiplier)
    if layer.use_bias:
        follow.tie(outs, follow.weight(layer.bias, 0))
    out = follow.flow(layer.compute_output_shape(x.shape), outs)
    follow.cost(out.positions * prod(layer.kernel_size), outs)
    return follow.activated(layer, out)


def separable(follow: Follow, layer: Any, x: Flow) -> Flow | None:
    if layer.data_format != "channels_last":
        return follow.unknown(layer, x)
    ins = follow.weight(layer.depthwise_kernel, -2)
    follow.tie(x, ins)
    middle, outs = (follow.weight(layer.pointwise_kernel, a) for a in (-2, -1))
    follow.tie(np.repeat(ins, layer.depth_multiplier), middle)
    if layer.use_bias:
        follow.tie(outs, follow.weight(layer.bias, 0))
    out = follow.flow(layer.compute_output_shape(x.shape), outs)
    follow.cost(out.positions * prod(layer.kernel_size), middle)
    follow.cost(out.positions, middle, outs)
    follow.width(layer, "filters", outs)
    return follow.activated(layer, out)


def pooled(follow: Follow, layer: Any, x: Flow) -> Flow | None:
    """Windows over other axes than the last."""
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return follow.unknown(layer, x)
    ids = follow.channels(x)
    return follow.flow(layer.compute_output_shape(x.shape), ids)


def pooled_whole(follow: Follow, layer: Any, x: Flow, *_, **__) -> Flow | None:
    if layer.data_format != "channels_last":
        return follow.unknown(layer, x)
    return fold(follow, x, list(range(1, len(x.shape) - 1)), layer.keepdims)


NAMES = {
    convolution: "Conv1D Conv2D Conv3D",
    transposed: "Conv1DTranspose Conv2DTranspose Conv3DTranspose",
    depthwise: "DepthwiseConv1D DepthwiseConv2D",
    separable: "SeparableConv1D SeparableConv2D",
}
SHAPED = "AveragePooling MaxPooling ZeroPadding Cropping UpSampling".split()
WHOLE = "GlobalAveragePooling GlobalMaxPooling".split()
CONVOLUTIONS = {
    **{
        getattr(layers, name): rule
        for rule, names in NAMES.items()
        for name in names.split()
    },
    **{getattr(layers, f"{n}{d}D"): pooled for n in SHAPED for d in (1, 2, 3)},
    **{
        getattr(layers, f"{n}{d}D"): pooled_whole
        for n in WHOLE
        for d in (1, 2, 3)
    },
}
