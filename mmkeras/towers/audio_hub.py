"""The encoders of Whisper and of Moonshine, from keras_hub."""

import dataclasses
from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops

from mmkeras.options import option
from mmkeras.towers.audio_features import WhisperLogMel
from mmkeras.towers.hub import load_backbone
from mmkeras.towers.logmel import SpecAugment
from mmkeras.towers.spectrogram import AudioOptions
from mmkeras.values import COUNT, PATH, SHARE, or_none

# The rate that every preset of either was trained at.
SPEECH_HZ = 16_000
# Samples that Moonshine's three convolutions need for their first step.
MOONSHINE_SAMPLES = 895
# Least width of a head of Moonshine: keras_hub applies rotary positions to a
# share of it, which of fewer is none.
MOONSHINE_TURNS = 4


@dataclass(frozen=True, kw_only=True)
class AudioEncoder(AudioOptions):
    """Options of an encoder of speech of keras_hub.

    Args:
        width: Width of an encoder without a preset.
        depth: Blocks of an encoder without a preset.
        heads: Attention heads of an encoder without a preset.
        pretrained: Name or local folder of a keras_hub preset; sound is then
            of 16000 Hz.
    """

    width: int = option(128, COUNT, role="width")
    depth: int = option(4, COUNT)
    heads: int = option(4, COUNT, role="parts")
    pretrained: str | None = option(None, or_none(PATH), role="preset")


@dataclass(frozen=True, kw_only=True)
class AudioWhisper(AudioEncoder):
    """Options of Whisper's encoder.

    Args:
        mel_bands: Bands of the spectrogram of an encoder without a preset.
        time_fraction: Longest stretch of time that training hides, as a share
            of all frames; two for each sample.
        mel_fraction: The same for the bands.
    """

    mel_bands: int = option(64, COUNT, "bands")
    time_fraction: float = option(0.15, SHARE)
    mel_fraction: float = option(0.12, SHARE)


@dataclass(frozen=True, kw_only=True)
class AudioMoonshine(AudioEncoder):
    """Options of Moonshine's encoder."""

    def narrower(self, scale):
        found = super().narrower(scale)
        most = found.width // MOONSHINE_TURNS
        return dataclasses.replace(found, heads=min(found.heads, most))


def whisper(sound, rate, options, name):
    """Reads samples by Whisper's encoder; `(batch, steps, width)`.

    A step is 20 ms. Without a preset the positions are the sinusoids that
    Whisper has, and stay frozen like them.
    """
    _check(rate, options, 1)
    pretrained = options.pretrained
    frames = sound.shape[1] // round(rate / 100)
    config = dict(
        vocabulary_size=1,
        num_layers=options.depth,
        num_heads=options.heads,
        hidden_dim=options.width,
        intermediate_dim=4 * options.width,
        num_mels=options.mel_bands,
        max_encoder_sequence_length=frames + 1,
        max_decoder_sequence_length=1,
    )
    hub = load_backbone("WhisperBackbone", config, pretrained)
    features_in, found = hub.input["encoder_features"], hub.output
    encoder = keras.Model(
        features_in, found["encoder_sequence_output"], name="backbone"
    )
    place = hub.get_layer("encoder_position_embedding").position_embeddings
    if (frames + 1) // 2 > place.shape[0]:
        raise ValueError(
            "`samples` must be no more than the preset of Whisper "
            f"reads, {place.shape[0] / 50:g} s. Received: "
            f"samples={sound.shape[1]} at {rate} Hz"
        )
    if not pretrained:
        place.assign(_sinusoids(*place.shape))
    features = WhisperLogMel(rate, features_in.shape[-1], name=f"{name}_logmel")
    x = features(sound)
    if not pretrained:
        # What varies in them is small beside the positions.
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bands")(x)
    hidden = options.time_fraction, options.mel_fraction
    x = SpecAugment(*hidden, name=f"{name}_spec_augment")(x)
    return _of_length(encoder, frames)(x)


def _of_length(encoder, frames):
    """Returns the encoder for so many frames, where any number would do."""
    features_in = keras.Input((frames, encoder.input.shape[-1]))
    fixed = keras.models.clone_model(encoder, features_in)
    fixed.set_weights(encoder.get_weights())
    return fixed


def moonshine(sound, rate, options, name):
    """Reads samples by Moonshine's encoder; `(batch, steps, width)`.

    Three strided convolutions make a step of 24 ms at 16 kHz; then a
    transformer with rotary positions.

    Source: Jeffries et al., "Moonshine: Speech Recognition for Live
    Transcription and Voice Commands", 2024 (arXiv 2410.15608).
    """
    _check(rate, options, MOONSHINE_TURNS)
    if sound.shape[1] < MOONSHINE_SAMPLES:
        raise ValueError(
            f"`samples` must be at least {MOONSHINE_SAMPLES} for "
            f"Moonshine. Received: samples={sound.shape[1]}"
        )
    config = dict(
        vocabulary_size=1,
        filter_dim=options.width,
        hidden_dim=options.width,
        intermediate_dim=4 * options.width,
        encoder_num_layers=options.depth,
        encoder_num_heads=options.heads,
        decoder_num_layers=0,
        decoder_num_heads=options.heads,
    )
    # Its layers do not add up in mixed precision.
    hub = load_backbone(
        "MoonshineBackbone", config, options.pretrained, dtype="float32"
    )
    # The layers one by one: the backbone itself wants a mask of the samples,
    # whose -1e9 would flatten int8 scores, and a stretch has no padding.
    x = ops.expand_dims(sound, -1)
    for layer in ("conv1", "tanh_after_conv1", "group_norm", "conv2"):
        x = hub.get_layer(layer)(x)
    for layer in ("gelu_after_conv2", "conv3", "gelu_after_conv3"):
        x = hub.get_layer(layer)(x)
    turns = hub.get_layer("encoder_positions")(x)
    turns = hub.get_layer("encoder_rotary_embedding")(turns)
    x = hub.get_layer("encoder_dropout")(x)
    for layer in hub.layers:
        if layer.name.startswith("encoder_block_"):
            x = layer(x, turns)
    return hub.get_layer("encoder_final_layer_norm")(x)


def _check(rate, options, least):
    width, heads = options.width, options.heads
    pretrained = options.pretrained
    if pretrained and rate != SPEECH_HZ:
        raise ValueError(
            f"`sample_rate_hz` must be {SPEECH_HZ} for a preset. "
            f"Received: sample_rate_hz={rate} with pretrained={pretrained!r}"
        )
    if pretrained:
        return
    if width < 4 or width % 2 or width % heads or width < least * heads:
        raise ValueError(
            "`width` must be even, a multiple of `heads`, and at "
            f"least {max(4, least * heads)} for so many. Received: "
            f"width={width}, heads={heads}"
        )


def _sinusoids(steps, width):
    """Returns float32 `(steps, width)`: sines, then cosines."""
    slow = np.exp(-np.log(10_000) * np.arange(width // 2) / (width // 2 - 1))
    turn = np.arange(steps)[:, np.newaxis] * slow
    return np.concatenate([np.sin(turn), np.cos(turn)], 1).astype("float32")
