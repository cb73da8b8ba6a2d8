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
        "contrast": 0.5, "brightness": 0.3, "horizontal_flip": 1, "crop": 0.5,
        "rand_augment": 0.8, "noise_std": 0.1,
    }.items()
] + [
    ("audio", "shift_sec", 0.02),
    ("audio", "gain_db", 12),
    ("audio", "noise_snr_db", 10),
    ("audio", "time_shift", 0.5),
    ("audio", "time_crop", 0.9),
    ("audio", "reverb_sec", 0.05),
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
    found = IMAGE.move(images, [layer], [drawn])
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
    generator = IMAGE.seed_generator(iter(seeds))
    drawn = [
        layer.get_random_transformation(images, seed=generator)
        for layer in layers
    ]
    found = IMAGE.move(images, layers, drawn)
    expected = images
    for layer, one in zip(layers, drawn, strict=True):
        expected = layer.transform_images(expected, one)
    assert np.abs(found - images).max() > 50
    assert np.abs(found - expected).max() < 12


def test_a_crop_is_a_part_of_the_picture_at_its_size():
    y, x = np.mgrid[:8, :6].astype(np.float32)
    ramps = tf.constant(np.stack([10 * x + 5, 20 * y + 5]), tf.uint8)
    inputs = {"image": tf.repeat(ramps[..., None], 30, axis=0)}
    found = augmented({"image": {"crop": 0.5}}, inputs=inputs)["image"]
    found = found.numpy()[..., 0].astype(float)
    assert found[:30].min() >= 5 and found[:30].max() <= 55
    widths = (found[:30, 0, -1] - found[:30, 0, 0]) / 50
    heights = (found[30:, -1, 0] - found[30:, 0, 0]) / 140
    for sizes in (widths, heights):
        assert 0.47 < sizes.min() < 0.6 and 0.85 < sizes.max() < 1.01
    # Anywhere, not about the middle.
    middles = found[:30, 0].mean(axis=1)
    assert middles.min() < 26 and middles.max() > 34


def test_colours_turn_and_fade_by_sample_and_grey_stays_grey():
    spec = make_spec(modalities__image__channels=3)
    colours = np.array([[200, 40, 40], [40, 160, 90], [120, 120, 120]])
    pixels = np.tile(colours[None, None].repeat(8, 1), (16, 1, 2, 1))
    inputs = {"image": tf.constant(pixels, tf.uint8)}

    def hsv(settings):
        settings = settings_of(spec, {"image": settings})
        found = augmenter(spec, settings)(inputs, tf.constant(1, tf.int64))
        unit = tf.cast(found["image"], tf.float32) / 255
        assert found["image"].shape == (16, 8, 6, 3)
        assert (np.ptp(unit.numpy()[:, :, 2], axis=-1) == 0).all()
        return tf.image.rgb_to_hsv(unit).numpy()[:, 0, 0]

    hue, saturation, value = hsv({"hue_degrees": 60}).T
    turned = 360 * ((hue + 0.5) % 1 - 0.5)
    assert -61 < turned.min() < -25 and 25 < turned.max() < 61
    assert np.abs(saturation - 0.8).max() < 0.02
    hue, saturation, value = hsv({"saturation": 0.2}).T
    assert 0.63 < saturation.min() < 0.72 and 0.88 < saturation.max() < 0.97
    assert np.abs(value - 200 / 255).max() < 0.01


@pytest.mark.parametrize("key", ["saturation", "hue_degrees"])
def test_grey_pictures_have_no_colour_to_change(key):
    with pytest.raises(ValueError, match=f"`{key}`.*channels=1"):
        augmented({"image": {key: 0.5}})


@pytest.mark.parametrize("channels", [1, 3])
def test_every_operation_of_rand_augment_follows_from_the_seed(channels):
    spec = make_spec(modalities__image__channels=channels)
    settings = {"image": {"rand_augment": 1}}
    change = augmenter(spec, settings_of(spec, settings))
    shape = (4, 8, 6, channels)
    inputs = {"image": tf.constant(RANDOM.integers(0, 256, shape), tf.uint8)}
    dataset = tf.data.Dataset.from_tensors(inputs).repeat(36)
    seeds = tf.data.Dataset.from_tensor_slices(
        tf.constant([*range(18)] * 2, tf.int64)
    )
    found = [
        one["image"].numpy()
        for one in tf.data.Dataset.zip(dataset, seeds).map(change)
    ]
    assert all(one.shape == shape for one in found)
    assert np.array_equal(found[:18], found[18:])
    # Nine or ten operations, two at a time: most batches differ.
    assert len({one.tobytes() for one in found[:18]}) >= 14


def test_noise_of_a_picture_has_a_deviation_up_to_its_bound():
    grey = {"image": tf.fill((16, 8, 6, 1), tf.constant(128, tf.uint8))}
    found = augmented({"image": {"noise_std": 0.1}}, inputs=grey)["image"]
    deviations = found.numpy().astype(float).std(axis=(1, 2, 3)) / 255
    assert deviations.min() < 0.03 and 0.07 < deviations.max() < 0.13


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


def test_a_sound_is_moved_by_a_part_of_its_duration():
    before = INPUTS["audio"].numpy()
    found = augmented({"audio": {"time_shift": 0.5}})["audio"].numpy()
    firsts = []
    for one, other in zip(before, found, strict=True):
        there = np.flatnonzero(other)
        first = there[0] if there[-1] == 799 else there[-1] - 799
        assert first % 8 == 0, "whole milliseconds"
        kept = one[max(-first, 0) : 800 - max(first, 0)]
        assert np.array_equal(other[max(first, 0) : 800 + min(first, 0)], kept)
        firsts.append(first)
    assert -400 <= min(firsts) < -200 and 200 < max(firsts) <= 400


def test_a_part_of_a_sound_comes_first_and_silence_after_it():
    before = INPUTS["audio"].numpy()
    found = augmented({"audio": {"time_crop": 0.5}})["audio"].numpy()
    left = []
    for one, other in zip(before, found, strict=True):
        size = np.flatnonzero(other)[-1] + 1
        starts = [
            s
            for s in range(0, 801 - size, 8)
            if np.array_equal(one[s : s + size], other[:size])
        ]
        assert len(starts) == 1 and not other[size:].any()
        left.append(1 - size / 800)
    assert 0 <= min(left) < 0.15 and 0.35 < max(left) <= 0.5


def test_an_echo_decays_and_keeps_the_loudness():
    click = np.zeros((16, 800), np.float32)
    click[:, 100] = 0.5
    inputs = {"audio": tf.constant(click), "present": INPUTS["present"]}
    found = augmented({"audio": {"reverb_sec": 0.05}}, inputs=inputs)["audio"]
    found = found.numpy()
    assert np.abs(found[:, :100]).max() < 1e-5
    power = np.square(found[:, 101:])
    early, late = power[:, :100].sum(1), power[:, 200:300].sum(1)
    assert np.median(late / early) < 0.01 and (power.sum(1) > 0).all()
    energy = np.square(found).sum(1) / np.square(click).sum(1)
    assert np.allclose(energy, 1, rtol=1e-3)


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
