"""Samples to a normalised log-mel spectrogram, as most audio towers begin."""

from dataclasses import dataclass

from keras import layers

from mmkeras.options import option
from mmkeras.towers.audio_features import MFCC
from mmkeras.towers.logmel import LogMel, SpecAugment
from mmkeras.towers.tower_options import TowerOptions
from mmkeras.values import COUNT, FROM_ZERO, POSITIVE, SHARE, one_of, or_none


@dataclass(frozen=True, kw_only=True)
class AudioOptions(TowerOptions):
    """Options of every audio tower.

    Args:
        dropout: Share of features dropped before the last layer.
    """

    dropout: float = option(0.3, SHARE)


@dataclass(frozen=True, kw_only=True)
class Spectrogram(AudioOptions):
    """Options of audio towers that read a log-mel spectrogram.

    Args:
        mel_bands: Bands of the spectrogram.
        frame_ms: Length of a frame.
        hop_ms: From one frame to the next.
        low_hz: Lower edge of the first band.
        high_hz: Upper edge of the last band. Defaults to 8000 Hz, or half the
            sample rate if that is less.
        time_fraction: Longest stretch of time that training hides, as a share
            of all frames; two for each sample.
        mel_fraction: The same for the bands.
        features: "logmel", or "mfcc": cepstral coefficients of it.
        coefficients: Cepstral coefficients of "mfcc".
    """

    mel_bands: int = option(64, COUNT, "bands")
    frame_ms: float = option(46.0, POSITIVE, "ms")
    hop_ms: float = option(23.0, POSITIVE, "ms")
    low_hz: float = option(20.0, FROM_ZERO, "Hz")
    high_hz: float | None = option(None, or_none(POSITIVE), "Hz")
    time_fraction: float = option(0.15, SHARE)
    mel_fraction: float = option(0.12, SHARE)
    features: str = option("logmel", one_of("logmel", "mfcc"))
    coefficients: int = option(20, COUNT)


def spectrogram(sound, sample_rate_hz, options, name, causal=False):
    """Applies the log-mel layer, and hides parts of its bands in training.

    Args:
        sound: Samples `(batch, samples)`.
        sample_rate_hz: Samples a second.
        options: A `Spectrogram`.
        name: Name of the modality.
        causal: Whether frames end where their hop ends.

    Returns:
        `(batch, frames, bands)`, each band normalised.
    """
    frame, hop = frame_and_hop(sound.shape[1], sample_rate_hz, options)
    high_hz = options.high_hz or min(8000.0, sample_rate_hz / 2)
    bands = options.mel_bands, options.low_hz, high_hz
    x = LogMel(
        sample_rate_hz, frame, hop, *bands, causal=causal, name=f"{name}_logmel"
    )(sound)
    if options.features == "mfcc":
        x = MFCC(options.coefficients, name=f"{name}_logmel_mfcc")(x)
    # Keras' momentum of 0.99 lags behind a training of a minute.
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bands")(x)
    return SpecAugment(
        options.time_fraction,
        options.mel_fraction,
        name=f"{name}_spec_augment",
    )(x)


def frame_and_hop(samples, sample_rate_hz, options):
    """Returns the samples of a frame, and from one frame to the next."""
    frame = round(options.frame_ms * sample_rate_hz / 1000)
    hop = round(options.hop_ms * sample_rate_hz / 1000)
    if not 0 < frame <= samples or hop < 1:
        raise ValueError(
            "Arguments `frame_ms` and `hop_ms` must make at least one sample "
            f"each, and one frame fit into the {samples / sample_rate_hz:g} s. "
            f"Received: frame_ms={options.frame_ms}, hop_ms={options.hop_ms}"
        )
    return frame, hop
