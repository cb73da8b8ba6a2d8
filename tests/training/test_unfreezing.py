"""Frozen really is frozen, and begins to learn when it is told to."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_toys import (
    BATCH,
    HEADS,
    SAMPLES,
    Kill,
    toy_arrays,
    toy_data,
    toy_model,
)

from mmkeras.training import ComponentPretrain, FullFineTune
from mmkeras.training.trainable import (
    epochs_of,
    freeze_weights,
    places,
    select,
    thaw_weights,
)


class Watch(keras.callbacks.Callback):
    """Keeps the weights after each epoch, as the optimizer left them."""

    def __init__(self, model):
        super().__init__()
        self.found = {p.path: p.weight for p in places(model)}
        self.epochs = [self.now()]

    def now(self):
        return {path: np.array(w) for path, w in self.found.items()}

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(self.now())

    def still(self, epoch):
        """Returns the paths of what this epoch, from 1, left as it was."""
        before, after = self.epochs[epoch - 1], self.epochs[epoch]
        return {p for p in before if np.array_equal(before[p], after[p])}


def watched(strategy, callbacks=()):
    model = toy_model()
    watch = Watch(model)
    strategy.fit(
        model, toy_data(), HEADS, callbacks=[watch, *callbacks], verbose=0
    )
    assert all(layer.trainable for layer in model._flatten_layers())
    return watch


def under(watch, *starts):
    return {path for path in watch.found if path.startswith(starts)}


@pytest.mark.parametrize("ema", [None, 0.9], ids=["last", "averaged"])
def test_frozen_weights_and_batch_statistics_keep_every_bit(ema, eagerly):
    strategy = FullFineTune(
        epochs=2, freeze=["sound_tower/*", "*_logits"], ema_momentum=ema
    )
    watch = watched(strategy)
    frozen = under(watch, "sound_tower/", "digit_logits/")
    assert len(frozen) == 8
    assert watch.still(1) == frozen
    assert watch.still(2) == frozen


def test_a_pattern_of_weights_freezes_their_layer(eagerly):
    """A batch normalization without gamma would still move its statistics."""
    watch = watched(FullFineTune(epochs=1, freeze=["view_tower/*/gamma"]))
    still = {path.split("/")[2] for path in watch.still(1)}
    assert still == {"gamma", "beta", "moving_mean", "moving_variance"}


def test_a_layer_with_layers_inside_keeps_only_its_own_weights(eagerly):
    watch = watched(FullFineTune(epochs=1, freeze=["fusion/*_standin"]))
    assert watch.still(1) == {"fusion/sound_standin", "fusion/view_standin"}


def test_layers_begin_to_learn_at_the_start_of_their_epoch():
    """Compiled: what `fit` has traced once must not stay."""
    strategy = FullFineTune(
        epochs=3,
        freeze=["sound_tower/*"],
        unfreeze={"3": ["sound_tower/*"], 2: ["view_tower/*"]},
        ema_momentum=0.9,
    )
    watch = watched(strategy)
    sound, view = under(watch, "sound_tower/"), under(watch, "view_tower/")
    assert watch.still(1) == sound | view
    assert watch.still(2) == sound
    assert watch.still(3) == set()


class Slots(keras.callbacks.Callback):
    """Keeps what the optimizer remembers around the start of epoch 2."""

    def __init__(self):
        super().__init__()
        self.found = []

    def look(self):
        found = self.model.optimizer.variables
        self.found.append([np.array(variable) for variable in found])

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            self.look()

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0 and self.found:
            self.look()


def test_until_then_all_goes_on_as_if_it_were_never_to_be(eagerly):
    """And then, what learned before keeps its moments."""
    plain = watched(FullFineTune(epochs=2, freeze=["sound_tower/*"]))
    slots = Slots()
    strategy = FullFineTune(epochs=2, unfreeze={2: ["sound_tower/*"]})
    late = watched(strategy, [slots])
    for one, other in zip(
        plain.epochs[1].values(), late.epochs[1].values(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    before, after = slots.found
    assert sum(np.abs(value).max() > 0 for value in before) > 20
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_epochs_count_within_each_stage_and_freezing_holds_in_all(eagerly):
    strategy = ComponentPretrain(
        tower_epochs=2,
        fusion_epochs=1,
        epochs=2,
        freeze=["fusion"],
        unfreeze={2: ["*/dense*"]},
    )
    watch = watched(strategy)
    dense = {p for p in watch.found if "tower/dense" in p}
    # Two epochs of each tower, one of the fusion, two of everything.
    assert [len(dense & watch.still(epoch)) for epoch in range(1, 8)] == [
        *(4, 2, 4, 2),
        4,
        *(4, 0),
    ]
    for epoch in range(1, 8):
        assert under(watch, "fusion/") <= watch.still(epoch) | {
            p for p in watch.found if "fusion/dense" in p
        }


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"freeze": ["sond_tower/*"]}, "`freeze`.*Near: sound_tower"),
        ({"freeze": "sound_tower/*"}, "`freeze` must be a list of patterns"),
        ({"freeze": ["*"]}, "must leave weights that learn"),
        ({"unfreeze": {2: ["*"]}}, "must leave weights that learn from the"),
        ({"unfreeze": {2: ["nothing"]}}, "`unfreeze.2` must match a weight"),
        ({"unfreeze": {3: ["fusion"]}}, "3, where the longest stage has 2"),
        ({"unfreeze": {0: ["*"]}}, "`unfreeze` must be a table from an epoch"),
        ({"unfreeze": {"first": ["*"]}}, "`unfreeze` must be a table"),
        ({"unfreeze": {2: []}}, "`unfreeze` must be a table"),
        (
            {
                "freeze": ["sound_tower/*/kernel"],
                "unfreeze": {2: ["sound_tower/*/bias"]},
            },
            "`unfreeze.2` must not match a layer of which `freeze` keeps",
        ),
        (
            {
                "unfreeze": {
                    1: ["sound_tower/*/kernel"],
                    2: ["sound_tower/*/bias"],
                },
            },
            "`unfreeze` must unfreeze a whole layer at one epoch.*bias at 2",
        ),
    ],
)
def test_patterns_that_cannot_be_meant_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        FullFineTune(epochs=2, **settings).fit(
            toy_model(), toy_data(), HEADS, verbose=0
        )


def test_what_the_model_has_at_rest_cannot_be_unfrozen():
    model = toy_model()
    model.get_layer("sound_tower").trainable = False
    with pytest.raises(ValueError, match="frozen in the model itself"):
        FullFineTune(epochs=2, unfreeze={2: ["sound_tower"]}).fit(
            model, toy_data(), HEADS, verbose=0
        )


def test_thaw_gives_back_what_freeze_took():
    model = toy_model()
    model.get_layer("view_tower").trainable = False
    before = [w.path for w in model.trainable_weights]
    stopped = freeze_weights(
        select(places(model), ["*_tower", "fusion"], "freeze")
    )
    assert len(model.trainable_weights) == 4
    thaw_weights(stopped)
    assert [w.path for w in model.trainable_weights] == before


def test_epochs_of_a_recipe_are_numbers():
    patterns = {"10": ["b"], 2: ["a"], "2": ["c"]}
    assert epochs_of(patterns) == {2: ["a", "c"], 10: ["b"]}


RESUMED = {
    "tuned": FullFineTune(
        epochs=4,
        freeze=["view_tower/*"],
        unfreeze={2: ["fusion"], "4": ["view_tower/*"]},
        learning_rates={"*_tower": 0.5},
        layer_decay=0.8,
        weight_decay_groups={"fusion": 0.1},
        ema_momentum=0.9,
        accumulate_steps=3,
        lora_rank=2,
    ),
    "blended": FullFineTune(epochs=2, blend=True, blend_epochs=1),
}


@pytest.mark.parametrize(
    "name", ["tuned", pytest.param("blended", marks=pytest.mark.slow)]
)
def test_a_training_that_was_killed_ends_with_the_same_bits(
    name, tmp_path, eagerly
):
    def fit(place, callbacks=()):
        model = toy_model(seed=1)
        samples = tf.data.Dataset.from_tensor_slices(toy_arrays())
        train = samples.shuffle(SAMPLES, seed=5).batch(BATCH)
        strategy = replace(RESUMED[name], tensorboard=False, checkpoints=1)
        history = strategy.fit(
            model,
            toy_data(train=train),
            HEADS,
            out=tmp_path / place,
            callbacks=callbacks,
            verbose=0,
            resume=True,
        )
        return model.get_weights(), history.history

    whole, history = fit("whole")
    with pytest.raises(KeyboardInterrupt):
        fit("killed", [Kill(6)])
    again, found = fit("killed")
    assert found["loss"] == history["loss"]
    for one, other in zip(whole, again, strict=True):
        np.testing.assert_array_equal(one, other)
