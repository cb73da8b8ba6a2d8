"""Series towers: many channels of a sensor over time, where cells may miss."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from mmkeras.arguments import check_positive
from mmkeras.options import Part, Variants, option
from mmkeras.towers.masked_layers import (
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
    standardise,
)
from mmkeras.towers.tower_options import TowerOptions
from mmkeras.values import COUNT, FLAG, SHARE


@dataclass(frozen=True, kw_only=True)
class SeriesOptions(TowerOptions):
    """Options of every series tower.

    Args:
        dropout: Share of features dropped in all layers.
        width: Filters of a convolution, units of each direction, or width of
            the transformer.
        stride: Steps of a position.
    """

    dropout: float = option(0.1, SHARE)
    width: int = option(64, COUNT, role="width")
    stride: int = option(4, COUNT, "steps")


@dataclass(frozen=True, kw_only=True)
class SeriesResNet(SeriesOptions):
    """Options of residual blocks of three convolutions.

    Args:
        width: Filters of the first block; the others have twice as many.
        depth: Blocks; each but the first halves the positions.
    """

    depth: int = option(3, COUNT)


@dataclass(frozen=True, kw_only=True)
class SeriesTcn(SeriesOptions):
    """Options of causal dilated residual blocks.

    Args:
        depth: Blocks.
    """

    depth: int = option(4, COUNT)


@dataclass(frozen=True, kw_only=True)
class SeriesRecurrent(SeriesOptions):
    """Options of GRUs or LSTMs.

    Args:
        depth: Recurrent layers.
        bidirectional: Whether they read in both directions.
    """

    depth: int = option(1, COUNT)
    bidirectional: bool = option(True, FLAG)


@dataclass(frozen=True, kw_only=True)
class SeriesTransformer(SeriesOptions):
    """Options of pre-norm blocks with learned positions.

    Args:
        depth: Blocks.
        heads: Attention heads; divides `width`.
    """

    depth: int = option(2, COUNT)
    heads: int = option(4, COUNT, role="parts")


def series_tower(
    steps: int,
    channels: int,
    name: str = "series",
    variant: str = "resnet",
    *,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    **options: Any,
) -> keras.Model:
    """Builds a tower that reads one stretch of sensor data: ECG, IMU, weather.

    Each channel is normalised and cut at 10 standard deviations; a gap (NaN)
    counts as the mean, and is marked by a channel of its own. A strided
    convolution then makes one position of every `stride` steps, and what
    follows reads the positions. The vector is the mean of the tokens that
    saw any known cell, and zeros where none did.

    | variant | good for |
    | --- | --- |
    | `"resnet"` | little data; residual blocks of three convolutions |
    | `"tcn"` | long memory; causal dilated residual blocks; streams |
    | `"gru"`, `"lstm"` | order; streams in one direction |
    | `"patch_transformer"` | much data; learned positions, pre-norm blocks |

    Args:
        steps: Steps of a stretch; those after the last whole `stride` are
            left out.
        channels: Channels a step.
        name: Name of the modality, and of the input.
        variant: One of the table above.
        mean: Mean of each channel over the training data. Defaults to 0.
        std: Its standard deviation; 0 for a constant one. Defaults to 1.
        options: Those of the variant: `units` (64), `dropout` (0.1), `width`,
            `stride`, and what `SeriesResNet`, `SeriesTcn`, `SeriesRecurrent`
            or `SeriesTransformer` have.

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
    chosen = SERIES_TOWERS.read({"variant": variant, **options})
    check_positive(steps=steps, channels=channels)
    stride = chosen.stride
    if stride > steps:
        raise ValueError(
            "`stride` must not exceed `steps`. Received: "
            f"stride={stride}, steps={steps}"
        )
    series = keras.Input((steps, channels), dtype="float32", name=name)

    missing = MissingCells(name=f"{name}_missing")(series)
    x = FillMissing(dtype="float32", name=f"{name}_fill_missing")(
        standardise(series, mean, std, name)
    )
    x = MarkGaps(name=f"{name}_mark_gaps")(x, missing)
    x = layers.Conv1D(chosen.width, stride, stride, name=f"{name}_patches")(x)
    known = KnownSteps(dtype="float32", name=f"{name}_known_steps")(missing)
    known = layers.MaxPooling1D(stride, dtype="float32", name=f"{name}_known")(
        known
    )

    x, known = SERIES_TOWERS.build(chosen)(x, known, chosen, name)
    tokens = layers.Dense(chosen.units, name=f"{name}_tokens")(x)
    mask = known[:, :, 0]
    outputs = {
        "vector": MaskedMean(name=f"{name}_vector")(tokens, mask),
        "tokens": tokens,
        "mask": mask,
    }
    return keras.Model(series, outputs, name=f"{name}_tower")


def _resnet(x, known, options, name):
    x = normalise(x, f"{name}_patches")
    for i in range(options.depth):
        key, step = f"{name}_block_{i}", 2 if i else 1
        filters = 2 * options.width if i else options.width
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
        x = layers.Dropout(options.dropout, name=f"{key}_dropout")(x)
    return x, known


def _tcn(x, known, options, name):
    width = x.shape[-1]
    x = normalise(x, f"{name}_patches")
    for i in range(options.depth):
        y = x
        for j in range(2):
            key = f"{name}_block_{i}_{j}"
            y = _convolve(y, width, 3, 1, key, dilation=2**i, padding="causal")
            y = layers.Dropout(options.dropout, name=f"{key}_dropout")(y)
        x = layers.Add(name=f"{name}_block_{i}_add")([x, y])
        x = layers.ReLU(name=f"{name}_block_{i}_out")(x)
    return x, known


def _recurrent(x, known, options, name):
    width, both = x.shape[-1], options.bidirectional
    mask = known[:, :, 0]
    x = normalise(x, f"{name}_patches")
    for i in range(options.depth):
        key = f"{name}_{options.variant}_{i}"
        x = recurrence(x, options.variant, width, both, key, mask)
        x = layers.Dropout(options.dropout, name=f"{key}_dropout")(x)
    return x, known


def _transformer(x, known, options, name):
    mask = known[:, :, 0]
    x = LearnedPosition(name=f"{name}_position")(x)
    rates = options.heads, options.dropout
    for i in range(options.depth):
        x = transformer_block(x, mask, *rates, f"{name}_block_{i}")
    norm = layers.LayerNormalization(epsilon=1e-5, name=f"{name}_norm")
    return norm(x), known


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


SERIES_TOWERS = Variants(
    "variant",
    "resnet",
    {
        "resnet": Part(SeriesResNet, _resnet),
        "tcn": Part(SeriesTcn, _tcn),
        "gru": Part(SeriesRecurrent, _recurrent),
        "lstm": Part(SeriesRecurrent, _recurrent),
        "patch_transformer": Part(SeriesTransformer, _transformer),
    },
)
