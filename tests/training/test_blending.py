"""Gradient blending: a modality that memorises counts less."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_toys import toy_arrays, toy_data, toy_model

from mmkeras.fusion import Concat
from mmkeras.heads import Category
from mmkeras.training import FullFineTune
from mmkeras.training.strategies import (
    blended_model,
    mean_loss,
    weights_of_losses,
    with_copies,
)
from mmkeras.training.trainable import tower_model, tower_of

HEADS = {"side": Category(2)}


def test_the_weights_are_gain_by_squared_overfitting():
    found = weights_of_losses(
        {
            "audio": ((2.0, 2.1), (0.5, 1.5)),
            "image": ((2.0, 2.0), (1.2, 1.4)),
            "fused": ((2.0, 2.0), (0.4, 1.0)),
        }
    )
    values = [0.6 / 0.9**2, 0.6 / 0.2**2, 1.0 / 0.6**2]
    expected = np.array(values) / sum(values)
    assert list(found) == ["audio", "image", "fused"]
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-9)


@pytest.mark.parametrize(
    "image, fused, expected",
    [
        # It only gets worse: the least weight.
        (((1.0, 1.0), (0.1, 1.5)), ((1.0, 1.0), (0.5, 0.6)), 0.02 / 1.02),
        # No overfitting at all counts as a twentieth of the first loss.
        (
            ((1.0, 1.0), (0.5, 0.4)),
            ((1.0, 1.0), (0.5, 0.6)),
            0.6 / 0.05**2 / (0.6 / 0.05**2 + 0.4 / 0.1**2),
        ),
        # Nothing generalises: all the same.
        (((1.0, 1.0), (0.5, 1.2)), ((1.0, 1.0), (0.5, 1.1)), 0.5),
    ],
)
def test_weights_at_the_edges(image, fused, expected):
    found = weights_of_losses({"image": image, "fused": fused})
    assert found["image"] == pytest.approx(expected)
    assert sum(found.values()) == pytest.approx(1.0)


def test_the_mean_loss_is_over_samples_that_count():
    x, y, w = toy_arrays()
    model = toy_model()
    heads = {"digit": Category(3, weight=0.5)}
    model = keras.Model(model.input, {"digit": model.output["digit"]})
    chosen = np.asarray(model(x)["digit"])[np.arange(24), y["digit"]]
    there = w["digit"]
    expected = 0.5 * np.sum(-np.log(chosen) * there) / there.sum()
    batches = tf.data.Dataset.from_tensor_slices((x, y, w)).batch(7)
    assert mean_loss(model, batches, heads) == pytest.approx(expected, 1e-5)
    plain = tf.data.Dataset.from_tensor_slices((x, y)).batch(7)
    expected = 0.5 * np.mean(-np.log(chosen))
    assert mean_loss(model, plain, heads) == pytest.approx(expected, 1e-5)


def test_the_blended_model_runs_each_tower_once_and_answers_the_same():
    model = toy_model()
    heads = {"digit": Category(3, weight=2.0)}
    calls = len(tower_of(model, "sound")._inbound_nodes)
    blended, every = blended_model(
        model, heads, {"sound": 0.2, "view": 0.3, "fused": 0.5}
    )
    assert len(tower_of(model, "sound")._inbound_nodes) == calls
    assert {name: head.weight for name, head in every.items()} == {
        "digit": 1.0,
        "digit_from_sound": 0.4,
        "digit_from_view": 0.6,
    }
    x = toy_arrays()[0]
    np.testing.assert_array_equal(blended(x)["digit"], model(x)["digit"])
    shared = {id(weight) for weight in model.weights}
    assert shared < {id(weight) for weight in blended.weights}


@pytest.mark.parametrize("kind", ["tf.data", "PyDataset"])
def test_a_sample_without_a_modality_does_not_count_for_its_head(kind):
    x, y, w = toy_arrays()
    data = tf.data.Dataset.from_tensor_slices((x, y, w)).batch(24)
    if kind == "PyDataset":

        class Batches(keras.utils.PyDataset):
            def __len__(self):
                return 1

            def __getitem__(self, index):
                return x, y, w

        data = Batches()
    given = {name: values.copy() for name, values in w.items()}
    copied = with_copies(data, {"digit": None}, ["sound", "view"], {"sound": 0})
    batch = copied[0] if kind == "PyDataset" else next(iter(copied))
    _, labels, weights = batch
    w = given
    assert sorted(weights) == [
        *("digit", "digit_from_sound", "digit_from_view"),
        "size",
    ]
    np.testing.assert_array_equal(labels["digit_from_view"], y["digit"])
    np.testing.assert_array_equal(
        weights["digit_from_sound"], w["digit"] * x["present"][:, 0]
    )
    np.testing.assert_array_equal(weights["digit_from_view"], w["digit"])
    np.testing.assert_array_equal(weights["digit"], w["digit"])


def test_data_without_weights_get_them_where_a_modality_may_lack():
    x, y, _ = toy_arrays()
    data = tf.data.Dataset.from_tensor_slices((x, y)).batch(24)
    heads = {"digit": None, "size": None}
    batch = next(iter(with_copies(data, heads, ["view"], {"view": 1})))
    np.testing.assert_array_equal(batch[2]["digit"], np.ones(24))
    np.testing.assert_array_equal(
        batch[2]["size_from_view"], x["present"][:, 1]
    )
    assert len(next(iter(with_copies(data, heads, ["view"], {})))) == 2


def noisy_model():
    """`sound` says the class; `view` is noise, wide enough to memorise."""
    keras.utils.set_random_seed(0)
    features, inputs = {}, {}
    for name, size in (("sound", 4), ("view", 60)):
        x = keras.Input((size,), name=name)
        y = keras.layers.Dense(24, activation="relu")(x)
        tokens = keras.layers.Reshape((1, 24))(y)
        mask = keras.ops.ones_like(y[:, :1])
        outputs = {"vector": y, "tokens": tokens, "mask": mask}
        inputs[name] = keras.Input((size,), name=name)
        tower = keras.Model(x, outputs, name=f"{name}_tower")
        features[name] = tower(inputs[name])
    fused = Concat(16, name="fusion")(features)
    return keras.Model(inputs, {"side": HEADS["side"](fused, "side")})


def noisy_data():
    draw = np.random.default_rng(0)

    def split(count):
        sound = draw.normal(size=(count, 4)).astype("float32")
        view = draw.normal(size=(count, 60)).astype("float32")
        side = (sound.sum(axis=1) > 0).astype("int32")
        x = {"sound": sound, "view": view}
        return tf.data.Dataset.from_tensor_slices((x, {"side": side})).batch(48)

    return SimpleNamespace(train=split(48), validation=split(96))


def test_the_modality_that_memorises_gets_the_smaller_weight(eagerly):
    model = noisy_model()
    names = [weight.path for weight in model.weights]
    strategy = FullFineTune(
        epochs=1, learning_rate=0.03, blend=True, blend_epochs=6
    )
    assert strategy.plan(model) == [
        ("blend_sound", 6),
        ("blend_view", 6),
        ("blend_fused", 6),
        ("all", 1),
    ]
    history = strategy.fit(model, noisy_data(), HEADS, verbose=0).history
    weight = {
        name: history[f"blend_{name}"][-1]
        for name in ("sound", "view", "fused")
    }
    assert sum(weight.values()) == pytest.approx(1.0)
    assert weight["sound"] > 0.5
    assert weight["view"] < 0.05
    assert history["stage"][-1] == "all"
    assert history["blend_sound"][0] is None
    # What is left is the model there was.
    assert [weight.path for weight in model.weights] == names
    assert list(model.output) == ["side"]


def test_patience_watches_one_figure_through_all_stages(eagerly):
    """Keras calls it `val_side_accuracy` where there are several heads."""
    strategy = FullFineTune(
        epochs=4, learning_rate=0.03, blend=True, blend_epochs=2,
        patience=1, monitor="val_accuracy",
    )  # fmt: skip
    history = strategy.fit(noisy_model(), noisy_data(), HEADS, verbose=0)
    assert history.history["stage"][-1] == "all"
    assert history.history["val_side_accuracy"][-1] > 0


def test_the_estimates_leave_the_weights_as_they_were(eagerly):
    """With nothing after them, the model is the one of the beginning."""
    model = noisy_model()
    before = model.get_weights()
    FullFineTune(epochs=0, blend=True, blend_epochs=1).fit(
        model, noisy_data(), HEADS, verbose=0
    )
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_what_blending_needs():
    with pytest.raises(ValueError, match="`blend` needs a validation split"):
        FullFineTune(epochs=1, blend=True).fit(
            toy_model(),
            toy_data(validation=None),
            {"digit": Category(3), "size": Category(2)},
            verbose=0,
        )
    alone = tower_model(noisy_model(), "sound", HEADS)
    with pytest.raises(ValueError, match="a model with sound alone"):
        FullFineTune(epochs=1, blend=True).fit(
            alone, noisy_data(), HEADS, verbose=0
        )
    with pytest.raises(ValueError, match="`balance` 'fixed'"):
        FullFineTune(epochs=1, blend=True, balance="dwa")
