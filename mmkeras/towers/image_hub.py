"""Image backbones of keras_hub, by the configurations of their papers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import layers

from mmkeras.options import option
from mmkeras.towers.hub import load_backbone
from mmkeras.towers.tower_options import TowerOptions
from mmkeras.values import NUMBERS, PATH, or_none

# Mean and standard deviation of pixels / 255 by channels, which the presets of
# keras_hub were trained with; for grey, those of the three averaged.
IMAGENET = {
    1: ((0.449,), (0.226,)),
    3: ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
HALF = {1: ((0.5,), (0.5,)), 3: ((0.5,) * 3, (0.5,) * 3)}

# Kind of block, and blocks of each of the four stages.
RESNETS = {
    "resnet18": ("basic_block", [2, 2, 2, 2]),
    "resnet50": ("bottleneck_block", [3, 4, 6, 3]),
    "resnet152": ("bottleneck_block", [3, 8, 36, 3]),
}
# B0 of Tan and Le, "EfficientNet", 2019 (arXiv 1905.11946).
EFFICIENTNET = dict(
    width_coefficient=1.0,
    depth_coefficient=1.0,
    stackwise_kernel_sizes=[3, 3, 5, 3, 5, 5, 3],
    stackwise_num_repeats=[1, 2, 2, 3, 3, 4, 1],
    stackwise_input_filters=[32, 16, 24, 40, 80, 112, 192],
    stackwise_output_filters=[16, 24, 40, 80, 112, 192, 320],
    stackwise_expansion_ratios=[1, 6, 6, 6, 6, 6, 6],
    stackwise_squeeze_and_excite_ratios=[0.25] * 7,
    stackwise_strides=[1, 2, 2, 2, 1, 2, 1],
    stackwise_block_types=["v1"] * 7,
)


@dataclass(frozen=True, kw_only=True)
class ImageBackbone(TowerOptions):
    """Options of a backbone of keras_hub.

    Args:
        dropout: Share of features dropped before the last layer.
        pretrained: Name or local folder of a keras_hub preset, in place of
            random weights.
        mean: Mean of pixels / 255 that a preset was trained with, one number
            for each channel, where it is not what keras_hub's were.
        std: Their standard deviation.
    """

    one_width: ClassVar[bool] = True

    pretrained: str | None = option(None, or_none(PATH), role="preset")
    mean: Sequence[float] | None = option(None, or_none(NUMBERS))
    std: Sequence[float] | None = option(None, or_none(NUMBERS))


def statistics_of(variant: str, channels: int) -> tuple:
    """Returns the mean and deviation that a variant's presets expect."""
    check_channels(variant, channels)
    return (HALF if variant == "vit" else IMAGENET)[channels]


def check_channels(variant: str, channels: int) -> None:
    """Raises ValueError unless a backbone can see so many channels."""
    if channels not in IMAGENET:
        raise ValueError(
            "`channels` must be 1 or 3 for a backbone of keras_hub. "
            f"Received: channels={channels} with variant={variant!r}"
        )


def resnet(x, options, name, skips):
    """Applies a ResNet of keras_hub: its last map, and one of each size."""
    block, blocks = RESNETS[options.variant]
    config = dict(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 128, 256, 512],
        stackwise_num_blocks=blocks,
        stackwise_num_strides=[1, 2, 2, 2],
        block_type=block,
    )
    x = three_channels(x, options.variant, name)
    hub = load_backbone(
        "ResNetBackbone",
        config,
        options.pretrained,
        image_shape=x.shape[1:],
        data_format="channels_last",
    )
    return _applied(hub, x, skips)


def efficientnet(x, options, name, skips):
    """Applies EfficientNet-B0: its last map, and one of each size."""
    x = three_channels(x, options.variant, name)
    hub = load_backbone(
        "EfficientNetBackbone",
        EFFICIENTNET,
        options.pretrained,
        input_shape=x.shape[1:],
    )
    return _applied(hub, x, skips)


def three_channels(x, variant, name):
    """Shows a backbone one channel three times."""
    check_channels(variant, x.shape[-1])
    if x.shape[-1] == 1:
        return layers.Concatenate(name=f"{name}_three_channels")([x, x, x])
    return x


def _applied(hub, x, skips):
    """Returns the last map of a backbone, and its last map of each size."""
    last = hub.outputs[0]
    # A plain model of stock layers: the saved file needs no keras_hub.
    if not skips:
        return keras.Model(hub.inputs, last, name="backbone")(x), []
    pyramid = hub.pyramid_outputs
    maps = [*(pyramid[level] for level in sorted(pyramid)), last]
    # Of a small picture several maps may have one size.
    each = list({tuple(one.shape[1:3]): one for one in maps}.values())
    found = keras.Model(hub.inputs, each, name="backbone")(x)
    found = [found] if len(each) == 1 else found
    return found[-1], found
