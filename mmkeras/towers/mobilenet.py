"""Inverted residual blocks: convolutions that cost little on a device."""

from dataclasses import dataclass

from keras import layers

from mmkeras.options import option
from mmkeras.towers.tower_options import TowerOptions
from mmkeras.values import COUNT

# A block works on so many times the channels it hands on.
EXPANSION = 6


@dataclass(frozen=True, kw_only=True)
class ImageMobileNet(TowerOptions):
    """Options of stages of two inverted residual blocks.

    Args:
        dropout: Share of features dropped before the last layer.
        filters: Filters of the stem and of the first stage; each next one has
            twice as many.
        depth: Stages; the last map is `2 ** depth` times smaller than the
            image.
    """

    filters: int = option(16, COUNT, role="width")
    depth: int = option(3, COUNT)


def mobilenet(x, options, name, skips):
    """Applies a stem, then stages of two inverted residual blocks.

    Each stage halves the map and doubles the filters of the one before. A
    block widens by 1x1, filters each channel by 3x3, and narrows by 1x1;
    without an activation where it is narrow, and with ReLU6 elsewhere, whose
    range of 0 to 6 suits 8 bits. Of `c` channels a block of `n` cells takes
    `n * (12 * c * c + 54 * c)` multiply-adds, two 3x3 convolutions
    `n * 18 * c * c`, and six times as many at the block's inner width.

    Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear
    Bottlenecks", 2018 (arXiv 1801.04381).
    """
    filters = options.filters
    x = layers.Conv2D(
        filters,
        3,
        strides=2,
        padding="same",
        use_bias=False,
        name=f"{name}_stem",
    )(x)
    x = _norm(x, f"{name}_stem", relu=True)
    maps = []
    for stage in range(options.depth):
        for i in range(2):
            stride = 2 if stage and not i else 1
            x = _block(x, filters * 2**stage, stride, f"{name}_{stage}_{i}")
        maps.append(x)
    return x, maps


def _block(x, filters, stride, name):
    wide = layers.Conv2D(
        EXPANSION * x.shape[-1], 1, use_bias=False, name=f"{name}_widen"
    )(x)
    wide = _norm(wide, f"{name}_widen", relu=True)
    wide = layers.DepthwiseConv2D(
        3,
        strides=stride,
        padding="same",
        use_bias=False,
        name=f"{name}_depthwise",
    )(wide)
    wide = _norm(wide, f"{name}_depthwise", relu=True)
    y = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_narrow")(wide)
    y = _norm(y, f"{name}_narrow", relu=False)
    if x.shape != y.shape:
        return y
    return layers.Add(name=f"{name}_add")([x, y])


def _norm(x, name, relu):
    # Keras' momentum of 0.99 lags behind a training of a minute.
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm")(x)
    return layers.ReLU(6, name=f"{name}_relu")(x) if relu else x
