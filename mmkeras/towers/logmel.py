"""The log-mel spectrogram as a layer, and the noise that hides parts of it."""

import keras
import numpy as np
from keras import layers, ops

from mmkeras.arguments import check_choice


@keras.saving.register_keras_serializable(package="mmkeras")
class LogMel(layers.Layer):
    """Natural logarithm of a mel power spectrogram, always float32.

    Equal to librosa's `log(melspectrogram(..., center=False) + floor)`: Hann
    window, Slaney's mel scale, bands of area 1. A last part of a frame is not
    read.

    Args:
        sample_rate_hz: int, samples a second.
        frame_length: int, samples in a frame.
        hop_length: int, samples from one frame to the next.
        mel_bands: int, number of bands.
        low_hz: float, lower edge of the first band.
        high_hz: float, upper edge of the last band; half the rate by default.
        floor: float, added to the power, so that silence is finite.
        transform: `"fft"`, or `"matmul"`: the same numbers from large constant
            matrices, for formats without an FFT. The attribute may be set
            later, for an export; a saved layer keeps what it was made with.
        causal: bool, whether each frame ends where its hop ends: silence is
            put before the first sample, and there are
            `samples // hop_length` frames. A stream needs it.
        fft_length: int, points of the transform; the next power of two from
            `frame_length` on by default. Any other is done by matrices, since
            devices transform powers of two alone.

    Call arguments: samples, float32 `(batch, samples)` in [-1, 1].

    Output shape: `(batch, frames, mel_bands)`.

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
        causal=False,
        fft_length=None,
        **kwargs,
    ):
        check_choice("transform", transform, ("fft", "matmul"))
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
        self.causal = causal
        self.fft_length = fft_length or 2 ** (frame_length - 1).bit_length()
        bank = mel_filterbank(
            sample_rate_hz, self.fft_length, mel_bands, low_hz, self.high_hz
        )
        # Without the zeros above the last band, for small exported files.
        self._bank = bank[: 1 + np.flatnonzero(bank.any(axis=1))[-1]]
        turn = 2 * np.pi * np.arange(frame_length) / frame_length
        self._window = (0.5 - 0.5 * np.cos(turn)).astype("float32")

    def call(self, samples):
        if self.causal:
            past = self.frame_length - self.hop_length
            samples = ops.pad(samples, ((0, 0), (past, 0)))
        return ops.log(self.power(samples) + self.floor)

    def power(self, samples):
        """Returns the mel power spectrogram of whole frames."""
        frames = ops.extract_sequences(
            samples, self.frame_length, self.hop_length
        )
        # Torch multiplies no NumPy array that stands before its tensor.
        frames = ops.multiply(frames, self._window)
        bins = len(self._bank)
        if self.transform == "fft" and self.fft_length.bit_count() == 1:
            parts = ops.rfft(frames, self.fft_length)
            parts = [part[..., :bins] for part in parts]
        else:
            turn = 2 * np.pi * np.arange(self.frame_length) / self.fft_length
            angle = np.outer(turn, np.arange(bins))
            waves = np.cos(angle), np.sin(angle)
            parts = [ops.matmul(frames, w.astype("float32")) for w in waves]
        power = ops.square(parts[0]) + ops.square(parts[1])
        return ops.matmul(power, self._bank)

    def follow_channels(self, follow, samples):
        shape = self.compute_output_shape(samples.shape)
        # A fast Fourier transform, then the filterbank.
        turns = self.fft_length * (self.fft_length.bit_length() - 1)
        follow.cost(shape[1], turns + self._bank.size)
        return follow.flow(shape)

    def compute_output_shape(self, samples_shape):
        batch, samples = samples_shape
        past = self.frame_length - self.hop_length if self.causal else 0
        frames = 1 + (samples + past - self.frame_length) // self.hop_length
        return (batch, frames, self.mel_bands)


def mel_filterbank(
    sample_rate_hz: int,
    fft_length: int,
    mel_bands: int,
    low_hz: float,
    high_hz: float,
) -> np.ndarray:
    """Returns triangles of area 1, float32 `(fft_length // 2 + 1, mel_bands)`.

    They are evenly spaced on Slaney's mel scale, as `librosa.filters.mel` has
    them. Raises ValueError if one is too narrow to hold a frequency.
    """
    if not 0 <= low_hz < high_hz <= sample_rate_hz / 2:
        raise ValueError(
            "Arguments `low_hz` and `high_hz` must rise and lie within 0 and "
            f"half the sample rate. Received: low_hz={low_hz}, "
            f"high_hz={high_hz}, sample_rate_hz={sample_rate_hz}"
        )
    # Linear up to 1000 Hz, which is 15 mel; then 27 mel for a factor of 6.4.
    hertz = np.array([low_hz, high_hz])
    above = 15 + 27 * np.log(np.maximum(hertz, 1000) / 1000) / np.log(6.4)
    ends = np.where(hertz < 1000, hertz * 0.015, above)
    mel = np.linspace(*ends, mel_bands + 2)
    edges = np.where(mel < 15, mel / 0.015, 1000 * 6.4 ** ((mel - 15) / 27))

    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    bins = np.arange(fft_length // 2 + 1) * sample_rate_hz / fft_length
    bins = np.expand_dims(bins, 1)
    rising = (bins - low) / (centre - low)
    falling = (high - bins) / (high - centre)
    bank = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
    if not bank.any(axis=0).all():
        raise ValueError(
            "`mel_bands` must be so small that every band holds a "
            f"frequency of the transform. Received: mel_bands={mel_bands} with "
            f"{fft_length} samples at {sample_rate_hz} Hz; take fewer bands or "
            "longer frames"
        )
    return bank.astype("float32")


@keras.saving.register_keras_serializable(package="mmkeras")
class SpecAugment(layers.Layer):
    """Hides stretches of time and of frequency, in training only.

    Each sample has its own; lengths are drawn evenly from 0 to the longest.
    What is hidden becomes 0: the layer belongs after a normalisation.

    Args:
        time_fraction: float, the longest stretch, as a share of all frames.
        mel_fraction: float, the same for the bands.
        time_masks: int, stretches of time.
        mel_masks: int, stretches of frequency.
        seed: int or None.

    Call arguments and output shape: `(batch, frames, mel_bands)`.

    Source: Park et al., "SpecAugment", 2019 (arXiv 1904.08779).
    """

    def __init__(
        self,
        time_fraction=0.15,
        mel_fraction=0.12,
        time_masks=2,
        mel_masks=2,
        seed=None,
        **kwargs,
    ):
        fractions = {"time": time_fraction, "mel": mel_fraction}
        for key, value in fractions.items():
            if not 0 <= value <= 1:
                raise ValueError(
                    f"`{key}_fraction` must be from 0 to 1. "
                    f"Received: {key}_fraction={value!r}"
                )
        super().__init__(**kwargs)
        self.time_fraction = time_fraction
        self.mel_fraction = mel_fraction
        self.time_masks = time_masks
        self.mel_masks = mel_masks
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, x, training=False):
        if not training:
            return x
        batch = ops.shape(x)[0]
        time = self._kept(
            batch, x.shape[1], self.time_masks, self.time_fraction
        )
        mel = self._kept(batch, x.shape[2], self.mel_masks, self.mel_fraction)
        kept = ops.expand_dims(time, 2) * ops.expand_dims(mel, 1)
        return x * ops.cast(kept, x.dtype)

    def follow_channels(self, follow, x):
        return x

    def _kept(self, batch, length, masks, fraction):
        def draw(count):
            drawn = keras.random.uniform((batch, masks, 1), seed=self.generator)
            return ops.floor(drawn * count)

        size = draw(round(fraction * length) + 1.0)
        start = draw(length - size + 1.0)
        place = ops.arange(length, dtype="float32")
        hidden = ops.logical_and(place >= start, place < start + size)
        return 1.0 - ops.cast(ops.any(hidden, axis=1), "float32")
