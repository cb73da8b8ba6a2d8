"""A tower from another model: copied whole, or refused with the reasons."""

import keras
import numpy as np
import pytest
from training_toys import toy_model, toy_tower

from mmkeras.towers import audio_tower
from mmkeras.training import take_tower


def listener(samples, name="audio", **arguments):
    """A model of one audio tower, for sounds of so many samples."""
    tower = audio_tower(
        samples,
        4000,
        name,
        units=8,
        mel_bands=8,
        width=4,
        **(arguments or {"depth": 2}),
    )
    x = keras.Input((samples,), name=name)
    y = keras.layers.Dense(2, name="y")(tower(x)["vector"])
    return keras.Model({name: x}, {"y": y})


def test_a_tower_for_longer_sounds_gives_its_weights_to_a_shorter_one():
    source, model = listener(4000, "speech"), listener(2000)
    for weight in source.weights:
        weight.assign(weight + 0.1)
    head = model.get_layer("y").get_weights()
    take_tower(model, "audio", source, "speech")
    old, new = (
        m.get_layer(f"{n}_tower").get_weights()
        for m, n in ((source, "speech"), (model, "audio"))
    )
    assert len(new) > 4
    for a, b in zip(old, new, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(head, model.get_layer("y").get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    # Statistics of the batches are among them.
    assert any("moving_mean" in w.path for w in model.weights)
    # A sound that repeats sounds the same to both.
    sound = np.random.default_rng(0).normal(size=(1, 2000)) * 0.1
    sound = sound.astype("float32")
    heard = model.get_layer("audio_tower")(sound)["tokens"].shape[1]
    twice = np.concatenate([sound, sound], axis=1)
    assert source.get_layer("speech_tower")(twice)["tokens"].shape[1] > heard


def test_weights_that_differ_are_listed_side_by_side_and_nothing_is_copied():
    model = toy_model()
    x = keras.Input((3,), name="sound")
    source = keras.Model({"sound": x}, toy_tower("sound", 3)(x))
    before = model.get_weights()
    with pytest.raises(ValueError) as error:
        take_tower(model, "sound", source)
    assert len(str(error.value).splitlines()) == 2
    assert "kernel (4, 6) | dense" in str(error.value)
    assert "kernel (3, 6)" in str(error.value)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_that_are_missing_are_listed_too():
    deep, flat = listener(2000, variant="gru"), listener(2000)
    with pytest.raises(ValueError, match=r"\) \| nothing|nothing \| "):
        take_tower(deep, "audio", flat)


def test_a_source_without_the_tower_is_refused():
    with pytest.raises(ValueError, match="must have a layer `sound_tower`"):
        take_tower(toy_model(), "sound", listener(2000))
