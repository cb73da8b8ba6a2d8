"""Volume towers: CT or MRI voxels in, one vector and one row per cell out."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from mmkeras.arguments import check_positive
from mmkeras.options import Part, Variants, option
from mmkeras.towers.mean_pooled import finish_tower
from mmkeras.towers.temporal import (
    Regroup,
    convolve,
    flat,
    spread_convolution,
)
from mmkeras.towers.tower_options import TowerOptions
from mmkeras.values import COUNT


@dataclass(frozen=True, kw_only=True)
class VolumeCnn(TowerOptions):
    """Options of stages of two convolutions.

    Args:
        dropout: Share of features dropped before the last layer.
        filters: Filters of the first stage; each next one has twice as many,
            and is half as long along each axis.
        stages: Stages.
    """

    filters: int = option(16, COUNT, role="width")
    stages: int = option(4, COUNT)


@dataclass(frozen=True, kw_only=True)
class VolumeResNet(VolumeCnn):
    """Options of stages of residual blocks behind a convolution of stride 2.

    Args:
        blocks: Residual blocks of a stage, of two convolutions: with 4 stages
            and 1 block the 3-D ResNet-10, with 2 blocks the ResNet-18.
    """

    blocks: int = option(1, COUNT)


def volume_tower(
    depth: int,
    height: int,
    width: int,
    channels: int = 1,
    name: str = "volume",
    variant: str = "cnn",
    *,
    window_low: float = -1000.0,
    window_high: float = 400.0,
    skips: bool = False,
    **options: Any,
) -> keras.Model:
    """Builds a tower that reads one volume.

    The window is a layer inside: what lies below or above it becomes black or
    white, so that a device hands over raw Hounsfield units. Convolutions are
    3x3 in each slice and then 3 across the slices, which device runtimes
    compute in int8, unlike 3-D convolutions. The vector is the mean of the
    tokens, one for each cell of the last feature map.

    Args:
        depth: Slices.
        height: Rows of a slice.
        width: Columns of a slice.
        channels: Numbers a voxel; 1 for CT, several sequences of an MRI.
        name: Name of the modality, and of the input.
        variant: `"cnn"` (stages of two convolutions) or `"resnet"` (of
            residual blocks).
        window_low: Raw value that becomes 0; the default is air.
        window_high: Raw value that becomes 1; the default is bone.
        skips: Whether the feature maps of all stages are outputs too.
        options: Those of the variant: `units` (64), `dropout`, and what
            `VolumeCnn` or `VolumeResNet` have.

    Returns:
        Model from float32 `(batch, depth, height, width, channels)`, raw
        units, to `{"vector": (batch, units), "tokens": (batch, cells, units),
        "mask": (batch, cells)}`; the mask is all ones. With `skips` also
        `"skips"`: maps `(batch, slices, rows, columns, d)`, finest first.

    Source: "resnet": Chen et al., "Med3D", 2019 (arXiv 1904.00625), with the
    convolutions of `spread_convolution`.

    Example:

    >>> tower = volume_tower(16, 32, 32)
    >>> tower(np.zeros((2, 16, 32, 32, 1), "float32"))["tokens"].shape
    TensorShape([2, 32, 64])
    """
    chosen = VOLUME_TOWERS.read({"variant": variant, **options})
    check_positive(depth=depth, height=height, width=width, channels=channels)
    voxels = keras.Input(
        (depth, height, width, channels), dtype="float32", name=name
    )

    x = Regroup((height, width), dtype="float32", name=f"{name}_slices")(voxels)
    x = _window(x, window_low, window_high, name)
    maps = VOLUME_TOWERS.build(chosen)(x, depth, chosen, name)
    x, depth = maps[-1]
    x = flat(x, depth, f"{name}_cells")
    shown = _whole(maps, name) if skips else None
    return finish_tower(voxels, x, chosen.units, chosen.dropout, name, shown)


def _whole(maps, name):
    """Returns maps whose slices have left the batch."""
    return [
        Regroup((depth, *x.shape[1:3]), name=f"{name}_skip_{i}")(x)
        for i, (x, depth) in enumerate(maps)
    ]


def _window(x, low, high, name):
    if not low < high:
        raise ValueError(
            "`window_low` must be less than `window_high`. Received: "
            f"window_low={low}, window_high={high}"
        )
    # In float32 whatever the policy: raw units may exceed float16.
    scale = 1 / (high - low)
    x = layers.Rescaling(
        scale, -low * scale, dtype="float32", name=f"{name}_scale"
    )(x)
    return layers.ReLU(1.0, dtype="float32", name=f"{name}_window")(x)


def _cnn(x, depth, options, name):
    maps = []
    for i in range(options.stages):
        filters = options.filters * 2**i
        for j in range(2):
            stride = 2 if i and not j else 1
            key = f"{name}_{i}_{j}"
            x, depth = spread_convolution(x, depth, filters, stride, key)
        maps.append((x, depth))
    return maps


def _resnet(x, depth, options, name):
    maps = []
    filters = options.filters
    x, depth = spread_convolution(x, depth, filters, 2, f"{name}_stem")
    for i in range(options.stages):
        for j in range(options.blocks):
            stride = 2 if i and not j else 1
            key = f"{name}_{i}_{j}"
            x, depth = _block(x, depth, filters * 2**i, stride, key)
        maps.append((x, depth))
    return maps


def _block(x, depth, filters, stride, name):
    y, left = spread_convolution(x, depth, filters, stride, f"{name}_0")
    y, left = spread_convolution(y, left, filters, 1, f"{name}_1", relu=False)
    if y.shape[-1] != x.shape[-1]:
        x = _shorten(x, depth, filters, stride, f"{name}_short")
    x = layers.Add(name=f"{name}_add")([x, y])
    return layers.ReLU(name=f"{name}_out")(x), left


def _shorten(x, depth, filters, stride, name):
    x = convolve(x, filters, 1, stride, name, relu=False)
    height, width = x.shape[1:3]
    x = Regroup((depth, height * width), name=f"{name}_lines")(x)
    x = layers.AveragePooling2D(
        (stride, 1), padding="same", name=f"{name}_pool"
    )(x)
    return Regroup((height, width), name=f"{name}_frames")(x)


VOLUME_TOWERS = Variants(
    "variant",
    "cnn",
    {
        "cnn": Part(VolumeCnn, _cnn),
        "resnet": Part(VolumeResNet, _resnet),
    },
)
