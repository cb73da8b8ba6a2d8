"""Augmentation: eager and in tf.data alike, inside its bounds, stateless."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from data.data_toys import make_spec

from mmkeras.data import augmenter, settings_of
from mmkeras.kinds import Image
from mmkeras.spec import MODALITIES

SPEC = make_spec(modalities__audio__optional=True)
IMAGE = Image.part("augment")
RANDOM = np.random.default_rng(0)
INPUTS = {
    "image": tf.constant(RANDOM.integers(60, 200, (16, 8, 6, 1)), tf.uint8),
    "audio": tf.constant(RANDOM.normal(size=(16, 800)) * 0.05, tf.float32),
    "text": tf.constant(
        RANDOM.integers(2, 9, (16, 12)) * (np.arange(12) < 9), tf.int32
    ),
    "vector": tf.constant(RANDOM.normal(size=(16, 2)), tf.float32),
    "present": tf.constant([[1.0]] * 16),
}
EACH = [
    ("image", key, value)
    for key, value in {
        "translation": 0.2, "rotation_degrees": 45, "zoom": 0.3,
        "contrast": 0.5, "brightness": 0.3, "horizontal_flip": 1,
    }.items()
] + [
    ("audio", "shift_sec", 0.02),
    ("audio", "gain_db", 12),
    ("audio", "noise_snr_db", 10),
    ("text", "token_dropout", 0.5),
]  # fmt: skip


def augmented(settings, seed=1, inputs=INPUTS) -> dict:
    change = augmenter(SPEC, settings_of(SPEC, settings))
    return change(inputs, tf.constant(seed, tf.int64))


@pytest.mark.parametrize("name, key, value", EACH)
def test_each_key_changes_its_modality_and_no_other(name, key, value):
    found = augmented({name: {key: value}})
    for other in INPUTS:
        assert found[other].dtype == INPUTS[other].dtype
        assert found[other].shape == INPUTS[other].shape
        changed = not np.array_equal(found[other], INPUTS[other])
        assert changed == (other == name)
    rows = [
        np.array_equal(a, b)
        for a, b in zip(found[name], INPUTS[name], strict=True)
    ]
    assert sum(rows) < 14, "samples are drawn one by one"


@pytest.mark.parametrize("name, key, value", EACH)
def test_a_batch_follows_from_its_seed_eager_or_not(name, key, value):
    change = augmenter(SPEC, settings_of(SPEC, {name: {key: value}}))
    dataset = tf.data.Dataset.from_tensors(INPUTS).repeat(3)
    seeds = tf.data.Dataset.from_tensor_slices(tf.constant([1, 2, 1], "int64"))
    first, other, again = tf.data.Dataset.zip(dataset, seeds).map(change)
    eager = augmented({name: {key: value}})[name]
    assert np.array_equal(first[name], again[name])
    assert not np.array_equal(first[name], other[name])
    close = np.abs(np.asarray(first[name], float) - np.asarray(eager, float))
    assert close.max() <= (1 if name == "image" else 1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.RandomTranslation(0.2, 0.2, fill_mode="nearest"),
        keras.layers.RandomRotation(0.2, fill_mode="nearest"),
        keras.layers.RandomZoom(0.3, fill_mode="nearest"),
    ],
    ids=lambda layer: layer.name,
)
def test_a_picture_moves_as_the_keras_layer_moves_it(layer):
    # The layers' drawn values are no documented interface; this holds them.
    images = tf.cast(INPUTS["image"], tf.float32)
    seeds = [(3, 0), (3, 1)]
    drawn = layer.get_random_transformation(
        images, seed=IMAGE.seed_generator(iter(seeds))
    )
    expected = layer.transform_images(images, drawn)
    found = IMAGE.move(images, [layer], IMAGE.seed_generator(iter(seeds)))
    assert np.allclose(found, expected, atol=1e-3)


def test_several_moves_are_one_move_by_their_product():
    y, x = np.mgrid[-12:12, -16:16] / 4
    smooth = 200 * np.exp(-((x - 0.5) ** 2) - y**2)
    images = tf.constant(smooth[None, ..., None].repeat(8, 0), tf.float32)
    layers = [
        keras.layers.RandomTranslation(0.1, 0.1, fill_mode="nearest"),
        keras.layers.RandomRotation(0.2, fill_mode="nearest"),
        keras.layers.RandomZoom(0.2, fill_mode="nearest"),
    ]
    seeds = [(5, i) for i in range(9)]
    found = IMAGE.move(images, layers, IMAGE.seed_generator(iter(seeds)))
    generator = IMAGE.seed_generator(iter(seeds))
    drawn = [
        layer.get_random_transformation(images, seed=generator)
        for layer in layers
    ]
    expected = images
    for layer, one in zip(layers, drawn, strict=True):
        expected = layer.transform_images(expected, one)
    assert np.abs(found - images).max() > 50
    assert np.abs(found - expected).max() < 12


def test_a_shift_moves_sound_and_lets_silence_in():
    found = augmented({"audio": {"shift_sec": 0.02}})["audio"].numpy()
    steps = set()
    for before, after in zip(INPUTS["audio"].numpy(), found, strict=True):
        moves = [
            s
            for s in range(-160, 161, 8)
            if np.array_equal(
                after[max(s, 0) : 800 + min(s, 0)],
                before[max(-s, 0) : 800 - max(s, 0)],
            )
        ]
        (step,) = moves
        outside = after[:step] if step > 0 else after[800 + step :]
        assert not outside.any()
        steps.add(step)
    assert min(steps) < 0 < max(steps)


def test_gain_and_noise_keep_their_bounds():
    before = INPUTS["audio"].numpy()
    found = augmented({"audio": {"gain_db": 6}})["audio"].numpy()
    gains = 20 * np.log10(np.abs(found).max(1) / np.abs(before).max(1))
    assert (np.abs(gains) <= 6.01).all() and gains.min() < -2 < 2 < gains.max()
    found = augmented({"audio": {"noise_snr_db": 10}})["audio"].numpy()
    power = np.square(found - before).mean(1)
    ratios = 10 * np.log10(np.square(before).mean(1) / power)
    assert (ratios > 9.5).all() and (ratios < 30.5).all()


def test_token_dropout_drops_tokens_and_no_padding():
    found = augmented({"text": {"token_dropout": 0.5}})["text"].numpy()
    tokens = INPUTS["text"].numpy() > 0
    assert 0.3 < (found[tokens] == 1).mean() < 0.7
    assert not found[~tokens].any()


def test_what_is_absent_stays_zero():
    inputs = {
        **INPUTS,
        "audio": tf.zeros((16, 800)),
        "present": tf.zeros((16, 1)),
    }
    assert not augmented(True, inputs=inputs)["audio"].numpy().any()
    assert (
        not augmented(True, inputs={**INPUTS, "present": tf.zeros((16, 1))})[
            "audio"
        ]
        .numpy()
        .any()
    )


@pytest.mark.parametrize(
    "augment, names",
    [
        (True, ["audio", "image", "text"]),
        (False, []),
        ({}, []),
        ({"image": {"zoom": 0.1}}, ["image"]),
        ({"image": {"zoom": 0}, "vector": {}}, []),
    ],
)
def test_what_is_augmented(augment, names):
    found = settings_of(SPEC, augment)
    assert sorted(found) == names
    if augment and augment is not True:
        assert all(found[n].get("rotation_degrees") == 0 for n in found)


@pytest.mark.parametrize(
    "augment, message",
    [
        ("yes", "must be True, False or a dict"),
        ({"imag": {}}, "Did you mean `image`"),
        ({"image": 0.1}, "`augment.image` must be a dict.*translation"),
        ({"image": {"rotation": 5}}, "Did you mean `rotation_degrees`"),
        ({"image": {"zoom": 2}}, "from 0 to 0.9. Received: 2"),
        ({"audio": {"gain_db": "6"}}, "Received: '6'"),
        ({"audio": {"gain_db": float("nan")}}, "Received: nan"),
        ({"vector": {"noise": 1}}, "`augment.vector.noise`"),
    ],
)
def test_wrong_settings_are_one_message(augment, message):
    with pytest.raises(ValueError, match=message):
        settings_of(SPEC, augment)


def test_the_defaults_are_inside_their_bounds():
    for kind in MODALITIES.known.values():
        for change in kind.augmentations.values():
            assert change.takes(change.default), change
