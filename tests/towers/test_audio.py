"""The audio tower: log-mel against librosa, SpecAugment, contract, errors."""

import keras
import numpy as np
import pytest

from mmkeras.towers import audio_tower
from mmkeras.towers.logmel import LogMel, SpecAugment, mel_filterbank

TOY = dict(samples=2000, sample_rate_hz=8000, mel_bands=16, units=5, width=4)


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


@pytest.mark.parametrize("variant", ["cnn", "gru"])
def test_contract(variant):
    tower = audio_tower(**TOY, name="voice", variant=variant)
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


@pytest.mark.parametrize("variant", ["cnn", "gru"])
def test_saved_tower_reloads_equal(variant, tmp_path):
    tower = audio_tower(**TOY, variant=variant)
    tower.save(tmp_path / "tower.keras")
    loaded = keras.saving.load_model(tmp_path / "tower.keras")
    for key, value in tower(sound()).items():
        np.testing.assert_array_equal(loaded(sound())[key], value)


@pytest.mark.parametrize("variant", ["cnn", "gru"])
def test_mixed_precision_stays_finite(variant):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        tower = audio_tower(**TOY, variant=variant)
        # Clipping sound: its power is beyond the range of float16.
        out = tower(np.sign(sound()), training=True)
    finally:
        keras.config.set_dtype_policy("float32")
    logmel = tower.get_layer("audio_logmel")
    assert logmel.output.dtype == "float32"
    assert all(np.isfinite(np.asarray(v)).all() for v in out.values())


def test_learns_to_tell_two_tones():
    keras.utils.set_random_seed(0)
    time = np.arange(2000) / 8000
    y = np.arange(32) % 2
    noise = np.random.default_rng(0).normal(scale=0.1, size=(32, 2000))
    x = np.sin(2 * np.pi * np.array([[300], [420]])[y] * time) + noise
    tower = audio_tower(**TOY)
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
        ({"variant": "lstm"}, "`variant` must be one of.*variant='lstm'"),
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
    with pytest.raises(ValueError, match="`transform`.*'fft', 'matmul'"):
        LogMel(8000, 256, 128, transform="dct")
