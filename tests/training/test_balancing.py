"""Loss balancing: the papers' formulas, a plain model, resumed bit by bit."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmkeras import artefact
from mmkeras import heads as head_kinds
from mmkeras import keras_private as private
from mmkeras.training import Balanced, FullFineTune, balance
from mmkeras.training.balancing import GRADNORM_RATE

HEADS = {
    "digit": head_kinds.Category(3),
    "size": head_kinds.Number(mean=0.0, std=2.0, weight=0.5),
}
TARGETS = sorted(HEADS)
BALANCED = ["uncertainty", "gradnorm", "dwa"]


def toy_model():
    """Two layers that both targets share."""
    keras.utils.set_random_seed(0)
    x = keras.Input((5,), name="x")
    y = keras.layers.Dense(6, activation="tanh", name="first")(x)
    y = keras.layers.Dense(6, activation="tanh", name="shared")(y)
    return keras.Model({"x": x}, {n: h(y, n) for n, h in HEADS.items()})


def toy_arrays(samples=24):
    """Every fourth sample lacks a digit."""
    x = np.random.default_rng(0).normal(size=(samples, 5)).astype("float32")
    digit = np.argmax(x[:, :3], axis=1)
    there = (np.arange(samples) % 4 != 1).astype("float32")
    weights = {"digit": there, "size": np.ones(samples, "float32")}
    return {"x": x}, {"digit": digit, "size": x[:, 3] + x[:, 4]}, weights


def toy_data():
    data = tf.data.Dataset.from_tensor_slices(toy_arrays()).batch(12)
    return SimpleNamespace(train=data, validation=None)


def compiled(model, rate=0.01):
    model.compile(
        keras.optimizers.SGD(rate),
        loss=head_kinds.losses(HEADS),
        loss_weights=head_kinds.loss_weights(HEADS),
        weighted_metrics=head_kinds.metrics(HEADS),
        jit_compile=False,
    )
    return model


def losses_of(model):
    """Each target's weighted loss on the whole toy data, in eager mode."""
    x, y, w = toy_arrays()
    found = model(x, training=True)
    return np.array(
        [
            HEADS[n].weight * float(HEADS[n].loss()(y[n], found[n], w[n]))
            for n in TARGETS
        ]
    )


def one_step(trainer):
    x, y, w = toy_arrays()
    # The step would be traced twice otherwise.
    private.create_variables(trainer, (x, y, w))
    trainer.fit(x, y, sample_weight=w, batch_size=len(w["size"]), verbose=0)


def test_nothing_stands_between_where_nothing_is_to_balance():
    model = toy_model()
    assert balance(model, HEADS, "fixed") is model
    assert balance(model, {"digit": HEADS["digit"]}, "dwa") is model


def test_an_unknown_method_is_refused():
    with pytest.raises(
        ValueError, match=r"gradnorm, dwa. Received: balance='pcgrad'"
    ):
        balance(toy_model(), HEADS, "pcgrad")
    with pytest.raises(ValueError, match="`model` must be compiled before"):
        balance(toy_model(), HEADS, "dwa")
    with pytest.raises(ValueError, match="`balance` must be one of fixed"):
        FullFineTune(balance="pcgrad")


def test_uncertainty_takes_the_step_of_its_gradient():
    model = compiled(toy_model())
    trainer = balance(model, HEADS, "uncertainty")
    trainer.memory.assign([0.5, -0.2])
    values = losses_of(model)
    one_step(trainer)
    start = np.array([0.5, -0.2])
    slope = 1 - np.exp(-start) * values
    wanted = start - GRADNORM_RATE * np.clip(slope, -1, 1)
    np.testing.assert_allclose(trainer.memory.numpy(), wanted, rtol=1e-5)
    np.testing.assert_allclose(
        trainer.balance.numpy(), np.exp(-wanted), rtol=1e-5
    )


def test_uncertainty_ends_at_one_over_the_loss():
    values = np.array([0.4, 5.0], "float32")
    trainer = balance(compiled(toy_model()), HEADS, "uncertainty")
    for _ in range(300):
        trainer._learn_variances(values, np.ones(2, "float32"))
    np.testing.assert_allclose(trainer.balance.numpy(), 1 / values, rtol=0.02)


def test_gradnorm_makes_the_gradients_of_targets_of_one_pace_equal():
    trainer = balance(compiled(toy_model()), HEADS, "gradnorm")
    norms, ones = np.array([4.0, 1.0], "float32"), np.ones(2, "float32")
    for _ in range(200):
        trainer._level_gradients(ones, ones, norms)
    lengths = trainer.balance.numpy() * norms
    assert lengths[0] == pytest.approx(lengths[1], rel=0.1)
    assert trainer.balance.numpy().sum() == pytest.approx(2)
    # The second loss is where it began, the first has halved.
    paces = np.array([0.5, 1.0], "float32")
    for _ in range(200):
        trainer._level_gradients(paces, ones, norms)
    slow, fast = (trainer.balance.numpy() * norms)[::-1]
    assert slow > 1.5 * fast


def test_gradnorm_sees_the_gradient_at_the_last_shared_layer():
    model = compiled(toy_model())
    shared = model.get_layer("shared").trainable_weights
    x, y, w = toy_arrays()
    with tf.GradientTape(persistent=True) as tape:
        found = model(x, training=True)
        parts = [
            HEADS[n].weight * HEADS[n].loss()(y[n], found[n], w[n])
            for n in TARGETS
        ]
    norms = []
    for part in parts:
        slopes = tape.gradient(part, [v.value for v in shared])
        norms.append(np.sqrt(sum((s.numpy() ** 2).sum() for s in slopes)))
    trainer = balance(model, HEADS, "gradnorm")
    one_step(trainer)
    # At the first step every pace is 1, so the longer one is shortened.
    step = GRADNORM_RATE * np.array(norms) / np.mean(norms)
    wanted = 1 - step * np.sign(np.array(norms) - np.mean(norms))
    wanted *= 2 / wanted.sum()
    np.testing.assert_allclose(trainer.balance.numpy(), wanted, rtol=1e-4)


def test_dynamic_weight_average_compares_two_epochs():
    trainer = balance(compiled(toy_model()), HEADS, "dwa")
    trainer.end_epoch({"digit_loss": 2.0, "size_loss": 1.0})
    np.testing.assert_allclose(trainer.balance.numpy(), [1, 1], rtol=1e-6)
    logs = {"digit_loss": 1.0, "size_loss": 0.9}
    trainer.end_epoch(logs)
    pace = np.exp(np.array([0.5, 0.9]) / 2)
    np.testing.assert_allclose(
        trainer.balance.numpy(), 2 * pace / pace.sum(), rtol=1e-5
    )
    assert logs["size_balance"] == pytest.approx(1)


def test_the_balance_multiplies_the_losses():
    model = compiled(toy_model())
    trainer = Balanced(model, HEADS, "dwa")
    trainer.balance.assign([0.25, 3.0])
    x, y, w = toy_arrays()
    values = losses_of(model)
    found = model(x, training=True)
    total = trainer.compute_loss(x, y, found, w)
    assert float(total) == pytest.approx(values @ [0.25, 3], rel=1e-5)
    fixed = trainer.compute_loss(x, y, found, w, training=False)
    assert float(fixed) == pytest.approx(values.sum(), rel=1e-5)


def test_a_target_without_any_label_keeps_its_state():
    known = np.array([0.0, 1.0], "float32")
    learned = balance(compiled(toy_model()), HEADS, "uncertainty")
    learned._learn_variances(known * 3, known)
    assert learned.balance_state()["memory"]["digit"] == 0
    assert learned.balance_state()["memory"]["size"] == pytest.approx(
        GRADNORM_RATE
    )
    levelled = balance(compiled(toy_model()), HEADS, "gradnorm")
    levelled._level_gradients(known * 3, known, known)
    assert levelled.balance_state()["memory"] == {"digit": 0.0, "size": 3.0}
    assert np.isfinite(levelled.balance.numpy()).all()


@pytest.mark.parametrize("method", BALANCED)
def test_a_strategy_balances_and_a_checkpoint_goes_on_bit_by_bit(
    method, tmp_path
):
    model, data = toy_model(), toy_data()
    names = [weight.path for weight in model.weights]
    # Keras does not save which weights have no decay.
    strategy = FullFineTune(
        epochs=2, balance=method, weight_decay=0.0, tensorboard=False
    )
    figures = strategy.fit(model, data, HEADS, out=tmp_path, verbose=0).history
    same = figures["digit_balance"] == figures["size_balance"]
    # An average needs two epochs, and then speaks in the third.
    assert same == (method == "dwa")
    assert type(model).__name__ == "Functional"
    assert [weight.path for weight in model.weights] == names

    # The manifest holds the balance: the model's file has nothing of it.
    folder = tmp_path / "checkpoints" / "epoch-0001"
    kept = artefact.read_manifest(folder, "checkpoint")["balance"]
    half = keras.saving.load_model(folder / "model.keras")
    assert [weight.path for weight in half.weights] == names
    resumed = balance(half, HEADS, method)
    resumed.restore(kept)
    private.create_variables_for(resumed, data.train)
    resumed.fit(data.train, initial_epoch=1, epochs=2, verbose=0)
    for one, other in zip(model.weights, half.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    last = artefact.read_manifest(
        tmp_path / "checkpoints" / "epoch-0002", "checkpoint"
    )
    assert resumed.balance_state() == last["balance"]
