"""Late fusion: answers that are joined, and who has a vote."""

import keras
import numpy as np
import pytest
from fusion_toys import dense, features, shaken, sigmoid, softmax, vectors

from mmkeras.fusion import (
    Average,
    ProductOfExperts,
    Stacking,
    WeightedAverage,
)

LATE = [Average, WeightedAverage, ProductOfExperts, Stacking]
ACTIVATIONS = {"softmax": softmax, "sigmoid": sigmoid, "linear": lambda x: x}
# Both, the first, the second, none.
THERE = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], "float32")


def logits(layer, f):
    return np.stack([dense(v, layer.answers[n]) for n, v in vectors(f).items()])


def average(layer, z, weights, activate):
    return (activate(z) * weights).sum(0) / weights.sum(0)


def weighted(layer, z, weights, activate):
    shares = np.array([float(s) for s in layer.shares.values()])
    return average(layer, z, weights * shares[:, None, None], activate)


def product(layer, z, weights, activate):
    if layer.activation == "linear":
        # The product of normal densities is one around this mean.
        logs = [np.asarray(p) for p in layer.precisions.values()]
        return average(layer, z, weights * np.exp(logs)[:, None], activate)
    prior = np.asarray(layer.prior_logits)
    answers = np.prod(activate(z) ** weights, axis=0)
    rest = np.prod((1 - activate(z)) ** weights, axis=0)
    if layer.activation == "softmax":
        answers = answers * np.exp(prior)
        return answers / answers.sum(-1, keepdims=True)
    answers, rest = answers * activate(prior), rest * (1 - activate(prior))
    return answers / (answers + rest)


def stacking(layer, z, weights, activate):
    shares = z * weights / weights.sum(0)
    return activate(dense(np.concatenate(list(shares), -1), layer.stack))


REFERENCES = dict(zip(LATE, [average, weighted, product, stacking]))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("late", LATE)
def test_output_equals_numpy_whoever_is_there(late, activation):
    f = features(4, {"a": 4, "b": 6})
    present = {"a": THERE[:, :1], "b": THERE[:, 1:]}
    layer = late(3, activation)
    got = shaken(layer, f, present)
    for i, name in enumerate("ab"):
        # What stands in has no vote, unless nobody has one.
        gone = THERE[:, i] == 0
        f[name]["vector"][gone] = np.asarray(layer.standins[name])
    weights = THERE.T[..., None].copy()
    weights[:, 3] = 1
    wanted = REFERENCES[late](
        layer, logits(layer, f), weights, ACTIVATIONS[activation]
    )
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("late", LATE)
def test_where_one_alone_is_there_the_answer_is_its_own(late):
    f, layer = features(4, {"a": 4, "b": 6}), late(3)
    present = {"a": THERE[:, :1], "b": THERE[:, 1:]}
    got = np.asarray(layer(f, present=present))
    alone = {n: np.asarray(y) for n, y in layer.alone(f).items()}
    np.testing.assert_allclose(got[1], alone["a"][1], atol=1e-6)
    np.testing.assert_allclose(got[2], alone["b"][2], atol=1e-6)


@pytest.mark.parametrize("late", LATE)
def test_the_answer_is_float32_and_its_classes_sum_to_one(late):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        got = late(3)(features())
    finally:
        keras.config.set_dtype_policy(before)
    assert keras.backend.standardize_dtype(got.dtype) == "float32"
    np.testing.assert_allclose(np.asarray(got).sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_stacking_starts_as_the_mean_of_the_logits(activation):
    layer, f = Stacking(3, activation), features()
    got = np.asarray(layer(f))
    wanted = ACTIVATIONS[activation](logits(layer, f).mean(0))
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_weights_are_kept_as_shares_and_not_trained():
    layer, f = WeightedAverage(3), features()
    layer(f)
    assert [float(s) for s in layer.shares.values()] == pytest.approx(
        [1 / 3] * 3
    )
    layer.set_modality_weights({"a": 6.0, "b": 3.0, "c": 1.0})
    shares = [float(s) for s in layer.shares.values()]
    assert shares == pytest.approx([0.6, 0.3, 0.1])
    assert not [w for w in layer.trainable_weights if "share" in w.name]
    answers = np.stack([np.asarray(y) for y in layer.alone(f).values()])
    wanted = np.tensordot([0.6, 0.3, 0.1], answers, 1)
    np.testing.assert_allclose(layer(f), wanted, atol=1e-6)


def test_a_modality_with_next_to_no_vote_still_answers_alone():
    layer, f = WeightedAverage(3), features(2, {"a": 4, "b": 6})
    present = {"a": np.zeros((2, 1), "float32")}
    layer(f, present=present)
    layer.set_modality_weights({"a": 1e30, "b": 1e-30})
    np.testing.assert_allclose(
        layer(f, present=present), layer.alone(f)["b"], atol=1e-6
    )


@pytest.mark.parametrize(
    "weights", [{"a": 1.0}, {"a": 1.0, "b": 0.0}, {"a": 1.0, "b": float("nan")}]
)
def test_weights_that_cannot_be_weights_are_refused(weights):
    layer = WeightedAverage(3)
    layer(features(2, {"a": 4, "b": 6}))
    with pytest.raises(
        ValueError, match="`weights` must be.*each of a, b. Rec"
    ):
        layer.set_modality_weights(weights)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="`activation` must be.*'relu'"):
        Average(3, "relu")
    with pytest.raises(TypeError, match="units"):
        Average()


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
def test_who_knows_nothing_answers_with_the_prior_alone_or_together(activation):
    """Noise, and an answer that is yes in nine of ten: so it is of each."""
    draw = np.random.default_rng(0)
    inputs = {n: keras.Input((4,), name=n) for n in ("a", "b", "there")}
    layer = ProductOfExperts(2 if activation == "softmax" else 1, activation)
    tower = {
        n: {
            "vector": inputs[n],
            "tokens": keras.layers.Reshape((1, 4))(inputs[n]),
            "mask": keras.ops.ones_like(inputs[n][:, :1]),
        }
        for n in ("a", "b")
    }
    output = layer(
        tower,
        present={"b": inputs["there"][:, :1]},
    )
    model = keras.Model(inputs, output)
    x = {n: draw.normal(size=(2000, 4)).astype("float32") for n in ("a", "b")}
    x["there"] = np.ones((2000, 4), "float32")
    yes = (np.arange(2000) % 10 > 0).astype("int32")
    loss = {"softmax": "sparse_categorical_crossentropy"}
    model.compile(
        keras.optimizers.Adam(0.05), loss.get(activation, "binary_crossentropy")
    )
    model.fit(x, yes, epochs=15, batch_size=200, verbose=0)
    for there in (1.0, 0.0):
        x["there"][:] = there
        answers = model.predict(x, verbose=0)[:, -1]
        assert answers.mean() == pytest.approx(0.9, abs=0.02)


def test_a_product_of_an_earlier_version_has_no_prior_of_its_own():
    config = ProductOfExperts(3).get_config()
    assert config.pop("prior") is True
    assert ProductOfExperts.from_config(config).prior is False
