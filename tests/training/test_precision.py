"""Half precision, accumulated gradients and XLA."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from training_toys import HEADS, toy_arrays, toy_data, toy_model

import mmkeras
from mmkeras.training import FullFineTune, precision_scope
from mmkeras.training.trainable import (
    check_precision,
    stored_as_float32,
    to_float32,
)

HALVES = ["mixed_float16", "mixed_bfloat16"]


def half_toy(name):
    with precision_scope(name):
        return toy_model()


def answers(model):
    return model(toy_arrays()[0], training=False)


@pytest.mark.parametrize("name", HALVES)
def test_the_scope_ends_and_heads_and_weights_stay_float32(name):
    model = half_toy(name)
    assert keras.config.dtype_policy().name == "float32"
    assert {weight.dtype for weight in model.weights} == {"float32"}
    tower = model.get_layer("sound_tower")
    assert tower.get_layer(index=1).compute_dtype == name.split("_")[1]
    assert {x.dtype.name for x in answers(model).values()} == {"float32"}


def test_an_unknown_precision_is_refused_and_the_scope_survives_errors():
    with pytest.raises(ValueError, match="one of float32.*precision='float16'"):
        with precision_scope("float16"):
            pass
    with pytest.raises(RuntimeError):
        with precision_scope("mixed_float16"):
            raise RuntimeError
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    "built, wanted",
    [("mixed_float16", "float32"), ("float32", "mixed_bfloat16")],
)
def test_a_model_of_another_precision_is_refused(built, wanted):
    with pytest.raises(ValueError, match=f"Received: a model in {built}"):
        check_precision(half_toy(built), wanted)


@pytest.mark.parametrize("name", HALVES)
def test_a_file_saved_on_the_way_is_float32(name, tmp_path):
    model, exact = half_toy(name), toy_model()
    exact.set_weights(model.get_weights())
    with stored_as_float32(model):
        model.save(tmp_path / "model.keras")
    check_precision(model, name)
    loaded = mmkeras.load_model(tmp_path / "model.keras")
    check_precision(loaded, "float32")
    for target, value in answers(exact).items():
        np.testing.assert_array_equal(answers(loaded)[target], value)
        assert np.abs(answers(model)[target] - value).max() > 1e-5


@pytest.mark.parametrize("name", HALVES)
def test_a_strategy_trains_in_half_precision_and_leaves_float32(name, eagerly):
    model = half_toy(name)
    strategy = FullFineTune(epochs=4, learning_rate=0.01, precision=name)
    history = strategy.fit(model, toy_data(), HEADS, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    check_precision(model, "float32")
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == (name == "mixed_float16")
    exact = toy_model()
    exact.set_weights(model.get_weights())
    found = model.predict(toy_arrays()[0], verbose=0)
    for target, value in answers(exact).items():
        np.testing.assert_allclose(found[target], value, atol=1e-6)


def test_what_predict_compiled_before_is_compiled_anew():
    model = half_toy("mixed_bfloat16")
    x = toy_arrays()[0]
    rough = model.predict(x, verbose=0)["size"]
    to_float32(model)
    exact = model.predict(x, verbose=0)["size"]
    np.testing.assert_allclose(exact, answers(model)["size"], atol=1e-6)
    assert np.abs(exact - rough).max() > 1e-4


def trained(batch, **settings):
    """The batch statistics rest: they would see the small batches."""
    model = toy_model()
    train = tf.data.Dataset.from_tensor_slices(toy_arrays()).batch(batch)
    data = toy_data(train=train, validation=None)
    seed = settings.pop("seed", 0)
    strategy = FullFineTune(
        **{
            "learning_rate": 0.01,
            "schedule": "constant",
            "warmup_epochs": 0,
            "freeze": ["*/batch_normalization*"],
            **settings,
        }
    )
    history = strategy.fit(model, data, HEADS, seed=seed, verbose=0)
    return model, history.history


def test_accumulated_steps_are_those_of_batches_so_many_times_as_large(eagerly):
    start = toy_model().get_weights()
    large, _ = trained(24, epochs=3)
    small, history = trained(6, epochs=3, accumulate_steps=4)
    moved = 0.0
    for one, other, first in zip(
        large.get_weights(), small.get_weights(), start, strict=True
    ):
        np.testing.assert_allclose(other, one, atol=2e-6)
        moved = max(moved, np.abs(one - first).max())
    assert moved > 0.02
    assert int(small.optimizer.iterations) == 3
    # Budgets, schedules and the history count batches.
    assert history["steps"][-1] == 12


def test_more_batches_than_there_are_cannot_make_a_step(eagerly):
    with pytest.warns(UserWarning, match="takes no step: it has 8 batches"):
        trained(6, epochs=2, accumulate_steps=9)


def test_schedules_count_batches(eagerly):
    _, history = trained(
        6, epochs=2, accumulate_steps=4, schedule="cosine", learning_rate=1.0
    )
    # Warmed up in one of the eight batches, as without accumulation.
    expected = [0.5 + 0.5 * np.cos(np.pi * step / 8) for step in (3, 7)]
    np.testing.assert_allclose(history["learning_rate"], expected, rtol=1e-5)


@pytest.fixture
def changeable():
    """Earlier tests have made TensorFlow deterministic, which stops XLA."""
    from tensorflow.python.framework import config

    config.disable_op_determinism()


def test_compiled_by_xla_it_learns_the_same(changeable):
    plain, _ = trained(12, epochs=3, jit_compile=False, seed=None)
    compiled, _ = trained(12, epochs=3, jit_compile=True)
    assert compiled.jit_compile is True
    assert plain.jit_compile is False
    for one, other in zip(
        plain.get_weights(), compiled.get_weights(), strict=True
    ):
        np.testing.assert_allclose(other, one, atol=1e-4)
