"""The multilinear fusions against NumPy's einsum."""

import numpy as np
import pytest
from fusion_toys import check_equals, dense, features, joined, relu, vectors

from mmkeras.fusion import (
    Bilinear,
    LowRank,
    MultiplicativeInteraction,
    TensorFusion,
)


def with_one(x):
    return np.concatenate([x, np.ones_like(x[:, :1])], -1)


def tensor(layer, f):
    a, b, c = (
        with_one(np.tanh(dense(v, layer.values[n])))
        for n, v in vectors(f).items()
    )
    product = np.einsum("zi,zj,zk->zijk", a, b, c)
    return relu(dense(product.reshape(len(a), -1), layer.dense))


def low_rank(layer, f):
    a, b, c = (
        dense(v, layer.factors[n]).reshape(-1, layer.rank, layer.units)
        for n, v in vectors(f).items()
    )
    return np.einsum("zru,zru,zru->zu", a, b, c)


def bilinear(layer, f):
    parts = [
        dense(v, layer.values[n]).reshape(-1, layer.factors, layer.units)
        for n, v in vectors(f).items()
    ]
    out = sum(
        np.einsum("zku,zku->zu", parts[i], parts[j])
        for i in range(3)
        for j in range(i)
    )
    if layer.normalise:
        out = out / np.sqrt(np.abs(out) + 1e-3)
        out = out / np.sqrt((out**2).sum(-1, keepdims=True) + 1e-3)
    return out


def interaction(layer, f):
    out = 0
    for name, v in vectors(f).items():
        around = {n: f[n] for n in f if n != name}
        context = np.tanh(dense(joined(around), layer.contexts[name]))
        kernel = np.asarray(layer.values[name].kernel)
        kernel = kernel.reshape(-1, layer.width + 1, layer.units)
        out = out + np.einsum("zk,dku,zd->zu", with_one(context), kernel, v)
        out = out + dense(context, layer.shifts[name])
    return out


CASES = {
    "tensor": (lambda: TensorFusion(6, width=3), tensor),
    "low_rank": (lambda: LowRank(6, rank=2), low_rank),
    "bilinear": (lambda: Bilinear(6, factors=3), bilinear),
    "bilinear-mfb": (lambda: Bilinear(6, normalise=True), bilinear),
    "bilinear-mlb": (lambda: Bilinear(6, factors=1), bilinear),
    "interaction": (lambda: MultiplicativeInteraction(6, 3), interaction),
}


@pytest.mark.parametrize("case", CASES)
def test_output_equals_numpy(case):
    make, reference = CASES[case]
    check_equals(make(), reference)


def test_low_rank_is_a_tensor_fusion_of_that_rank():
    layer, f = LowRank(2, rank=3), features(widths={"a": 3, "b": 4})
    got = np.asarray(layer(f))
    # The tensor that the paper never makes: units x 4 x 5.
    factors = [
        np.vstack([np.asarray(layer.factors[n].kernel), np.ones((1, 6))])
        for n in "ab"
    ]
    a, b = (x.reshape(-1, 3, 2) for x in factors)
    whole = np.einsum("iru,jru->uij", a, b)
    x, y = (with_one(f[n]["vector"]) for n in "ab")
    wanted = np.einsum("uij,zi,zj->zu", whole, x, y)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def test_a_normalised_answer_has_length_one():
    got = np.asarray(Bilinear(16, normalise=True)(features()))
    np.testing.assert_allclose((got**2).sum(-1), 1, atol=1e-3)


def test_a_tensor_that_grows_too_large_is_refused_with_its_size():
    layer = TensorFusion(64, width=16)
    # 17 ** 4 * 64.
    message = "`width` must.*width=16, units=64 and 4 mod.*5,345,344.*LowRank"
    with pytest.raises(ValueError, match=message):
        layer(features(widths=dict.fromkeys("abcd", 4)))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: TensorFusion(8, width=0), "`width` must be.*width=0"),
        (lambda: LowRank(8, rank=0), "`rank` must be.*rank=0"),
        (lambda: Bilinear(8, factors=0), "`factors` must be.*factors=0"),
        (lambda: MultiplicativeInteraction(8, 0), "`width` must be.*width=0"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
