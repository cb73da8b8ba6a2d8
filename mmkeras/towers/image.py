"""Image towers: uint8 pixels in, one vector and one row per cell out."""

from collections.abc import Sequence

import keras
from keras import layers

from mmkeras.towers.checks import check_choice, check_sizes
from mmkeras.towers.finish import finish_tower
from mmkeras.towers.image_hub import HUB_VARIANTS, hub_features, statistics_of
from mmkeras.towers.mobilenet import mobilenet

VARIANTS = ("cnn", "mobilenet", *HUB_VARIANTS)


def image_tower(
    height: int,
    width: int,
    channels: int,
    name: str = "image",
    variant: str = "cnn",
    units: int = 64,
    dropout: float = 0.0,
    filters: int = 16,
    depth: int = 3,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    pretrained: str | None = None,
    patch: int = 8,
    heads: int = 4,
) -> keras.Model:
    """Builds a tower that reads one image.

    Rescaling and normalisation are layers inside, so a device hands over the
    pixels as they come from the camera. The vector is the mean of the tokens,
    one for each cell of the last feature map, row by row.

    Args:
        height: Rows of pixels.
        width: Columns of pixels.
        channels: Channels a pixel. A backbone of keras_hub sees one channel
            three times.
        name: Name of the modality, and of the input.
        variant: `"cnn"` (stages of two 3x3 convolutions with batch
            normalisation and ReLU, each stage twice as wide and half as high
            as the one before), `"mobilenet"` (a strided stem, then stages of
            two inverted residual blocks with depthwise convolutions), or of
            keras_hub `"resnet18"`, `"resnet50"`, `"resnet152"`,
            `"efficientnet"` (B0) or `"vit"` (a transformer over patches).
        units: Width of the vector and of the tokens.
        dropout: Share of features dropped before the last layer.
        filters: Filters of the first stage of a `"cnn"` or a `"mobilenet"`; a
            quarter of the width of a `"vit"`.
        depth: Stages of a `"cnn"`, whose last map is `2 ** (depth - 1)` times
            smaller than the image, or of a `"mobilenet"` (`2 ** depth` times);
            blocks of a `"vit"`.
        mean: Mean of pixels / 255 over the training images, one number for
            each channel. Defaults to 0, or with `pretrained` to ImageNet's.
        std: Their standard deviation. Defaults to 1, or to ImageNet's.
        pretrained: Name or local folder of a keras_hub preset, in place of
            random weights. A `"vit"` then sees the image resized to what the
            preset was trained on.
        patch: Pixels of a side of a patch of a `"vit"` without a preset.
        heads: Attention heads of a `"vit"` without a preset.

    Returns:
        Model from uint8 `(batch, height, width, channels)` to
        `{"vector": (batch, units), "tokens": (batch, cells, units),
        "mask": (batch, cells)}`; the mask is all ones.

    Example:

    >>> tower = image_tower(28, 28, 1)
    >>> tower(np.zeros((2, 28, 28, 1), "uint8"))["tokens"].shape
    TensorShape([2, 49, 64])
    """
    check_choice("variant", variant, VARIANTS)
    check_sizes(height=height, width=width, channels=channels, units=units)
    check_sizes(filters=filters, depth=depth, patch=patch, heads=heads)
    if pretrained and variant not in HUB_VARIANTS:
        raise ValueError(
            "Argument `pretrained` needs a variant with presets. Received: "
            f"pretrained={pretrained!r} with variant={variant!r}. Choices: "
            f"{', '.join(HUB_VARIANTS)}"
        )
    if pretrained and mean is None and std is None:
        mean, std = statistics_of(variant, channels)
    pixels = keras.Input((height, width, channels), dtype="uint8", name=name)

    x = _normalise(pixels, mean, std, name)
    if variant == "cnn":
        x = _convolutions(x, filters, depth, name)
    elif variant == "mobilenet":
        x = mobilenet(x, filters, depth, name)
    else:
        vit = dict(filters=filters, depth=depth, patch=patch, heads=heads)
        x = hub_features(x, variant, pretrained, name, **vit)

    x = layers.Reshape((-1, x.shape[-1]), name=f"{name}_cells")(x)
    return finish_tower(pixels, x, units, dropout, name)


def _normalise(pixels, mean, std, name):
    """Scales 0..255 to 0..1, then to mean 0 and deviation 1 if these are given.

    One multiplication and one addition: keras' Normalization would add a
    stray input to an ONNX file.
    """
    channels = pixels.shape[-1]
    mean = [0.0] * channels if mean is None else mean
    std = [1.0] * channels if std is None else std
    for key, values in {"mean": mean, "std": std}.items():
        if len(values) != channels:
            raise ValueError(
                f"Argument `{key}` must have one number for each of the "
                f"{channels} channels. Received: {key}={list(values)}"
            )
    if min(std) <= 0:
        raise ValueError(
            f"Argument `std` must be positive. Received: std={list(std)}"
        )
    scale = [1 / (255 * s) for s in std]
    offset = [-m / s for m, s in zip(mean, std)]
    return layers.Rescaling(scale, offset, name=f"{name}_normalise")(pixels)


def _convolutions(x, filters, depth, name):
    for stage in range(depth):
        for i in range(2):
            # Strided convolutions, no pooling: in an int8 file nothing then
            # stands between one convolution and the next.
            x = layers.Conv2D(
                filters * 2**stage,
                3,
                strides=2 if stage and not i else 1,
                padding="same",
                use_bias=False,
                name=f"{name}_conv_{stage}_{i}",
            )(x)
            # Keras' momentum of 0.99 lags behind a training of a minute.
            x = layers.BatchNormalization(
                momentum=0.9, name=f"{name}_norm_{stage}_{i}"
            )(x)
            x = layers.ReLU(name=f"{name}_relu_{stage}_{i}")(x)
    return x
