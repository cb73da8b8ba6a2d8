"""Audio towers: raw samples in, one vector and one row per stretch of time out.

The log-mel spectrogram is a layer, so that training and the device share it.
"""

import keras
from keras import layers, ops

from mmkeras.towers import audio_blocks as blocks
from mmkeras.towers.audio_hub import moonshine, whisper
from mmkeras.towers.checks import check_choice, check_sizes
from mmkeras.towers.features import MFCC
from mmkeras.towers.finish import finish_tower
from mmkeras.towers.logmel import LogMel, SpecAugment
from mmkeras.towers.wavenet import wavenet

VARIANTS = ("cnn", "gru", "lstm", "resnet", "wavenet", "whisper", "moonshine")
HUB_VARIANTS = ("whisper", "moonshine")
FEATURES = ("logmel", "mfcc", "samples")


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
    features: str = "logmel",
    coefficients: int = 20,
    heads: int = 4,
    stride: int = 1,
    pretrained: str | None = None,
) -> keras.Model:
    """Builds a tower that reads one stretch of sound.

    The log-mel spectrogram and its normalisation (a batch normalisation of
    each band: no statistics are needed) are layers inside. The vector is the
    mean of the tokens, one for each step that is left of time.

    | variant | good for |
    | --- | --- |
    | `"cnn"` | the first to try; small and fast in int8 |
    | `"gru"`, `"lstm"` | order over seconds; one-way ones can stream |
    | `"resnet"` | patterns that move in frequency; more time to compute |
    | `"wavenet"` | fine timing; looks back only; raw samples if you like |
    | `"whisper"`, `"moonshine"` | speech, with a preset |

    Args:
        samples: Samples of a stretch.
        sample_rate_hz: Samples a second.
        name: Name of the modality, and of the input.
        variant: `"cnn"` (stages of convolutions along time with batch
            normalisation and ReLU; each halves the frames of the one before,
            the second half of them is twice as wide), `"gru"` or `"lstm"`
            (one such stage, halved frames, a recurrent layer), `"resnet"`
            (over time and frequency), `"wavenet"` (gated dilated causal
            convolutions), or the encoder `"whisper"` or `"moonshine"` of
            keras_hub.
        units: Width of the vector and of the tokens.
        mel_bands: Bands of the spectrogram. A preset has its own.
        frame_ms: Milliseconds of a frame.
        hop_ms: Milliseconds from one frame to the next.
        low_hz: Lower edge of the first band.
        high_hz: Upper edge of the last band. Defaults to 8000 Hz, or half the
            sample rate if that is less.
        width: Filters of the first stage (a quarter of them for a
            `"resnet"`), units of each direction, width of an encoder without
            a preset.
        depth: Stages of a `"cnn"` or a `"resnet"`; layers of a stack of a
            `"wavenet"`; blocks of an encoder without a preset.
        repeats: Convolutions of a stage; blocks of a stage of a `"resnet"`;
            stacks of a `"wavenet"`.
        dropout: Share of features dropped before the last layer.
        time_fraction: Longest stretch of time that training hides, as a share
            of all frames; two for each sample.
        mel_fraction: The same for the bands.
        bidirectional: Whether the GRU or LSTM reads in both directions. If
            not, the whole tower looks back only: frames end where their hop
            ends and convolutions are causal, so that it can be streamed.
        features: `"logmel"`, `"mfcc"` (cepstral coefficients of it), or for a
            `"wavenet"` also `"samples"`: the tokens are then means over
            `hop_ms`. The encoders have features of their own.
        coefficients: Cepstral coefficients of `"mfcc"`.
        heads: Attention heads of an encoder without a preset.
        stride: Frames and bands from one step to the next of a `"resnet"`'s
            first convolution; 2 makes it about four times as fast.
        pretrained: Name or local folder of a keras_hub preset of the encoder;
            sound is then of 16000 Hz.

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
    check_choice("features", features, FEATURES)
    check_sizes(samples=samples, units=units, mel_bands=mel_bands, heads=heads)
    check_sizes(width=width, depth=depth, repeats=repeats, stride=stride)
    _check_source(variant, features, pretrained)
    frame, hop = _frame_and_hop(samples, sample_rate_hz, frame_ms, hop_ms)
    sound = keras.Input((samples,), dtype="float32", name=name)

    size = width, depth
    augment = time_fraction, mel_fraction
    one_way = variant in ("gru", "lstm") and not bidirectional
    if variant == "whisper":
        encoder = *size, heads, augment, pretrained, name
        x = whisper(sound, sample_rate_hz, mel_bands, *encoder)
    elif variant == "moonshine":
        x = moonshine(sound, sample_rate_hz, *size, heads, pretrained, name)
    elif features == "samples":
        x = wavenet(ops.expand_dims(sound, -1), *size, repeats, name)
        x = layers.AveragePooling1D(hop, name=f"{name}_pool")(x)
    else:
        high_hz = high_hz or min(8000.0, sample_rate_hz / 2)
        bands = sample_rate_hz, frame, hop, mel_bands, low_hz, high_hz
        causal = one_way or variant == "wavenet"
        x = LogMel(*bands, causal=causal, name=f"{name}_logmel")(sound)
        if features == "mfcc":
            x = MFCC(coefficients, name=f"{name}_logmel_mfcc")(x)
        x = _read(
            _even(x, augment, name),
            variant,
            size,
            repeats,
            stride,
            one_way,
            name,
        )

    return finish_tower(sound, x, units, dropout, name)


def _even(x, augment, name):
    """Normalises each band, and hides parts of it in training."""
    # Keras' momentum of 0.99 lags behind a training of a minute.
    x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bands")(x)
    return SpecAugment(*augment, name=f"{name}_spec_augment")(x)


def _read(x, variant, size, repeats, stride, one_way, name):
    if variant == "cnn":
        return blocks.convolutions(x, *size, repeats, name)
    if variant == "resnet":
        return blocks.residual(x, *size, repeats, stride, name)
    if variant == "wavenet":
        return wavenet(x, *size, repeats, name)
    return blocks.recurrence(x, variant, size[0], repeats, not one_way, name)


def _check_source(variant, features, pretrained):
    if pretrained and variant not in HUB_VARIANTS:
        raise ValueError(
            "Argument `pretrained` needs a variant with presets. Received: "
            f"pretrained={pretrained!r} with variant={variant!r}. Choices: "
            f"{', '.join(HUB_VARIANTS)}"
        )
    own = features == "logmel" or variant not in HUB_VARIANTS
    if not own or features == "samples" and variant != "wavenet":
        raise ValueError(
            "Argument `features` must be one that the variant reads: "
            "'samples' is for 'wavenet', and 'whisper' and 'moonshine' have "
            f"features of their own. Received: features={features!r} with "
            f"variant={variant!r}"
        )


def _frame_and_hop(samples, sample_rate_hz, frame_ms, hop_ms):
    frame = round(frame_ms * sample_rate_hz / 1000)
    hop = round(hop_ms * sample_rate_hz / 1000)
    if not 0 < frame <= samples or hop < 1:
        raise ValueError(
            "Arguments `frame_ms` and `hop_ms` must make at least one sample "
            f"each, and one frame fit into the {samples / sample_rate_hz:g} s. "
            f"Received: frame_ms={frame_ms}, hop_ms={hop_ms}"
        )
    return frame, hop
