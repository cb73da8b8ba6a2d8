"""Audio towers: raw samples in, one vector and one row per stretch of time out.

The log-mel spectrogram is a layer, so that training and the device share it.
"""

import keras
from keras import layers, ops

from mmkeras.towers.image import check_choice, check_sizes
from mmkeras.towers.logmel import LogMel, SpecAugment


def audio_tower(
    samples: int,
    sample_rate_hz: int,
    name: str = "audio",
    variant: str = "cnn",
    units: int = 64,
    mel_bands: int = 64,
    frame_ms: float = 46.0,
    hop_ms: float = 23.0,
    low_hz: float = 20.0,
    high_hz: float | None = None,
    width: int = 128,
    depth: int = 4,
    repeats: int = 1,
    dropout: float = 0.3,
    time_fraction: float = 0.15,
    mel_fraction: float = 0.12,
    bidirectional: bool = True,
) -> keras.Model:
    """Builds a tower that reads one stretch of sound.

    The log-mel spectrogram and its normalisation (a batch normalisation of
    each band: no statistics are needed) are layers inside. The bands are the
    channels of convolutions along time; the vector is the mean of the tokens.

    Args:
        samples: Samples of a stretch.
        sample_rate_hz: Samples a second.
        name: Name of the modality, and of the input.
        variant: `"cnn"` (stages of convolutions with batch normalisation and
            ReLU; each halves the frames of the one before, the second half of
            them is twice as wide) or `"gru"` (one such stage, halved frames,
            a GRU).
        units: Width of the vector and of the tokens.
        mel_bands: Bands of the spectrogram.
        frame_ms: Milliseconds of a frame.
        hop_ms: Milliseconds from one frame to the next.
        low_hz: Lower edge of the first band.
        high_hz: Upper edge of the last band. Defaults to 8000 Hz, or half the
            sample rate if that is less.
        width: Filters of the first stage, units of each direction.
        depth: Stages of a `"cnn"`.
        repeats: Convolutions of a stage.
        dropout: Share of features dropped before the last layer.
        time_fraction: Longest stretch of time that training hides, as a share
            of all frames; two for each sample.
        mel_fraction: The same for the bands.
        bidirectional: Whether the GRU reads in both directions. If not, the
            whole tower looks back only: frames end where their hop ends and
            convolutions are causal, so that it can be streamed.

    Returns:
        Model from float32 `(batch, samples)` in [-1, 1] to
        `{"vector": (batch, units), "tokens": (batch, steps, units),
        "mask": (batch, steps)}`; the mask is all ones.

    Example:

    >>> tower = audio_tower(8000, 8000)
    >>> tower(np.zeros((2, 8000), "float32"))["tokens"].shape
    TensorShape([2, 6, 64])
    """
    check_choice("variant", variant, ("cnn", "gru"))
    check_sizes(samples=samples, units=units, mel_bands=mel_bands)
    check_sizes(width=width, depth=depth, repeats=repeats)
    frame = round(frame_ms * sample_rate_hz / 1000)
    hop = round(hop_ms * sample_rate_hz / 1000)
    if not 0 < frame <= samples or hop < 1:
        raise ValueError(
            "Arguments `frame_ms` and `hop_ms` must make at least one sample "
            f"each, and one frame fit into the {samples / sample_rate_hz:g} s. "
            f"Received: frame_ms={frame_ms}, hop_ms={hop_ms}"
        )
    high_hz = high_hz or min(8000.0, sample_rate_hz / 2)
    sound = keras.Input((samples,), dtype="float32", name=name)

    causal = variant == "gru" and not bidirectional
    bands = sample_rate_hz, frame, hop, mel_bands, low_hz, high_hz
    x = LogMel(*bands, causal=causal, name=f"{name}_logmel")(sound)
    # Keras' momentum of 0.99 lags behind a training of a minute.
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bands")(x)
    hide = SpecAugment(time_fraction, mel_fraction, name=f"{name}_spec_augment")
    x = hide(x)
    for i in range(depth if variant == "cnn" else 1):
        filters = 2 * width if depth <= 2 * i else width
        x = _halve(x, f"{name}_pool_{i}") if i else x
        x = _stage(x, filters, repeats, 3 if i else 5, causal, f"{name}_{i}")
    if variant == "gru":
        x = _halve(x, f"{name}_pool", causal)
        if bidirectional:
            gru = layers.GRU(width, return_sequences=True)
            x = layers.Bidirectional(gru, name=f"{name}_gru")(x)
        else:
            x = layers.GRU(width, return_sequences=True, name=f"{name}_gru")(x)

    x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    tokens = layers.Dense(units, name=f"{name}_tokens")(x)
    outputs = {
        "vector": layers.GlobalAveragePooling1D(name=f"{name}_vector")(tokens),
        "tokens": tokens,
        "mask": ops.ones_like(tokens[:, :, 0], dtype="float32"),
    }
    return keras.Model(sound, outputs, name=f"{name}_tower")


def _halve(x, name, causal=False):
    padding = "valid" if causal else "same"
    return layers.AveragePooling1D(2, padding=padding, name=name)(x)


def _stage(x, filters, repeats, kernel, causal, name):
    for i in range(repeats):
        x = layers.Conv1D(
            filters,
            3 if i else kernel,
            padding="causal" if causal else "same",
            use_bias=False,
            name=f"{name}_conv_{i}",
        )(x)
        norm = layers.BatchNormalization(momentum=0.9, name=f"{name}_norm_{i}")
        x = layers.ReLU(name=f"{name}_relu_{i}")(norm(x))
    return x
