"""WaveNet: gated dilated causal convolutions with skip connections."""

from dataclasses import dataclass

from keras import layers, ops

from mmkeras.options import option
from mmkeras.towers.spectrogram import Spectrogram, frame_and_hop, spectrogram
from mmkeras.values import COUNT, one_of


@dataclass(frozen=True, kw_only=True)
class AudioWaveNet(Spectrogram):
    """Options of gated dilated causal convolutions.

    Args:
        features: "logmel", "mfcc" (cepstral coefficients of it), or
            "samples": the tokens are then means over `hop_ms`.
        width: Filters of each convolution.
        depth: Layers of a stack.
        repeats: Stacks.
    """

    features: str = option("logmel", one_of("logmel", "mfcc", "samples"))
    width: int = option(128, COUNT, role="width")
    depth: int = option(4, COUNT)
    repeats: int = option(1, COUNT)


def wavenet(sound, rate, options, name):
    """Reads a spectrogram, or samples, by convolutions that look back only."""
    size = options.width, options.depth, options.repeats
    if options.features != "samples":
        x = spectrogram(sound, rate, options, name, causal=True)
        return gated_convolutions(x, *size, name)
    _, hop = frame_and_hop(sound.shape[1], rate, options)
    x = gated_convolutions(ops.expand_dims(sound, -1), *size, name)
    return layers.AveragePooling1D(hop, name=f"{name}_pool")(x)


def gated_convolutions(x, width, depth, repeats, name):
    """Applies a stack of gated convolutions that look back only.

    Layer `i` of a stack reaches `2 ** i` steps back, so that all together see
    `repeats * (2 ** depth - 1) + 1` steps before the present one. Each hands
    `tanh(filter) * sigmoid(gate)` on twice: to a sum over all layers, and to
    the layer above. A layer takes `6 * width ** 2` multiply-adds a step.

    Args:
        x: `(batch, steps, channels)`.
        width: Filters of each convolution.
        depth: Layers of a stack.
        repeats: Stacks.
        name: Name of the modality.

    Returns:
        `(batch, steps, width)`.

    Source: van den Oord et al., "WaveNet: A Generative Model for Raw Audio",
    2016 (arXiv 1609.03499).
    """
    x = layers.Conv1D(width, 2, padding="causal", name=f"{name}_wavenet_in")(x)
    skips = []
    last = repeats * depth - 1
    for i in range(repeats * depth):
        at = f"{name}_wavenet_{i}"
        gated = _gate(x, width, 2 ** (i % depth), at)
        skips.append(layers.Conv1D(width, 1, name=f"{at}_skip")(gated))
        if i < last:
            up = layers.Conv1D(width, 1, name=f"{at}_residual")(gated)
            x = layers.Add(name=f"{at}_add")([x, up])
    if len(skips) > 1:
        skips = [layers.Add(name=f"{name}_wavenet_sum")(skips)]
    x = layers.ReLU(name=f"{name}_wavenet_relu")(skips[0])
    x = layers.Conv1D(width, 1, name=f"{name}_wavenet_out")(x)
    return layers.ReLU(name=f"{name}_wavenet_out_relu")(x)


def _gate(x, width, dilation, name):
    # Two convolutions, not one that is cut in half: an int8 file then needs
    # no copy of either half.
    parts = [
        layers.Conv1D(
            width,
            2,
            padding="causal",
            dilation_rate=dilation,
            activation=activation,
            name=f"{name}_{part}",
        )(x)
        for part, activation in (("filter", "tanh"), ("gate", "sigmoid"))
    ]
    return layers.Multiply(name=f"{name}_gated")(parts)
