"""The losses of pretraining, against NumPy."""

import math

import keras
import numpy as np
import pytest
from keras import ops
from pretext_toys import over, wave_tower, waves

from mmkeras.training.pretext import (
    PickRows,
    Reconstruct,
    SquaredError,
    TokenError,
    UnitLength,
    nt_xent,
    pretext_model,
)


def numbers(x):
    return ops.convert_to_numpy(x)


def reference(views, weights):
    """NT-Xent as the paper writes it, pair by pair."""
    count = len(views)
    half = count // 2
    total = 0.0
    for i in range(count):
        if weights[i % half] == 0:
            continue
        others = [
            math.exp(views[i] @ views[j])
            for j in range(count)
            if j != i and weights[j % half] > 0
        ]
        positive = math.exp(views[i] @ views[(i + half) % count])
        total -= weights[i % half] * math.log(positive / sum(others))
    return total / (2 * sum(weights))


@pytest.mark.parametrize(
    "weights", [[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [0.5, 1, 0, 2, 1]]
)
def test_the_contrastive_loss_is_that_of_the_paper(weights):
    draw = np.random.default_rng(0).normal(size=(10, 6))
    views = numbers(UnitLength(0.5)(draw))
    assert np.linalg.norm(views, axis=1) ** 2 == pytest.approx(2.0)
    found = float(nt_xent(views, np.array(weights, "float32")))
    assert found == pytest.approx(reference(views, weights), rel=1e-5)
    if min(weights) == 1:
        assert float(nt_xent(views)) == pytest.approx(found)


def test_what_is_absent_is_no_negative():
    draw = np.random.default_rng(0)
    views = draw.normal(size=(8, 4)).astype("float32")
    here = np.array([1.0, 1.0, 0.0, 1.0], "float32")
    first = float(nt_xent(views, here))
    views[[2, 6]] = 30 * draw.normal(size=(2, 4))
    assert float(nt_xent(views, here)) == first


def test_a_batch_without_the_modality_costs_nothing():
    views = np.ones((4, 3), "float32")
    assert float(nt_xent(views, np.zeros(2, "float32"))) == 0.0


def test_squared_errors_count_where_they_should():
    draw = np.random.default_rng(0)
    values, guess = draw.normal(size=(2, 3, 4, 2)).astype("float32")
    places = (draw.random((3, 4, 2)) < 0.4).astype("float32")
    found = SquaredError()(values, guess, places)
    wanted = ((values - guess) ** 2 * places).sum((1, 2))
    assert numbers(found["loss"]) == pytest.approx(wanted, rel=1e-5)
    assert numbers(found["places"]).tolist() == places.sum((1, 2)).tolist()

    # Keras makes the class functional with the first functional one of it.
    model = Reconstruct(*[keras.Input((1,))] * 2)
    weights = np.array([1.0, 0.0, 1.0], "float32")
    loss = model.compute_loss(y_pred=found, sample_weight=weights)
    mean = wanted[[0, 2]].sum() / places[[0, 2]].sum()
    assert float(loss) == pytest.approx(mean, rel=1e-5)
    nothing = model.compute_loss(y_pred=found, sample_weight=0 * weights)
    assert float(nothing) == 0.0


@pytest.mark.parametrize("alike", [False, True])
def test_tokens_are_scored_by_cross_entropy(alike):
    draw = np.random.default_rng(0)
    ids = draw.integers(1, 9, (2, 6)).astype("int32")
    places = draw.integers(0, 6, (2, 4)).astype("int32")
    there = np.array([[1, 1, 0, 1], [0, 0, 0, 0]], "float32")
    logits = draw.normal(size=(2, 1 if alike else 4, 9)).astype("float32")
    found = TokenError()(ids, logits, places, there)
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    wanted = -sum(
        math.log(shares[0, 0 if alike else n, ids[0, places[0, n]]])
        for n in (0, 1, 3)
    )
    assert numbers(found["loss"]) == pytest.approx([wanted, 0], rel=1e-5)
    assert numbers(found["places"]).tolist() == [3, 0]


def test_rows_are_picked_by_the_tokens_they_own():
    rows = np.arange(8.0, dtype="float32").reshape(1, 4, 2)
    places = np.array([[0, 1, 5, 7]], "int32")
    picked, offsets = PickRows(8)(rows, places)
    assert numbers(picked)[0, :, 0].tolist() == [0, 0, 4, 6]
    assert numbers(offsets).tolist() == [[0, 1, 1, 1]]
    before, _ = PickRows(8, back=1)(rows, places[:, 2:])
    assert numbers(before)[0, :, 0].tolist() == [2, 4]


def test_the_next_step_is_that_of_the_tokens_part():
    """The loss of a model, redone from its guesses."""
    keras.utils.set_random_seed(0)
    tower = wave_tower(padding="causal")
    model = pretext_model(over(tower), "s", "next_step", ahead=2)
    x, _ = waves(3, 0)
    values = np.sign(x) * np.log1p(np.abs(x))
    parts = values.reshape(3, 12, 4)[:, 2:]
    between = model.get_layer("decoder")(tower(x)["tokens"][:, :-2])
    guess = numbers(model.get_layer("answer")(between))
    found = model({"s": x})
    wanted = ((guess - parts) ** 2).sum((1, 2))
    assert numbers(found["loss"]) == pytest.approx(wanted, rel=1e-4)
    assert numbers(found["places"]).tolist() == [40, 40, 40]
