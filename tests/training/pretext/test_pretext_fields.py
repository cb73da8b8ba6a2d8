"""What is reconstructed of each kind of input."""

import keras
import numpy as np
import pytest
import zoo
from keras import ops

from mmkeras.spec import MODALITIES
from mmkeras.training.pretext import patches_of


def field(tower, kind, x):
    like = tower.inputs[0]
    given = keras.Input(like.shape[1:], dtype=like.dtype)
    facts = MODALITIES.known[kind].pretext()
    model = keras.Model(given, facts.field(tower, given))
    return [ops.convert_to_numpy(y) for y in model(x)]


def standard(x):
    axes = tuple(range(1, x.ndim))
    mean, std = x.mean(axes, keepdims=True), x.std(axes, keepdims=True)
    return (x - mean) / std


def test_pixels_are_brought_to_mean_zero_for_each_image():
    x = np.random.default_rng(0).integers(0, 99, (2, 16, 16, 3), "uint8")
    values, known = field(zoo.TOWERS["image-cnn"](), "image", x)
    assert values == pytest.approx(standard(x.astype("float32")), abs=1e-3)
    assert (known == 1).all()


def test_frames_of_a_clip_become_rows():
    tower = zoo.TOWERS["video-cnn3d"]()
    x = np.random.default_rng(0).integers(0, 99, (2, 4, 16, 16, 3), "uint8")
    values, _ = field(tower, "video", x)
    wanted = standard(x.astype("float32")).reshape(2, 4, -1)
    assert values == pytest.approx(wanted, abs=1e-3)


def test_sound_is_seen_through_the_towers_own_spectrogram():
    tower = zoo.TOWERS["audio-cnn"]()
    x = np.random.default_rng(0).normal(size=(2, 2000)).astype("float32")
    values, _ = field(tower, "audio", x)
    spectrum = ops.convert_to_numpy(tower.get_layer("audio_logmel")(x))
    assert values == pytest.approx(standard(spectrum), abs=1e-3)


def test_each_patch_of_sound_alone_is_made_even():
    even = {
        kind
        for kind, modality in MODALITIES.known.items()
        if modality.pretext().even_patches
    }
    assert even == {"audio"}
    x = np.random.default_rng(0).normal(2, 5, (2, 6, 4)).astype("float32")
    x[0, :2] = -13
    found = ops.convert_to_numpy(patches_of(x, (3,), even=True))
    patches = x.reshape(2, 3, 8)
    mean, std = patches.mean(-1, keepdims=True), patches.std(-1, keepdims=True)
    wanted = (patches - mean) / np.maximum(std, 1e-3)
    assert found == pytest.approx(wanted, abs=5e-3)
    assert (found[0, 0] == 0).all()
    other = ops.convert_to_numpy(patches_of(x, (3,)))
    assert np.array_equal(other, patches)


def test_a_tower_on_samples_gets_a_spectrum_of_each_token():
    tower = zoo.TOWERS["audio-wavenet-samples"]()
    tokens = tower.output["tokens"].shape[1]
    turn = 2 * np.pi * np.arange(2000) / 4000
    x = np.sin(np.stack([100 * turn, 1500 * turn])).astype("float32")
    values, _ = field(tower, "audio", x)
    assert values.shape[:2] == (2, tokens)
    low, high = values.argmax(-1)
    assert low.max() < high.min()


def test_a_series_is_normalised_as_the_tower_does():
    tower = zoo.series(variant="gru", mean=[1.0, 2, 3], std=[2.0, 1, 0.5])
    x = np.random.default_rng(0).normal(size=(2, 32, 3)).astype("float32")
    x[0, 4, 1] = np.nan
    values, known = field(tower, "series", x)
    wanted = np.nan_to_num((x - [1, 2, 3]) / [2, 1, 0.5])
    assert values == pytest.approx(wanted, abs=1e-4)
    assert known.sum() == known.size - 1
    assert known[0, 4, 1] == 0


def test_a_row_has_its_numbers_and_its_categories():
    tower = zoo.TOWERS["vector-categories"]()
    row = np.array([[3.0, np.nan, -1, 4, 1], [1, 1, 1, np.nan, 3]], "float32")
    values, known = (y[..., 0] for y in field(tower, "vector", row))
    # Numbers less 1, over 2; then 3 + 2 and 2 + 2 categories.
    assert values[:, :3].tolist() == [[1, 0, -1], [0, 0, 0]]
    assert values[:, 3:8].argmax(1).tolist() == [4, 0]
    assert values[:, 8:].argmax(1).tolist() == [1, 3]
    assert values[:, 3:].sum(1).tolist() == [2, 2]
    # Neither missing nor unknown is known.
    assert known[:, :3].tolist() == [[1, 0, 1], [1, 1, 1]]
    assert known[:, 3:8].tolist() == [[1] * 5, [0] * 5]
    assert known[:, 8:].tolist() == [[0] * 4, [1] * 4]
