"""Mean, WeightedMean, Max, Projection, MLP and Concat against NumPy."""

import keras
import numpy as np
import pytest
from fusion_toys import (
    check_equals,
    dense,
    features,
    joined,
    relu,
    softmax,
    vectors,
)

from mmkeras.fusion import MLP, Concat, Max, Mean, Projection, WeightedMean


def projected(layer, f):
    return np.stack(
        [dense(v, layer.projections[n]) for n, v in vectors(f).items()]
    )


def mean(layer, f):
    return relu(projected(layer, f)).mean(0)


def weighted_mean(layer, f):
    weights = softmax(np.asarray(layer.logits))
    return np.tensordot(weights, relu(projected(layer, f)), 1)


def largest(layer, f):
    return relu(projected(layer, f)).max(0)


def projection(layer, f):
    out = 0
    for x, norm in zip(projected(layer, f), layer.norms.values()):
        gamma, beta = norm.get_weights()
        mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        out = out + gamma * (x - mean) / np.sqrt(var + 1e-3) + beta
    return out


def concat(layer, f):
    return relu(dense(joined(f), layer.dense))


def mlp(layer, f):
    x = joined(f)
    for step in layer.steps:
        x = relu(dense(x, step))
    return x


CASES = {
    "mean": (lambda: Mean(6), mean),
    "weighted_mean": (lambda: WeightedMean(6), weighted_mean),
    "max": (lambda: Max(6), largest),
    "projection": (lambda: Projection(6), projection),
    "concat": (lambda: Concat(6), concat),
    "mlp": (lambda: MLP(6, hidden=7, depth=2), mlp),
}


@pytest.mark.parametrize("case", CASES)
def test_output_equals_numpy(case):
    make, reference = CASES[case]
    check_equals(make(), reference)


def test_the_weights_of_a_weighted_mean_start_equal_and_are_learned():
    layer, f = WeightedMean(6, activation=None), features()
    start = np.asarray(layer(f))
    np.testing.assert_allclose(start, projected(layer, f).mean(0), atol=1e-6)
    assert any(w.name == "weights" for w in layer.trainable_weights)
    layer.logits.assign([30.0, 0.0, 0.0])
    np.testing.assert_allclose(layer(f), projected(layer, f)[0], atol=1e-5)


def test_a_projection_is_as_long_for_a_loud_modality_as_for_a_quiet_one():
    layer, f = Projection(6), features()
    quiet = np.asarray(layer(f))
    f["a"]["vector"] *= 1000
    loud = np.asarray(layer(f))
    assert np.abs(loud).max() < 2 * np.abs(quiet).max()


def test_dropout_is_for_training_alone():
    keras.utils.set_random_seed(0)
    f = features()
    for layer in (Mean(6, dropout=0.5), MLP(6, dropout=0.5)):
        still = np.asarray(layer(f))
        np.testing.assert_array_equal(layer(f), still)
        assert np.abs(np.asarray(layer(f, training=True)) - still).max() > 0.01


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: MLP(8, hidden=0), "`hidden` must be a positive.*hidden=0"),
        (lambda: MLP(8, depth=1.5), "`depth` must be a positive.*depth=1.5"),
        (lambda: Mean(8, dropout=-1), "`dropout` must be.*-1"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
