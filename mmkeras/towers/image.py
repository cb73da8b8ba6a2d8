"""Image towers: uint8 pixels in, one vector and one row per cell out."""

from collections.abc import Sequence

import keras
from keras import layers, ops

VARIANTS = ("cnn", "resnet18", "resnet50")
# Mean and standard deviation of pixels / 255 by channels, which the presets of
# keras_hub were trained with; for grey, those of the three averaged.
IMAGENET = {
    1: ((0.449,), (0.226,)),
    3: ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


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
) -> keras.Model:
    """Builds a tower that reads one image.

    Rescaling and normalisation are layers inside, so a device hands over the
    pixels as they come from the camera. The vector is the mean of the tokens,
    one for each cell of the last feature map, row by row.

    Args:
        height: Rows of pixels.
        width: Columns of pixels.
        channels: Channels a pixel. A ResNet sees one channel three times.
        name: Name of the modality, and of the input.
        variant: `"cnn"` (stages of two 3x3 convolutions with batch
            normalisation and ReLU, each stage twice as wide and half as high
            as the one before), `"resnet18"` or `"resnet50"` (keras_hub).
        units: Width of the vector and of the tokens.
        dropout: Share of features dropped before the last layer.
        filters: Filters of the first stage of a `"cnn"`.
        depth: Stages of a `"cnn"`; the last map is `2 ** (depth - 1)` times
            smaller than the image.
        mean: Mean of pixels / 255 over the training images, one number for
            each channel. Defaults to 0, or with `pretrained` to ImageNet's.
        std: Their standard deviation. Defaults to 1, or to ImageNet's.
        pretrained: Name or local folder of a keras_hub ResNet preset, in place
            of random weights.

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
    check_sizes(filters=filters, depth=depth)
    pixels = keras.Input((height, width, channels), dtype="uint8", name=name)

    if variant == "cnn":
        if pretrained:
            raise ValueError(
                "Argument `pretrained` needs a variant with presets. Received: "
                f"pretrained={pretrained!r} with variant='cnn'. Choices: "
                "'resnet18', 'resnet50'"
            )
        x = _normalise(pixels, mean, std, name)
        x = _convolutions(x, filters, depth, name)
    else:
        if channels not in IMAGENET:
            raise ValueError(
                "Argument `channels` must be 1 or 3 for a ResNet. Received: "
                f"channels={channels}"
            )
        if pretrained and mean is None and std is None:
            mean, std = IMAGENET[channels]
        x = _normalise(pixels, mean, std, name)
        if channels == 1:
            x = layers.Concatenate(name=f"{name}_three_channels")([x, x, x])
        x = _resnet(variant, (height, width, 3), pretrained)(x)

    x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    x = layers.Reshape((-1, x.shape[-1]), name=f"{name}_cells")(x)
    tokens = layers.Dense(units, name=f"{name}_tokens")(x)
    outputs = {
        "vector": layers.GlobalAveragePooling1D(name=f"{name}_vector")(tokens),
        "tokens": tokens,
        "mask": ops.ones_like(tokens[:, :, 0], dtype="float32"),
    }
    return keras.Model(pixels, outputs, name=f"{name}_tower")


def _normalise(pixels, mean, std, name):
    """Scales 0..255 to 0..1, then to mean 0 and deviation 1 if these are given.

    One multiplication and one addition: keras' Normalization would add a
    stray input to an ONNX file.
    """
    channels = pixels.shape[-1]
    mean, std = mean or [0.0] * channels, std or [1.0] * channels
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


def _resnet(variant, image_shape, pretrained):
    # Imported here: keras_hub takes seconds, and most towers need none of it.
    from keras_hub.models import ResNetBackbone

    if pretrained:
        hub = ResNetBackbone.from_preset(
            pretrained, image_shape=image_shape, data_format="channels_last"
        )
    else:
        small = variant == "resnet18"
        filters = [64, 128, 256, 512]
        hub = ResNetBackbone(
            input_conv_filters=[64],
            input_conv_kernel_sizes=[7],
            stackwise_num_filters=filters,
            stackwise_num_blocks=[2, 2, 2, 2] if small else [3, 4, 6, 3],
            stackwise_num_strides=[1, 2, 2, 2],
            block_type="basic_block" if small else "bottleneck_block",
            image_shape=image_shape,
            data_format="channels_last",
        )
    # A plain model of stock layers: the saved file needs no keras_hub.
    return keras.Model(hub.inputs, hub.outputs[0], name="backbone")


def check_choice(argument: str, value: str, choices: Sequence[str]) -> None:
    """Raises ValueError unless `value` is among `choices`."""
    if value not in choices:
        raise ValueError(
            f"Argument `{argument}` must be one of {list(choices)}. "
            f"Received: {argument}={value!r}"
        )


def check_sizes(**sizes: int) -> None:
    """Raises ValueError unless each value is a positive whole number."""
    for argument, value in sizes.items():
        if type(value) is not int or value <= 0:
            raise ValueError(
                f"Argument `{argument}` must be a positive integer. "
                f"Received: {argument}={value!r}"
            )
