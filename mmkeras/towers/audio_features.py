"""Features of a log-mel spectrogram: MFCCs, and the input of Whisper."""

import math

import keras
import numpy as np
from keras import layers, ops

from mmkeras.towers.logmel import LogMel

DECIBELS = 10 / math.log(10)


@keras.saving.register_keras_serializable(package="mmkeras")
class MFCC(layers.Layer):
    """Mel-frequency cepstral coefficients of a log-mel spectrogram.

    A discrete cosine transform (type 2, orthonormal) of each frame, as one
    frozen matrix product in float32. A few coefficients describe the shape of a
    spectrum; good for small models of speech, where convolutions over bands
    cost much.

    Equal to `librosa.feature.mfcc` of the spectrogram in decibels.

    Args:
        coefficients: int, how many are kept, from the first on.

    Call arguments: the output of `LogMel`, `(batch, frames, bands)`.

    Output shape: `(batch, frames, coefficients)`.

    Source: Davis and Mermelstein, "Comparison of parametric representations
    for monosyllabic word recognition", 1980.

    Example:

    >>> MFCC(13)(np.zeros((1, 61, 40), "float32")).shape
    TensorShape([1, 61, 13])
    """

    def __init__(self, coefficients=20, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32", "autocast": False})
        self.coefficients = coefficients

    def build(self, input_shape):
        bands = input_shape[-1]
        if not 0 < self.coefficients <= bands:
            raise ValueError(
                "`coefficients` must be from 1 to the number of "
                f"bands. Received: coefficients={self.coefficients} with "
                f"{bands} bands"
            )
        place = np.arange(bands)[:, np.newaxis] + 0.5
        turn = np.pi / bands * np.arange(self.coefficients)
        cosines = np.cos(place * turn) * math.sqrt(2 / bands)
        cosines[:, 0] /= math.sqrt(2)
        self._matrix = (DECIBELS * cosines).astype("float32")

    def call(self, x):
        return ops.matmul(x, self._matrix)

    def follow_channels(self, follow, x):
        follow.cost(x.shape[1], self._matrix.size)
        return follow.flow((*x.shape[:-1], self.coefficients))


@keras.saving.register_keras_serializable(package="mmkeras")
class WhisperLogMel(LogMel):
    """The spectrogram that is the input of Whisper, always float32.

    Frames of 25 ms every 10 ms, centred by reflection; the decadic logarithm
    of the power, cut 80 dB below the loudest band, and scaled to about -1 to
    1. Equal to `keras_hub.layers.WhisperAudioConverter` on the same samples.

    Args:
        sample_rate_hz: int, samples a second; Whisper was trained at 16000.
        mel_bands: int, number of bands.

    Call arguments: samples, float32 `(batch, samples)` in [-1, 1].

    Output shape: `(batch, samples // hop, mel_bands)`.

    Source: Radford et al., "Robust Speech Recognition via Large-Scale Weak
    Supervision", 2022 (arXiv 2212.04356).

    Example:

    >>> WhisperLogMel()(np.zeros((1, 16000), "float32")).shape
    TensorShape([1, 100, 80])
    """

    def __init__(self, sample_rate_hz=16000, mel_bands=80, **kwargs):
        frame, hop = 2 * round(sample_rate_hz / 80), round(sample_rate_hz / 100)
        super().__init__(
            sample_rate_hz,
            frame,
            hop,
            mel_bands,
            low_hz=0.0,
            fft_length=frame,
            **kwargs,
        )

    def call(self, samples):
        half = self.frame_length // 2
        samples = ops.pad(samples, ((0, 0), (half, half)), mode="reflect")
        power = ops.maximum(self.power(samples)[:, :-1], 1e-10)
        x = ops.log(power) / math.log(10)
        loudest = ops.max(x, axis=(1, 2), keepdims=True)
        return ops.maximum(x, loudest - 8) / 4 + 1

    def compute_output_shape(self, samples_shape):
        batch, samples = samples_shape
        return (batch, samples // self.hop_length, self.mel_bands)
