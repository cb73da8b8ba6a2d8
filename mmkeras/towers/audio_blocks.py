"""What an audio tower does with a spectrogram, bands as channels or rows."""

from keras import layers, ops

from mmkeras.towers import temporal


def convolutions(x, width, depth, repeats, name):
    """Stages of convolutions along time, each with half the frames."""
    for i in range(depth):
        filters = 2 * width if depth <= 2 * i else width
        x = halve(x, f"{name}_pool_{i}") if i else x
        kernel = 3 if i else 5
        x = stage(x, filters, repeats, kernel, False, f"{name}_{i}")
    return x


def recurrence(x, kind, width, repeats, bidirectional, name):
    """One stage of convolutions, halved frames, a GRU or an LSTM."""
    causal = not bidirectional
    x = stage(x, width, repeats, 5, causal, f"{name}_0")
    x = halve(x, f"{name}_pool", causal)
    name = f"{name}_{kind}"
    return temporal.recurrence(x, kind, width, bidirectional, name)


def residual(x, width, depth, repeats, stride, name):
    """A ResNet over time and frequency; bands are averaged at the end.

    Stages of `repeats` basic blocks. Each stage halves frames and bands and
    doubles the filters of the one before, from a quarter of `width` on;
    `stride` is that of the convolution before the first.

    Source: He et al., "Deep Residual Learning for Image Recognition", 2015
    (arXiv 1512.03385).
    """
    x = ops.expand_dims(x, -1)
    first = max(1, width // 4)
    x = temporal.convolve(x, first, 3, stride, f"{name}_resnet_stem")
    for i in range(depth):
        for j in range(repeats):
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


def halve(x, name, causal=False):
    padding = "valid" if causal else "same"
    return layers.AveragePooling1D(2, padding=padding, name=name)(x)


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
