"""Image towers: uint8 pixels in, one vector and one row per cell out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from mmkeras.arguments import check_positive
from mmkeras.options import Part, Variants, option
from mmkeras.towers.image_hub import (
    RESNETS,
    ImageBackbone,
    efficientnet,
    resnet,
    statistics_of,
)
from mmkeras.towers.mean_pooled import finish_tower
from mmkeras.towers.mobilenet import ImageMobileNet, mobilenet
from mmkeras.towers.tower_options import TowerOptions
from mmkeras.towers.vit import ImageViT, vit
from mmkeras.values import COUNT


@dataclass(frozen=True, kw_only=True)
class ImageCnn(TowerOptions):
    """Options of stages of two 3x3 convolutions.

    Args:
        dropout: Share of features dropped before the last layer.
        filters: Filters of the first stage; each next one has twice as many.
        depth: Stages; the last map is `2 ** (depth - 1)` times smaller than
            the image.
    """

    filters: int = option(16, COUNT, role="width")
    depth: int = option(3, COUNT)


def image_tower(
    height: int,
    width: int,
    channels: int,
    name: str = "image",
    variant: str = "cnn",
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    skips: bool = False,
    **options: Any,
) -> keras.Model:
    """Builds a tower that reads one image.

    Rescaling and normalisation are layers inside, so a device hands over the
    pixels as they come from the camera. The vector is the mean of the tokens,
    one for each cell of the last feature map, row by row.

    | variant | what it is |
    | --- | --- |
    | `"cnn"` | stages of two convolutions, batch normalisation and ReLU |
    | `"mobilenet"` | inverted residual blocks with depthwise convolutions |
    | `"resnet18"`, `"resnet50"`, `"resnet152"` | of keras_hub |
    | `"efficientnet"` | B0, of keras_hub |
    | `"vit"` | a transformer over patches, of keras_hub |

    Args:
        height: Rows of pixels.
        width: Columns of pixels.
        channels: Channels a pixel. A backbone of keras_hub sees one channel
            three times.
        name: Name of the modality, and of the input.
        variant: One of the table above.
        mean: Mean of pixels / 255 over the training images, one number for
            each channel. Defaults to 0, or with `pretrained` to what the
            preset was trained with.
        std: Their standard deviation. Defaults to 1, or to the preset's.
        skips: Whether the feature maps of all stages are outputs too, for
            what finds places in a picture.
        options: Those of the variant: `units` (64), `dropout`, and what
            `ImageCnn`, `ImageMobileNet`, `ImageBackbone` or `ImageViT` have.

    Returns:
        Model from uint8 `(batch, height, width, channels)` to
        `{"vector": (batch, units), "tokens": (batch, cells, units),
        "mask": (batch, cells)}`; the mask is all ones. With `skips` also
        `"skips"`: maps `(batch, rows, columns, d)`, finest first, one for
        each size; of a ViT the one grid of its patches.

    Raises:
        ValueError: If the variant lacks an option, or a value is wrong.

    Example:

    >>> tower = image_tower(28, 28, 1)
    >>> tower(np.zeros((2, 28, 28, 1), "uint8"))["tokens"].shape
    TensorShape([2, 49, 64])
    """
    chosen = IMAGE_TOWERS.read({"variant": variant, **options})
    check_positive(height=height, width=width, channels=channels)
    if getattr(chosen, "pretrained", None) and mean is None and std is None:
        mean, std = statistics_of(variant, channels)
    pixels = keras.Input((height, width, channels), dtype="uint8", name=name)

    x = normalise_pixels(pixels, mean, std, name)
    x, maps = IMAGE_TOWERS.build(chosen)(x, chosen, name, skips)
    x = layers.Reshape((-1, x.shape[-1]), name=f"{name}_cells")(x)
    shown = maps if skips else None
    return finish_tower(pixels, x, chosen.units, chosen.dropout, name, shown)


def normalise_pixels(pixels, mean, std, name):
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
                f"`{key}` must have one number for each of the "
                f"{channels} channels. Received: {key}={list(values)}"
            )
    if min(std) <= 0:
        raise ValueError(f"`std` must be positive. Received: std={list(std)}")
    scale = [1 / (255 * s) for s in std]
    offset = [-m / s for m, s in zip(mean, std)]
    return layers.Rescaling(scale, offset, name=f"{name}_normalise")(pixels)


def _cnn(x, options, name, skips):
    maps = []
    for stage in range(options.depth):
        for i in range(2):
            # Strided convolutions, no pooling: in an int8 file nothing then
            # stands between one convolution and the next.
            x = layers.Conv2D(
                options.filters * 2**stage,
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
        maps.append(x)
    return x, maps


IMAGE_TOWERS = Variants(
    "variant",
    "cnn",
    {
        "cnn": Part(ImageCnn, _cnn),
        "mobilenet": Part(ImageMobileNet, mobilenet),
        **dict.fromkeys(RESNETS, Part(ImageBackbone, resnet)),
        "efficientnet": Part(ImageBackbone, efficientnet),
        "vit": Part(ImageViT, vit),
    },
)
