"""The audio tower: log-mel against librosa, SpecAugment, contract, errors."""

import keras
import numpy as np
import pytest

from mmkeras.model import load_model
from mmkeras.towers import (
    MFCC,
    LogMel,
    SpecAugment,
    WhisperLogMel,
    audio_tower,
    load_backbone,
    mel_filterbank,
)

TOY = dict(samples=2000, sample_rate_hz=8000, units=5, width=4)
BANDS = dict(mel_bands=16)
ENCODER = dict(width=8, depth=1, heads=2)
VARIANTS = {
    "cnn": {},
    "cnn-mfcc": dict(features="mfcc", coefficients=7),
    "gru": {},
    "lstm": {},
    "lstm-one-way": dict(bidirectional=False),
    "resnet": dict(depth=2),
    "resnet-stride": dict(depth=2, stride=2),
    "wavenet": dict(depth=3, repeats=2),
    "wavenet-samples": dict(features="samples"),
    "whisper": ENCODER,
    "moonshine": ENCODER,
}
every_variant = pytest.mark.parametrize("case", VARIANTS)


def make(case, **more):
    given = dict(variant=case.split("-")[0], **VARIANTS[case])
    bands = {} if case == "moonshine" else BANDS
    return audio_tower(**{**TOY, **bands, **given, **more})


def sound(count=3, samples=2000, rate=8000):
    rng = np.random.default_rng(0)
    time = np.arange(samples) / rate
    tones = np.sin(2 * np.pi * rng.uniform(100, 3000, (count, 1)) * time)
    noise = rng.normal(scale=0.01, size=tones.shape)
    return (0.3 * tones + noise).astype("float32")


@pytest.mark.parametrize(
    "rate, fft_length, bands, low_hz, high_hz",
    [(8000, 512, 40, 0, 4000), (22050, 1024, 64, 20, 8000)],
)
def test_filterbank_equals_librosa(rate, fft_length, bands, low_hz, high_hz):
    librosa = pytest.importorskip("librosa")
    expected = librosa.filters.mel(
        sr=rate, n_fft=fft_length, n_mels=bands, fmin=low_hz, fmax=high_hz
    )
    got = mel_filterbank(rate, fft_length, bands, low_hz, high_hz)
    np.testing.assert_allclose(got.T, expected, atol=1e-7)


@pytest.mark.parametrize("transform", ["fft", "matmul"])
def test_logmel_equals_librosa(transform):
    librosa = pytest.importorskip("librosa")
    power = librosa.feature.melspectrogram(
        y=sound(),
        sr=8000,
        n_fft=256,
        hop_length=100,
        center=False,
        n_mels=20,
        fmin=20,
        fmax=3500,
    )
    layer = LogMel(8000, 256, 100, 20, 20, 3500, transform=transform)
    expected = np.log(power + 1e-6).transpose(0, 2, 1)
    np.testing.assert_allclose(layer(sound()), expected, atol=1e-4)
    assert layer.compute_output_shape((3, 2000)) == expected.shape


# A frame as long as the transform, and one that is padded to it.
@pytest.mark.parametrize("frame", [256, 200])
def test_matmul_equals_fft(frame):
    layer = LogMel(8000, frame, 80, 24)
    expected = layer(sound())
    layer.transform = "matmul"
    np.testing.assert_allclose(layer(sound()), expected, atol=1e-4)


def test_silence_is_finite():
    layer = LogMel(8000, 256, 128, 16)
    silence = layer(np.zeros((1, 512), "float32"))
    np.testing.assert_allclose(silence, np.log(1e-6), rtol=1e-6)


def test_spec_augment_does_nothing_outside_training():
    x = np.ones((2, 30, 20), "float32")
    np.testing.assert_array_equal(SpecAugment()(x, training=False), x)


@pytest.mark.parametrize(
    "arguments, axis, share",
    [
        # One stretch of 0 to 20 of 40 frames hides 10 on average.
        (dict(time_masks=1, time_fraction=0.5, mel_masks=0), 1, 0.25),
        (dict(mel_masks=1, mel_fraction=0.5, time_masks=0), 2, 0.25),
        (dict(time_masks=0, mel_masks=0), 1, 0.0),
        (dict(time_fraction=0.0, mel_fraction=0.0), 2, 0.0),
    ],
)
def test_spec_augment_hides_whole_stretches(arguments, axis, share):
    layer = SpecAugment(seed=1, **arguments)
    hidden = 1 - np.asarray(layer(np.ones((800, 40, 40), "f"), training=True))
    assert set(np.unique(hidden)) <= {0.0, 1.0}
    assert hidden.mean() == pytest.approx(share, abs=0.02)
    lines = hidden.mean(3 - axis)
    assert set(np.unique(lines)) <= {0.0, 1.0}
    assert lines.sum(1).max() <= 20
    # One stretch: it begins once at most. Each sample has its own.
    edges = np.diff(lines, prepend=0, axis=1)
    assert (edges > 0).sum(1).max() <= 1
    assert (len(np.unique(lines, axis=0)) > 100) == (share > 0)


def test_spec_augment_draws_anew_and_repeats_with_its_seed():
    x = np.ones((8, 40, 40), "float32")
    layer, twin = SpecAugment(seed=3), SpecAugment(seed=3)
    first, second = layer(x, training=True), layer(x, training=True)
    assert np.any(first != second)
    np.testing.assert_array_equal(first, twin(x, training=True))


@every_variant
def test_contract(case):
    tower = make(case, name="voice")
    assert tower.name == "voice_tower"
    assert [(i.name, i.dtype) for i in tower.inputs] == [("voice", "float32")]
    out = tower(sound())
    steps = out["tokens"].shape[1]
    assert {k: tuple(v.shape) for k, v in out.items()} == {
        "vector": (3, 5),
        "tokens": (3, steps, 5),
        "mask": (3, steps),
    }
    np.testing.assert_array_equal(out["mask"], np.ones((3, steps)))
    np.testing.assert_allclose(
        out["vector"], np.mean(out["tokens"], axis=1), atol=1e-5
    )


@every_variant
def test_saved_tower_reloads_equal(case, tmp_path):
    tower = make(case)
    tower.save(tmp_path / "tower.keras")
    loaded = load_model(tmp_path / "tower.keras")
    for key, value in tower(sound()).items():
        np.testing.assert_array_equal(loaded(sound())[key], value)


@every_variant
def test_mixed_precision_stays_finite(case):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        tower = make(case)
        # Clipping sound: its power is beyond the range of float16.
        out = tower(np.sign(sound()), training=True)
    finally:
        keras.config.set_dtype_policy("float32")
    spectra = [x for x in tower.layers if "logmel" in x.name]
    assert all(x.output.dtype == "float32" for x in spectra)
    assert all(np.isfinite(np.asarray(v)).all() for v in out.values())


@pytest.mark.parametrize("case", ["lstm-one-way", "wavenet", "wavenet-samples"])
def test_what_comes_later_changes_nothing(case):
    tower = make(case)
    x = sound()
    later = x.copy()
    later[:, 1300:] = 0.5
    before, after = tower(x)["tokens"], tower(later)["tokens"]
    # Tokens of whole hops, or of two of them, before the change.
    step = 2000 // before.shape[1]
    same = 1300 // step
    np.testing.assert_allclose(after[:, :same], before[:, :same], atol=1e-5)
    assert np.abs(after - before)[:, same + 1 :].min(-1).max() > 1e-4


def test_a_wavenet_reaches_as_far_back_as_it_says():
    """Two stacks of three layers, and the first convolution."""
    tower = make("wavenet", hop_ms=10.0, frame_ms=10.0)
    inside = keras.Model(
        tower.get_layer("audio_spec_augment").output,
        tower.get_layer("audio_wavenet_sum").output,
    )
    x = np.random.default_rng(0).normal(size=(1, 25, 16)).astype("float32")
    other = x.copy()
    other[:, 3] += 1.0
    changed = np.abs(inside(other) - inside(x)).max(-1)[0]
    assert np.flatnonzero(changed).tolist() == list(range(3, 3 + 2 + 2 * 7))


def test_a_wavenet_layer_is_the_formula():
    tower = make("wavenet", depth=1, repeats=1)
    inside = keras.Model(
        tower.get_layer("audio_wavenet_in").output,
        tower.get_layer("audio_wavenet_relu").output,
    )
    x = np.random.default_rng(0).normal(size=(2, 10, 4)).astype("float32")
    past = np.pad(x, ((0, 0), (1, 0), (0, 0)))[:, :-1]

    def part(name, *steps):
        kernel, bias = tower.get_layer(f"audio_wavenet_0_{name}").get_weights()
        return sum(s @ k for s, k in zip(steps, kernel)) + bias

    gate = 1 / (1 + np.exp(-part("gate", past, x)))
    gated = np.tanh(part("filter", past, x)) * gate
    wanted = np.maximum(part("skip", gated), 0)
    np.testing.assert_allclose(inside(x), wanted, atol=1e-5)


def test_mfcc_equals_librosa():
    """Loud noise: no band is so faint that librosa would cut it."""
    librosa = pytest.importorskip("librosa")
    loud = np.random.default_rng(0).normal(scale=0.3, size=(2, 2000))
    loud = loud.astype("float32")
    wanted = librosa.feature.mfcc(
        y=loud,
        sr=8000,
        n_mfcc=13,
        n_fft=256,
        hop_length=100,
        center=False,
        n_mels=20,
        fmin=20,
        fmax=3500,
    )
    mel = LogMel(8000, 256, 100, 20, 20, 3500, floor=1e-10)
    found = MFCC(13)(mel(loud))
    # Decibels: coefficients run to some hundred.
    np.testing.assert_allclose(found, wanted.transpose(0, 2, 1), atol=1e-3)


@pytest.mark.parametrize("count", [0, 21])
def test_mfcc_refuses_more_coefficients_than_bands(count):
    with pytest.raises(ValueError, match=f"coefficients={count} with 20 bands"):
        MFCC(count)(np.zeros((1, 3, 20), "float32"))


def test_whisper_features_equal_its_converter():
    from keras_hub.layers import WhisperAudioConverter

    x = sound(samples=16000, rate=16000)
    wanted = WhisperAudioConverter(max_audio_length=1)(x)
    layer = WhisperLogMel()
    assert layer.compute_output_shape((3, 16000)) == tuple(wanted.shape)
    np.testing.assert_allclose(layer(x), wanted, atol=1e-4)


def test_a_preset_of_whisper_reads_its_features(tmp_path):
    backbone = load_backbone(
        "WhisperBackbone",
        dict(
            vocabulary_size=3,
            num_layers=1,
            num_heads=2,
            hidden_dim=8,
            intermediate_dim=8,
            max_encoder_sequence_length=40,
        ),
    )
    backbone.save_to_preset(str(tmp_path))
    given = dict(variant="whisper", pretrained=str(tmp_path))
    tower = audio_tower(4000, 16000, **given)
    x = sound(samples=4000, rate=16000)
    wanted = backbone(
        {
            "encoder_features": np.asarray(WhisperLogMel()(x)),
            "decoder_token_ids": np.zeros((3, 2), "int32"),
            "decoder_padding_mask": np.ones((3, 2), "int32"),
        }
    )["encoder_sequence_output"]
    np.testing.assert_allclose(
        tower(x)["tokens"], tower.get_layer("audio_tokens")(wanted), atol=1e-5
    )
    with pytest.raises(ValueError, match="no more.*0.4 s.*samples=8000"):
        audio_tower(8000, 16000, **given)
    with pytest.raises(ValueError, match="must be 16000.*sample_rate_hz=8000"):
        audio_tower(4000, 8000, **given)


def test_a_preset_of_moonshine_reads_samples(tmp_path):
    backbone = load_backbone(
        "MoonshineBackbone",
        dict(
            vocabulary_size=3,
            filter_dim=8,
            hidden_dim=8,
            intermediate_dim=8,
            encoder_num_layers=2,
            decoder_num_layers=1,
            encoder_num_heads=2,
            decoder_num_heads=2,
        ),
    )
    backbone.save_to_preset(str(tmp_path))
    tower = audio_tower(
        4000, 16000, variant="moonshine", pretrained=str(tmp_path)
    )
    x = sound(samples=4000, rate=16000)
    wanted = backbone(
        {
            "encoder_input_values": x[:, :, np.newaxis],
            "encoder_padding_mask": np.ones((3, 4000), bool),
            "decoder_token_ids": np.zeros((3, 2), "int32"),
            "decoder_padding_mask": np.ones((3, 2), bool),
        }
    )["encoder_sequence_output"]
    np.testing.assert_allclose(
        tower(x)["tokens"], tower.get_layer("audio_tokens")(wanted), atol=1e-5
    )


def test_whisper_without_a_preset_has_its_sinusoids():
    """The middle of the width: the slowest sine, then the fastest cosine."""
    backbone = make("whisper").get_layer("backbone")
    layer = backbone.get_layer("encoder_position_embedding")
    place = np.asarray(layer.position_embeddings)
    step = np.arange(len(place))
    np.testing.assert_allclose(place[:, 0], np.sin(step), atol=1e-5)
    np.testing.assert_allclose(place[:, 3], np.sin(step / 10_000), atol=1e-5)
    np.testing.assert_allclose(place[:, 4], np.cos(step), atol=1e-5)
    assert not layer.trainable


def test_learns_to_tell_two_tones():
    keras.utils.set_random_seed(0)
    time = np.arange(2000) / 8000
    y = np.arange(32) % 2
    noise = np.random.default_rng(0).normal(scale=0.1, size=(32, 2000))
    x = np.sin(2 * np.pi * np.array([[300], [420]])[y] * time) + noise
    tower = audio_tower(**TOY, **BANDS)
    vector = tower(tower.inputs[0])["vector"]
    model = keras.Model(
        tower.inputs[0], keras.layers.Dense(2, "softmax")(vector)
    )
    model.compile(
        keras.optimizers.Adam(0.01),
        "sparse_categorical_crossentropy",
        jit_compile=False,
    )
    model.fit(x, y, epochs=15, batch_size=8, verbose=0)
    assert (model.predict(x, verbose=0).argmax(-1) == y).mean() == 1


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"variant": "rnn"}, "`variant` must be one of.*variant='rnn'"),
        ({"features": "fft"}, "`features` must be one of.*features='fft'"),
        ({"features": "samples"}, "`features` must be one of.*'samples'"),
        (
            {"features": "mfcc", "variant": "whisper"},
            "`features` needs.*wavenet.*features='mfcc' with variant='whisper'",
        ),
        ({"pretrained": "x"}, "`pretrained` needs.*whisper, moonshine"),
        (
            {"variant": "moonshine", "samples": 800, **ENCODER},
            "`samples` must be at least 895.*samples=800",
        ),
        (
            {"variant": "whisper", "width": 10},
            "`width` must be even, a multiple of `heads`.*width=10, heads=4",
        ),
        (
            {"variant": "moonshine", "width": 8},
            "`width` must be.*at least 16 for so many.*width=8, heads=4",
        ),
        ({"units": 0}, "`units` must be a positive integer.*units=0"),
        ({"frame_ms": 300.0}, "one frame fit into the 0.25 s.*frame_ms=300"),
        ({"hop_ms": 0.01}, "`hop_ms` must make at least one.*hop_ms=0.01"),
        ({"high_hz": 5000.0}, "half the sample rate.*high_hz=5000"),
        ({"mel_bands": 400}, "`mel_bands` must be so small.*mel_bands=400"),
        ({"time_fraction": 2.0}, "`time_fraction` must be from 0 to 1"),
    ],
)
def test_refuses(arguments, said):
    with pytest.raises(ValueError, match=said):
        audio_tower(**{**TOY, **arguments})


def test_refuses_an_unknown_transform():
    with pytest.raises(ValueError, match="`transform`.*fft, matmul"):
        LogMel(8000, 256, 128, transform="dct")
