"""Image backbones of keras_hub, by the configurations of their papers."""

import keras
from keras import layers

from mmkeras.towers.hub import load_backbone
from mmkeras.towers.vit import transformer

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
HUB_VARIANTS = (*RESNETS, "efficientnet", "vit")


def statistics_of(variant: str, channels: int) -> tuple:
    """Returns the mean and deviation that a variant's presets expect."""
    check_channels(variant, channels)
    return (HALF if variant == "vit" else IMAGENET)[channels]


def check_channels(variant: str, channels: int) -> None:
    """Raises ValueError unless a backbone can see so many channels."""
    if channels not in IMAGENET:
        raise ValueError(
            "Argument `channels` must be 1 or 3 for a backbone of keras_hub. "
            f"Received: channels={channels} with variant={variant!r}"
        )


def hub_features(x, variant, pretrained, name, **vit):
    """Applies a backbone to normalised pixels of one channel or three.

    Args:
        x: `(batch, height, width, channels)`.
        variant: One of `HUB_VARIANTS`.
        pretrained: Preset or None.
        name: Name of the modality.
        **vit: `filters`, `depth`, `patch` and `heads` of a `"vit"`.

    Returns:
        `(batch, rows, columns, filters)`, of a `"vit"`
        `(batch, patches, filters)`.
    """
    check_channels(variant, x.shape[-1])
    if x.shape[-1] == 1:
        x = layers.Concatenate(name=f"{name}_three_channels")([x, x, x])
    if variant == "vit":
        return transformer(x, pretrained, name, **vit)
    shape = x.shape[1:]
    if variant == "efficientnet":
        hub = load_backbone(
            "EfficientNetBackbone", EFFICIENTNET, pretrained, input_shape=shape
        )
    else:
        block, blocks = RESNETS[variant]
        config = dict(
            input_conv_filters=[64],
            input_conv_kernel_sizes=[7],
            stackwise_num_filters=[64, 128, 256, 512],
            stackwise_num_blocks=blocks,
            stackwise_num_strides=[1, 2, 2, 2],
            block_type=block,
        )
        hub = load_backbone(
            "ResNetBackbone",
            config,
            pretrained,
            image_shape=shape,
            data_format="channels_last",
        )
    # A plain model of stock layers: the saved file needs no keras_hub.
    return keras.Model(hub.inputs, hub.outputs[0], name="backbone")(x)
