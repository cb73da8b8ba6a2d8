"""Series towers: many channels of a sensor over time, where cells may miss."""

from collections.abc import Sequence

import keras
from keras import layers

from mmkeras.towers.checks import check_choice, check_sizes
from mmkeras.towers.sequence import (
    LearnedPosition,
    MaskedMean,
    transformer_block,
)
from mmkeras.towers.tabular import FillMissing, MissingCells
from mmkeras.towers.temporal import (
    KnownSteps,
    MarkGaps,
    normalise,
    recurrence,
)

# What `depth` is where it is not said.
DEPTHS = {"resnet": 3, "tcn": 4, "gru": 1, "lstm": 1, "patch_transformer": 2}


def series_tower(
    steps: int,
    channels: int,
    name: str = "series",
    variant: str = "resnet",
    units: int = 64,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    width: int = 64,
    depth: int | None = None,
    stride: int = 4,
    heads: int = 4,
    dropout: float = 0.1,
    bidirectional: bool = True,
) -> keras.Model:
    """Builds a tower that reads one stretch of sensor data: ECG, IMU, weather.

    Each channel is normalised and cut at 10 standard deviations; a gap (NaN)
    counts as the mean, and is marked by a channel of its own. A strided
    convolution then makes one position of every `stride` steps, and what
    follows reads the positions. The vector is the mean of the tokens that
    saw any known cell, and zeros where none did.

    Args:
        steps: Steps of a stretch; those after the last whole `stride` are
            left out.
        channels: Channels a step.
        name: Name of the modality, and of the input.
        variant: `"resnet"` (residual blocks of three convolutions, each block
            but the first halves the positions: good with little data),
            `"tcn"` (causal dilated residual blocks: long memory, streams),
            `"gru"` or `"lstm"` (streams in one direction), or
            `"patch_transformer"` (learned positions, pre-norm blocks: good
            with much data).
        units: Width of the vector and of the tokens.
        mean: Mean of each channel over the training data. Defaults to 0.
        std: Its standard deviation; 0 for a constant one. Defaults to 1.
        width: Filters of a convolution (a `"resnet"` has twice as many from
            the second block on), units of each direction, width of the
            transformer.
        depth: Blocks, or recurrent layers. Defaults to 3 for `"resnet"`, 4
            for `"tcn"`, 2 for `"patch_transformer"`, or else 1.
        stride: Steps of a position.
        heads: Attention heads; divides `width`.
        dropout: Share of features dropped in all layers.
        bidirectional: Whether a GRU or LSTM reads in both directions. A
            tower of one direction, or a `"tcn"`, can be streamed.

    Returns:
        Model from float32 `(batch, steps, channels)`, raw units, NaN =
        missing, to `{"vector": (batch, units), "tokens": (batch, positions,
        units), "mask": (batch, positions)}`; the mask is 0 where all cells
        of a position are missing.

    Source: "resnet": Wang et al., 2017 (arXiv 1611.06455), here halving the
    positions as it goes. "tcn": Bai et al., 2018 (arXiv 1803.01271), with
    batch normalisation in place of weight normalisation.
    "patch_transformer": after Nie et al., 2023 (arXiv 2211.14730), all
    channels in one patch.

    Example:

    >>> tower = series_tower(500, 12, mean=[0.0] * 12, std=[0.2] * 12)
    >>> tower(np.zeros((2, 500, 12), "float32"))["tokens"].shape
    TensorShape([2, 32, 64])
    """
    check_choice("variant", variant, list(DEPTHS))
    depth = DEPTHS[variant] if depth is None else depth
    check_sizes(steps=steps, channels=channels, units=units, width=width)
    check_sizes(depth=depth, stride=stride, heads=heads)
    if stride > steps:
        raise ValueError(
            "Argument `stride` must not exceed `steps`. Received: "
            f"stride={stride}, steps={steps}"
        )
    series = keras.Input((steps, channels), dtype="float32", name=name)

    missing = MissingCells(name=f"{name}_missing")(series)
    x = FillMissing(dtype="float32", name=f"{name}_fill_missing")(
        _standardise(series, mean, std, name)
    )
    x = MarkGaps(name=f"{name}_mark_gaps")(x, missing)
    x = layers.Conv1D(width, stride, stride, name=f"{name}_patches")(x)
    known = KnownSteps(dtype="float32", name=f"{name}_known_steps")(missing)
    known = layers.MaxPooling1D(stride, dtype="float32", name=f"{name}_known")(
        known
    )

    if variant == "resnet":
        x, known = _resnet(x, known, width, depth, dropout, name)
    elif variant == "tcn":
        x = _tcn(x, depth, dropout, name)
    elif variant == "patch_transformer":
        x = _transformer(x, known, depth, heads, dropout, name)
    else:
        x = _recurrent(x, variant, depth, bidirectional, dropout, name)
    tokens = layers.Dense(units, name=f"{name}_tokens")(x)
    mask = known[:, :, 0]
    outputs = {
        "vector": MaskedMean(name=f"{name}_vector")(tokens, mask),
        "tokens": tokens,
        "mask": mask,
    }
    return keras.Model(series, outputs, name=f"{name}_tower")


def _standardise(series, mean, std, name):
    channels = series.shape[-1]
    mean = [0.0] * channels if mean is None else mean
    std = [1.0] * channels if std is None else std
    for key, values in {"mean": mean, "std": std}.items():
        if len(values) != channels:
            raise ValueError(
                f"Argument `{key}` must have one number for each of the "
                f"{channels} channels. Received: {len(values)} numbers"
            )
    if min(std) < 0:
        raise ValueError(
            f"Argument `std` must not be negative. Received: std={list(std)}"
        )
    # In float32 whatever the policy: raw units may exceed float16.
    x = layers.Rescaling(
        1.0, [-m for m in mean], dtype="float32", name=f"{name}_centre"
    )(series)
    scale = [1 / s if s else 1.0 for s in std]
    return layers.Rescaling(scale, dtype="float32", name=f"{name}_scale")(x)


def _resnet(x, known, width, depth, dropout, name):
    x = normalise(x, f"{name}_patches")
    for i in range(depth):
        key, step = f"{name}_block_{i}", 2 if i else 1
        filters = 2 * width if i else width
        y = _convolve(x, filters, 7, step, f"{key}_0")
        y = _convolve(y, filters, 5, 1, f"{key}_1")
        y = _convolve(y, filters, 3, 1, f"{key}_2", relu=False)
        if step > 1:
            x = _convolve(x, filters, 1, step, f"{key}_short", relu=False)
            known = layers.MaxPooling1D(
                2, padding="same", dtype="float32", name=f"{key}_known"
            )(known)
        x = layers.Add(name=f"{key}_add")([x, y])
        x = layers.ReLU(name=f"{key}_out")(x)
        x = layers.Dropout(dropout, name=f"{key}_dropout")(x)
    return x, known


def _tcn(x, depth, dropout, name):
    width = x.shape[-1]
    x = normalise(x, f"{name}_patches")
    for i in range(depth):
        y = x
        for j in range(2):
            key = f"{name}_block_{i}_{j}"
            y = _convolve(y, width, 3, 1, key, dilation=2**i, padding="causal")
            y = layers.Dropout(dropout, name=f"{key}_dropout")(y)
        x = layers.Add(name=f"{name}_block_{i}_add")([x, y])
        x = layers.ReLU(name=f"{name}_block_{i}_out")(x)
    return x


def _recurrent(x, kind, depth, bidirectional, dropout, name):
    width = x.shape[-1]
    x = normalise(x, f"{name}_patches")
    for i in range(depth):
        key = f"{name}_{kind}_{i}"
        x = recurrence(x, kind, width, bidirectional, key)
        x = layers.Dropout(dropout, name=f"{key}_dropout")(x)
    return x


def _transformer(x, known, depth, heads, dropout, name):
    mask = known[:, :, 0]
    x = LearnedPosition(name=f"{name}_position")(x)
    for i in range(depth):
        x = transformer_block(x, mask, heads, dropout, f"{name}_block_{i}")
    return layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm")(x)


def _convolve(
    x, filters, kernel, stride, name, dilation=1, padding="same", relu=True
):
    x = layers.Conv1D(
        filters,
        kernel,
        strides=stride,
        dilation_rate=dilation,
        padding=padding,
        use_bias=False,
        name=f"{name}_conv",
    )(x)
    return normalise(x, name, relu)
