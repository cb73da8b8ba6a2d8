"""Encoders of a spectrogram: convolutional, recurrent, residual."""

from dataclasses import dataclass

from keras import layers, ops

from mmkeras.options import option
from mmkeras.towers import temporal
from mmkeras.towers.spectrogram import Spectrogram, spectrogram
from mmkeras.values import COUNT, FLAG


@dataclass(frozen=True, kw_only=True)
class AudioCnn(Spectrogram):
    """Options of stages of convolutions along time.

    Args:
        width: Filters of the first half of the stages; the second half has
            twice as many.
        depth: Stages; each has half the frames of the one before.
        repeats: Convolutions of a stage.
    """

    width: int = option(128, COUNT, role="width")
    depth: int = option(4, COUNT)
    repeats: int = option(1, COUNT)


@dataclass(frozen=True, kw_only=True)
class AudioRecurrent(Spectrogram):
    """Options of a GRU or an LSTM over groups of frames.

    Args:
        width: Filters of the convolutions before it, and units of each
            direction.
        repeats: Convolutions before it.
        stride: Frames that are averaged to one token.
        bidirectional: Whether it reads in both directions. If not, the whole
            tower looks back only: frames end where their hop ends and
            convolutions are causal, so that it can be streamed.
    """

    width: int = option(128, COUNT, role="width")
    repeats: int = option(1, COUNT)
    stride: int = option(2, COUNT, "frames")
    bidirectional: bool = option(True, FLAG)


@dataclass(frozen=True, kw_only=True)
class AudioResNet(Spectrogram):
    """Options of a ResNet over time and frequency.

    Args:
        width: Four times the filters of the first stage; each next one has
            twice as many, and halves frames and bands.
        depth: Stages.
        repeats: Blocks of a stage.
        stride: Frames and bands from one step to the next of the first
            convolution; 2 makes it about four times as fast.
    """

    width: int = option(128, COUNT, role="width")
    depth: int = option(4, COUNT)
    repeats: int = option(1, COUNT)
    stride: int = option(1, COUNT)


def convolutions(sound, rate, options, name):
    """Stages of convolutions along time, each with half the frames."""
    x = spectrogram(sound, rate, options, name)
    width, depth, repeats = options.width, options.depth, options.repeats
    for i in range(depth):
        filters = 2 * width if depth <= 2 * i else width
        x = pool(x, 2, f"{name}_pool_{i}") if i else x
        kernel = 3 if i else 5
        x = stage(x, filters, repeats, kernel, False, f"{name}_{i}")
    return x


def recurrence(sound, rate, options, name):
    """One stage of convolutions, fewer frames, a GRU or an LSTM."""
    both = options.bidirectional
    x = spectrogram(sound, rate, options, name, causal=not both)
    x = stage(x, options.width, options.repeats, 5, not both, f"{name}_0")
    if options.stride > 1:
        x = pool(x, options.stride, f"{name}_pool", not both)
    kind = options.variant
    return temporal.recurrence(x, kind, options.width, both, f"{name}_{kind}")


def residual(sound, rate, options, name):
    """A ResNet over time and frequency; bands are averaged at the end.

    Stages of `repeats` basic blocks. Each stage halves frames and bands and
    doubles the filters of the one before, from a quarter of `width` on;
    `stride` is that of the convolution before the first.

    Source: He et al., "Deep Residual Learning for Image Recognition", 2015
    (arXiv 1512.03385).
    """
    x = spectrogram(sound, rate, options, name)
    x = ops.expand_dims(x, -1)
    first = max(1, options.width // 4)
    x = temporal.convolve(x, first, 3, options.stride, f"{name}_resnet_stem")
    for i in range(options.depth):
        for j in range(options.repeats):
            stride = 2 if i and not j else 1
            x = _block(x, first * 2**i, stride, f"{name}_resnet_{i}_{j}")
    return ops.mean(x, axis=2)


def _block(x, filters, stride, name):
    y = temporal.convolve(x, filters, 3, stride, f"{name}_a")
    y = temporal.convolve(y, filters, 3, 1, f"{name}_b", relu=False)
    if x.shape != y.shape:
        x = temporal.convolve(x, filters, 1, stride, f"{name}_short", False)
    x = layers.Add(name=f"{name}_add")([x, y])
    return layers.ReLU(name=f"{name}_relu")(x)


def pool(x, size, name, causal=False):
    padding = "valid" if causal else "same"
    return layers.AveragePooling1D(size, padding=padding, name=name)(x)


def stage(x, filters, repeats, kernel, causal, name):
    for i in range(repeats):
        x = layers.Conv1D(
            filters,
            3 if i else kernel,
            padding="causal" if causal else "same",
            use_bias=False,
            name=f"{name}_conv_{i}",
        )(x)
        # Keras' momentum of 0.99 lags behind a training of a minute.
        norm = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm_{i}")
        x = layers.ReLU(name=f"{name}_relu_{i}")(norm(x))
    return x
