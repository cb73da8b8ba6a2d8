"""Gated, FiLM and MixtureOfExperts against NumPy."""

import keras
import numpy as np
import pytest
from fusion_toys import (
    check_equals,
    dense,
    features,
    joined,
    relu,
    shaken,
    sigmoid,
    softmax,
    vectors,
)

from mmkeras.fusion import FiLM, Gated, MixtureOfExperts


def gated(layer, f):
    return sum(
        sigmoid(dense(joined(f), layer.gates[n]))
        * np.tanh(dense(v, layer.projections[n]))
        for n, v in vectors(f).items()
    )


def film(layer, f):
    out = 0
    for name, v in vectors(f).items():
        if name == layer.by:
            continue
        around = {n: f[n] for n in f if n != name}
        if layer.by is not None:
            around = {layer.by: f[layer.by]}
        scale = dense(joined(around), layer.scales[name])
        shift = dense(joined(around), layer.shifts[name])
        out = out + scale * dense(v, layer.values[name]) + shift
    return relu(out)


def experts(layer, f):
    gate = softmax(dense(joined(f), layer.gate))
    values = relu(dense(joined(f), layer.values))
    parts = np.split(values, layer.experts, -1)
    return sum(gate[:, [e]] * part for e, part in enumerate(parts))


CASES = {
    "gated": (lambda: Gated(6), gated),
    "film": (lambda: FiLM(6), film),
    "film-by": (lambda: FiLM(6, by="b"), film),
    "experts": (lambda: MixtureOfExperts(6, experts=3), experts),
}


@pytest.mark.parametrize("case", CASES)
def test_output_equals_numpy(case):
    make, reference = CASES[case]
    check_equals(make(), reference)


def test_film_with_one_modality_is_its_own_context():
    f = features(widths={"a": 4})
    for layer in (FiLM(6), FiLM(6, by="a")):
        got, v = shaken(layer, f), f["a"]["vector"]
        scale = dense(v, layer.scales["a"])
        shift = dense(v, layer.shifts["a"])
        wanted = relu(scale * dense(v, layer.values["a"]) + shift)
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_film_names_the_modalities_there_are():
    with pytest.raises(ValueError, match="`by`.*'x'.*a, b, c"):
        FiLM(6, by="x")(features())


def test_balance_is_the_squared_variation_of_the_load_in_training_only():
    layer, f = MixtureOfExperts(6, experts=3, balance=0.5), features()
    shaken(layer, f)
    assert layer.losses == []
    layer(f, training=True)
    load = softmax(dense(joined(f), layer.gate)).mean(0)
    wanted = 0.5 * (load.std() / load.mean()) ** 2
    assert float(layer.losses[0]) == pytest.approx(wanted, rel=1e-4)


def test_balance_takes_part_in_fit_but_not_in_evaluate():
    f = features(widths={"a": 4})["a"]
    x = keras.Input((4,), name="x")
    feature = {"vector": x, "tokens": x, "mask": x}
    layer = MixtureOfExperts(3, experts=2, balance=100.0)
    model = keras.Model(x, layer({"a": feature}))
    layer.gate.bias.assign([3.0, -3.0])
    model.compile("sgd", loss="mse")
    y = np.zeros((6, 3), "float32")
    fitted = model.train_on_batch(f["vector"], y)
    assert fitted > 50 > model.test_on_batch(f["vector"], y)


def test_without_balance_nothing_is_added():
    layer = MixtureOfExperts(6)
    layer(features(), training=True)
    assert layer.losses == []


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: MixtureOfExperts(8, experts=0), "`experts` must.*experts=0"),
        (lambda: MixtureOfExperts(8, balance=-1), "`balance` must.*=-1"),
        (lambda: FiLM(8, dropout=1.0), "`dropout` must be.*1.0"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
