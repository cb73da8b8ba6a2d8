"""The encoders of Whisper and of Moonshine, from keras_hub."""

import keras
import numpy as np
from keras import layers, ops

from mmkeras.towers.features import WhisperLogMel
from mmkeras.towers.hub import load_backbone
from mmkeras.towers.logmel import SpecAugment

# The rate that every preset of either was trained at.
SPEECH_HZ = 16_000
# Samples that Moonshine's three convolutions need for their first step.
MOONSHINE_SAMPLES = 895


def whisper(sound, rate, bands, width, depth, heads, augment, pretrained, name):
    """Reads samples by Whisper's encoder; `(batch, steps, width)`.

    A step is 20 ms. Without a preset the positions are the sinusoids that
    Whisper has, and stay frozen like them.
    """
    _check(rate, width, heads, 1, pretrained)
    frames = sound.shape[1] // round(rate / 100)
    config = dict(
        vocabulary_size=1,
        num_layers=depth,
        num_heads=heads,
        hidden_dim=width,
        intermediate_dim=4 * width,
        num_mels=bands,
        max_encoder_sequence_length=frames + 1,
        max_decoder_sequence_length=1,
    )
    hub = load_backbone("WhisperBackbone", config, pretrained)
    given, found = hub.input["encoder_features"], hub.output
    encoder = keras.Model(
        given, found["encoder_sequence_output"], name="backbone"
    )
    place = hub.get_layer("encoder_position_embedding").position_embeddings
    if (frames + 1) // 2 > place.shape[0]:
        raise ValueError(
            "Argument `samples` must be no more than the preset of Whisper "
            f"reads, {place.shape[0] / 50:g} s. Received: "
            f"samples={sound.shape[1]} at {rate} Hz"
        )
    if not pretrained:
        place.assign(_sinusoids(*place.shape))
    features = WhisperLogMel(rate, given.shape[-1], name=f"{name}_logmel")
    x = features(sound)
    if not pretrained:
        # What varies in them is small beside the positions.
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bands")(x)
    x = SpecAugment(*augment, name=f"{name}_spec_augment")(x)
    return _of_length(encoder, frames)(x)


def _of_length(encoder, frames):
    """Returns the encoder for so many frames, where any number would do."""
    given = keras.Input((frames, encoder.input.shape[-1]))
    fixed = keras.models.clone_model(encoder, given)
    fixed.set_weights(encoder.get_weights())
    return fixed


def moonshine(sound, rate, width, depth, heads, pretrained, name):
    """Reads samples by Moonshine's encoder; `(batch, steps, width)`.

    Three strided convolutions make a step of 24 ms at 16 kHz; then a
    transformer with rotary positions.

    Source: Jeffries et al., "Moonshine: Speech Recognition for Live
    Transcription and Voice Commands", 2024 (arXiv 2410.15608).
    """
    # Of fewer numbers of a head, keras_hub lets none turn.
    _check(rate, width, heads, 4, pretrained)
    if sound.shape[1] < MOONSHINE_SAMPLES:
        raise ValueError(
            f"Argument `samples` must be at least {MOONSHINE_SAMPLES} for "
            f"Moonshine. Received: samples={sound.shape[1]}"
        )
    config = dict(
        vocabulary_size=1,
        filter_dim=width,
        hidden_dim=width,
        intermediate_dim=4 * width,
        encoder_num_layers=depth,
        encoder_num_heads=heads,
        decoder_num_layers=0,
        decoder_num_heads=heads,
    )
    # Its layers do not add up in mixed precision.
    hub = load_backbone(
        "MoonshineBackbone", config, pretrained, dtype="float32"
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


def _check(rate, width, heads, least, pretrained):
    if pretrained and rate != SPEECH_HZ:
        raise ValueError(
            f"Argument `sample_rate_hz` must be {SPEECH_HZ} for a preset. "
            f"Received: sample_rate_hz={rate} with pretrained={pretrained!r}"
        )
    if pretrained:
        return
    if width < 4 or width % 2 or width % heads or width < least * heads:
        raise ValueError(
            "Argument `width` must be even, a multiple of `heads`, and at "
            f"least {max(4, least * heads)} for so many. Received: "
            f"width={width}, heads={heads}"
        )


def _sinusoids(steps, width):
    """Returns float32 `(steps, width)`: sines, then cosines."""
    slow = np.exp(-np.log(10_000) * np.arange(width // 2) / (width // 2 - 1))
    turn = np.arange(steps)[:, np.newaxis] * slow
    return np.concatenate([np.sin(turn), np.cos(turn)], 1).astype("float32")
