"""Heads: outputs, losses and metrics against NumPy."""

import keras
import numpy as np
import pytest

from mmkeras import heads

RNG = np.random.default_rng(0)


def cross_entropy(labels, probabilities, smoothing):
    classes = probabilities.shape[1]
    wanted = np.eye(classes)[labels] * (1 - smoothing) + smoothing / classes
    return -(wanted * np.log(probabilities)).sum(1).mean()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_equals_numpy(smoothing):
    labels = RNG.integers(0, 5, 16)
    probabilities = RNG.dirichlet(np.ones(5), 16).astype("float32")
    loss = heads.Category(5, label_smoothing=smoothing).loss()
    assert float(loss(labels, probabilities)) == pytest.approx(
        cross_entropy(labels, probabilities, smoothing), rel=1e-5
    )


def test_squared_error_is_in_units_of_the_variance():
    labels = RNG.normal(10, 4, 16).astype("float32")
    outputs = RNG.normal(10, 4, (16, 1)).astype("float32")
    loss = heads.Number(mean=10, std=4).loss()
    assert float(loss(labels, outputs)) == pytest.approx(
        (((labels - outputs[:, 0]) / 4) ** 2).mean(), rel=1e-5
    )


def test_rmse_pairs_a_label_with_its_own_output():
    labels = np.array([1.0, 5.0], "float32")
    outputs = np.array([[2.0], [5.0]], "float32")
    (metric,) = heads.Number().metrics()
    metric.update_state(labels, outputs)
    assert float(metric.result()) == pytest.approx(np.sqrt(0.5))


def model_of(head, name="y"):
    x = keras.Input((4,), name="x")
    return keras.Model(x, {name: head(x, name)})


@pytest.mark.parametrize(
    "head, width, low, high",
    [
        (heads.Category(3), 3, 0, 1),
        (heads.Categories(4, dropout=0.5), 4, 0, 1),
        (heads.Number(mean=100, std=5), 1, 50, 150),
    ],
    ids=lambda v: type(v).__name__ if not isinstance(v, int) else str(v),
)
def test_outputs_have_the_target_s_shape_and_range(head, width, low, high):
    x = RNG.normal(size=(8, 4)).astype("float32")
    y = model_of(head).predict(x, verbose=0)["y"]
    assert y.shape == (8, width)
    assert y.dtype == "float32"
    assert (y >= low).all() and (y <= high).all()
    if isinstance(head, heads.Category):
        np.testing.assert_allclose(y.sum(1), 1, rtol=1e-5)


def test_a_sample_without_label_moves_nothing():
    head = heads.Number()
    model = model_of(head)
    model.compile("sgd", loss={"y": head.loss()})
    before = model.get_weights()
    x = RNG.normal(size=(8, 4)).astype("float32")
    model.train_on_batch(x, {"y": np.full(8, 1e3)}, {"y": np.zeros(8)})
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_compile_arguments_are_by_target():
    two = {"b": heads.Number(weight=0.5), "a": heads.Category(2)}
    assert list(heads.losses(two)) == ["a", "b"]
    assert heads.loss_weights(two) == {"a": 1.0, "b": 0.5}
    assert [m.name for m in heads.metrics(two)["a"]] == ["accuracy"]


@pytest.mark.parametrize("head", [heads.Category(3, 0.1), heads.Number(1, 2)])
def test_losses_are_rebuilt_from_their_config(head):
    loss = head.loss()
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config()
