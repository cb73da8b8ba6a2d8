"""Audio towers: raw samples in, one vector and one row per stretch of time out.

The log-mel spectrogram is a layer, so that training and the device share it.
"""

import keras
import numpy as np
from keras import layers, ops

from mmkeras.towers.image import check_choice, check_sizes

VARIANTS = ("cnn", "gru")
TRANSFORMS = ("fft", "matmul")
# Keras' momentum of 0.99 lags behind a training of a minute.
MOMENTUM = 0.9


@keras.saving.register_keras_serializable(package="mmkeras")
class LogMel(layers.Layer):
    """Natural logarithm of a mel power spectrogram.

    Equal to librosa's `log(melspectrogram(..., center=False) + floor)`: Hann
    window, Slaney's mel scale, each band of area 1. Always float32. What is
    left over after the last whole frame is not read.

    Args:
        sample_rate_hz: int, samples a second.
        frame_length: int, samples in a frame.
        hop_length: int, samples from one frame to the next.
        mel_bands: int, number of bands.
        low_hz: float, lower edge of the first band.
        high_hz: float, upper edge of the last band; at most half the rate.
        floor: float, added to the power, so that silence is finite.
        transform: `"fft"`, or `"matmul"`: the same numbers from a product
            with a large constant matrix, for formats without an FFT. May be
            set after construction, before the layer is traced again.

    Call arguments:
        samples: `(batch, samples)`, float32 in [-1, 1].

    Output shape: `(batch, frames, mel_bands)`, float32.

    Example:

    >>> LogMel(8000, 256, 128)(np.zeros((1, 8000), "float32")).shape
    TensorShape([1, 61, 64])
    """

    def __init__(
        self,
        sample_rate_hz,
        frame_length,
        hop_length,
        mel_bands=64,
        low_hz=20.0,
        high_hz=None,
        floor=1e-6,
        transform="fft",
        **kwargs,
    ):
        check_choice("transform", transform, TRANSFORMS)
        # A power spectrum leaves the range of float16.
        super().__init__(**{**kwargs, "dtype": "float32", "autocast": False})
        self.sample_rate_hz = sample_rate_hz
        self.frame_length = frame_length
        self.hop_length = hop_length
        self.mel_bands = mel_bands
        self.low_hz = low_hz
        self.high_hz = high_hz or sample_rate_hz / 2
        self.floor = floor
        self.transform = transform
        self.fft_length = 2 ** (frame_length - 1).bit_length()
        bank = mel_filterbank(
            sample_rate_hz, self.fft_length, mel_bands, low_hz, self.high_hz
        )
        # Without the rows above the last band: they are all zero, and the
        # matrix stays float32 in every exported file.
        self._bank = bank[: 1 + np.flatnonzero(bank.any(axis=1))[-1]]
        turn = 2 * np.pi * np.arange(frame_length)
        self._window = 0.5 - 0.5 * np.cos(turn / frame_length)

    def call(self, samples):
        frames = ops.extract_sequences(
            samples, self.frame_length, self.hop_length
        )
        real, imaginary = self._spectrum(frames)
        power = ops.square(real) + ops.square(imaginary)
        return ops.log(ops.matmul(power, self._bank) + self.floor)

    def _spectrum(self, frames):
        bins = len(self._bank)
        if self.transform == "fft":
            window = self._window.astype("float32")
            real, imaginary = ops.rfft(frames * window, self.fft_length)
            return real[..., :bins], imaginary[..., :bins]
        turn = 2 * np.pi * np.arange(self.frame_length) / self.fft_length
        angle = np.expand_dims(turn, 1) * np.arange(bins)
        window = np.expand_dims(self._window, 1)
        return tuple(
            ops.matmul(frames, (wave * window).astype("float32"))
            for wave in (np.cos(angle), -np.sin(angle))
        )

    def compute_output_shape(self, samples_shape):
        batch, samples = samples_shape
        frames = 1 + (samples - self.frame_length) // self.hop_length
        return (batch, frames, self.mel_bands)


def mel_filterbank(
    sample_rate_hz: int,
    fft_length: int,
    mel_bands: int,
    low_hz: float,
    high_hz: float,
) -> np.ndarray:
    """Returns triangles of area 1, evenly spaced on Slaney's mel scale.

    Args:
        sample_rate_hz: Samples a second.
        fft_length: Samples of the transform.
        mel_bands: Number of triangles.
        low_hz: Lower edge of the first.
        high_hz: Upper edge of the last.

    Returns:
        float32 `(fft_length // 2 + 1, mel_bands)`.

    Raises:
        ValueError: If a band is so narrow that no bin falls into it.
    """
    if not 0 <= low_hz < high_hz <= sample_rate_hz / 2:
        raise ValueError(
            "Arguments `low_hz` and `high_hz` must rise and lie within 0 and "
            f"half the sample rate. Received: low_hz={low_hz}, "
            f"high_hz={high_hz}, sample_rate_hz={sample_rate_hz}"
        )
    ends = _mel([low_hz, high_hz])
    edges = _hertz(np.linspace(*ends, mel_bands + 2))
    bins = np.arange(fft_length // 2 + 1) * sample_rate_hz / fft_length
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    bins = np.expand_dims(bins, 1)
    rising = (bins - low) / (centre - low)
    falling = (high - bins) / (high - centre)
    bank = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
    empty = np.flatnonzero(~bank.any(axis=0))
    if len(empty):
        raise ValueError(
            "Argument `mel_bands` must be small enough for every band to hold "
            f"a frequency of the transform. Received: mel_bands={mel_bands}, "
            f"of which {len(empty)} are empty with {fft_length} samples at "
            f"{sample_rate_hz} Hz; take fewer bands or longer frames"
        )
    return bank.astype("float32")


# Slaney's scale: linear up to 1000 Hz, which is 15 mel; from there on 27 mel
# for each factor of 6.4.
def _mel(hertz):
    hertz = np.asarray(hertz, "float64")
    above = 15 + 27 * np.log(np.maximum(hertz, 1) / 1000) / np.log(6.4)
    return np.where(hertz < 1000, hertz * 0.015, above)


def _hertz(mel):
    return np.where(mel < 15, mel / 0.015, 1000 * 6.4 ** ((mel - 15) / 27))


@keras.saving.register_keras_serializable(package="mmkeras")
class SpecAugment(layers.Layer):
    """Hides stretches of time and of frequency, in training only.

    Each sample has its own stretches; their lengths are drawn evenly between
    0 and the longest, their places evenly over what fits. Hidden values are
    0: the layer belongs after a normalisation.

    Args:
        time_masks: int, stretches of time.
        time_fraction: float, the longest, as a share of all frames.
        mel_masks: int, stretches of frequency.
        mel_fraction: float, the longest, as a share of all bands.
        seed: int or None.

    Call arguments and output shape: `(batch, frames, mel_bands)`.

    Source: Park et al., "SpecAugment", 2019 (arXiv 1904.08779).
    """

    def __init__(
        self,
        time_masks=2,
        time_fraction=0.15,
        mel_masks=2,
        mel_fraction=0.12,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_fraction("time_fraction", time_fraction)
        check_fraction("mel_fraction", mel_fraction)
        self.time_masks = time_masks
        self.time_fraction = time_fraction
        self.mel_masks = mel_masks
        self.mel_fraction = mel_fraction
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, spectrogram, training=False):
        if not training:
            return spectrogram
        batch, (_, frames, bands) = ops.shape(spectrogram)[0], spectrogram.shape
        time = self._kept(batch, frames, self.time_masks, self.time_fraction)
        mel = self._kept(batch, bands, self.mel_masks, self.mel_fraction)
        kept = ops.expand_dims(time, 2) * ops.expand_dims(mel, 1)
        return spectrogram * ops.cast(kept, spectrogram.dtype)

    def _kept(self, batch, length, masks, fraction):
        def draw(count):
            drawn = keras.random.uniform((batch, masks, 1), seed=self.generator)
            return ops.floor(drawn * count)

        size = draw(round(fraction * length) + 1.0)
        start = draw(length - size + 1.0)
        place = ops.arange(length, dtype="float32")
        hidden = ops.logical_and(place >= start, place < start + size)
        return 1.0 - ops.cast(ops.any(hidden, axis=1), "float32")


def check_fraction(argument: str, value: float) -> None:
    """Raises ValueError unless `value` lies within 0 and 1."""
    if not 0 <= value <= 1:
        raise ValueError(
            f"Argument `{argument}` must be from 0 to 1. "
            f"Received: {argument}={value!r}"
        )


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
    dropout: float = 0.3,
    time_fraction: float = 0.15,
    mel_fraction: float = 0.12,
) -> keras.Model:
    """Builds a tower that reads one stretch of sound.

    The log-mel spectrogram and its normalisation (a batch normalisation of
    each band, so no statistics are needed) are layers inside, and a device
    hands over the samples as they come from the microphone. The bands are the
    channels of convolutions along time. The vector is the mean of the tokens.

    Args:
        samples: Samples of a stretch.
        sample_rate_hz: Samples a second.
        name: Name of the modality, and of the input.
        variant: `"cnn"` (convolutions along time with batch normalisation and
            ReLU, each but the last halving the frames; the second half of
            them twice as wide) or `"gru"` (one such convolution, then a GRU
            in both directions).
        units: Width of the vector and of the tokens.
        mel_bands: Bands of the spectrogram.
        frame_ms: Milliseconds of a frame.
        hop_ms: Milliseconds from one frame to the next.
        low_hz: Lower edge of the first band.
        high_hz: Upper edge of the last band. Defaults to 8000 Hz, or half the
            sample rate if that is less.
        width: Filters of the first convolution, units of each direction.
        depth: Convolutions of a `"cnn"`.
        dropout: Share of features dropped before the last layer.
        time_fraction: Longest stretch of time that training hides, as a share
            of all frames; two for each sample.
        mel_fraction: The same for the bands.

    Returns:
        Model from float32 `(batch, samples)` in [-1, 1] to
        `{"vector": (batch, units), "tokens": (batch, steps, units),
        "mask": (batch, steps)}`; the mask is all ones.

    Example:

    >>> tower = audio_tower(8000, 8000)
    >>> tower(np.zeros((2, 8000), "float32"))["tokens"].shape
    TensorShape([2, 6, 64])
    """
    check_choice("variant", variant, VARIANTS)
    check_sizes(samples=samples, units=units, mel_bands=mel_bands)
    check_sizes(width=width, depth=depth)
    frame = round(frame_ms * sample_rate_hz / 1000)
    hop = round(hop_ms * sample_rate_hz / 1000)
    if not 0 < frame <= samples or hop < 1:
        raise ValueError(
            "Arguments `frame_ms` and `hop_ms` must make at least one sample "
            f"each, and one frame fit into the {samples / sample_rate_hz:g} s. "
            f"Received: frame_ms={frame_ms}, hop_ms={hop_ms}"
        )
    sound = keras.Input((samples,), dtype="float32", name=name)

    x = LogMel(
        sample_rate_hz,
        frame,
        hop,
        mel_bands,
        low_hz,
        high_hz or min(8000.0, sample_rate_hz / 2),
        name=f"{name}_logmel",
    )(sound)
    x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_bands")(x)
    x = SpecAugment(
        time_fraction=time_fraction,
        mel_fraction=mel_fraction,
        name=f"{name}_spec_augment",
    )(x)
    if variant == "cnn":
        for i in range(depth):
            filters = width * (1 + (2 * i >= depth))
            x = _convolution(x, filters, i, f"{name}_{i}", i < depth - 1)
    else:
        x = _convolution(x, width, 0, f"{name}_0", True)
        gru = layers.GRU(width, return_sequences=True)
        x = layers.Bidirectional(gru, name=f"{name}_gru")(x)

    x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    tokens = layers.Dense(units, name=f"{name}_tokens")(x)
    outputs = {
        "vector": layers.GlobalAveragePooling1D(name=f"{name}_vector")(tokens),
        "tokens": tokens,
        "mask": ops.ones_like(tokens[:, :, 0], dtype="float32"),
    }
    return keras.Model(sound, outputs, name=f"{name}_tower")


def _convolution(x, filters, index, name, halve):
    x = layers.Conv1D(
        filters,
        3 if index else 5,
        padding="same",
        use_bias=False,
        name=f"{name}_conv",
    )(x)
    x = layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_norm")(x)
    x = layers.ReLU(name=f"{name}_relu")(x)
    if halve:
        pool = layers.AveragePooling1D(2, padding="same", name=f"{name}_pool")
        x = pool(x)
    return x
