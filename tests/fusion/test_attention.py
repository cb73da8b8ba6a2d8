"""Fusions over tokens: formulas against NumPy, padding, their arguments."""

import numpy as np
import pytest
from fusion_toys import WIDTHS, check_equals, dense, features, relu, softmax

from mmkeras.fusion import (
    Bottleneck,
    CrossAttention,
    MulT,
    Perceiver,
    SelfAttentionFusion,
)


def norm(x, layer):
    gamma, beta = (np.asarray(w) for w in layer.get_weights())
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return gamma * (x - mean) / np.sqrt(var + layer.epsilon) + beta


def attention(x, context, layer):
    query, (key, value) = (
        dense(x, layer.ask),
        np.split(dense(context, layer.tell), 2, -1),
    )
    answer = []
    for q in np.split(np.arange(x.shape[-1]), layer.num_heads):
        score = query[..., q] @ key[..., q].swapaxes(1, 2) / np.sqrt(len(q))
        answer.append(softmax(score) @ value[..., q])
    return dense(np.concatenate(answer, -1), layer.join)


def block(x, layer, context=None):
    y = norm(x, layer.norm)
    context = y if context is None else norm(context, layer.context_norm)
    x = x + attention(y, context, layer.attention)
    return x + dense(
        relu(dense(norm(x, layer.norm_2), layer.wide)), layer.narrow
    )


def real_tokens(layer, f):
    """Without the padding, which is what masking has to amount to."""
    return {
        n: dense(f[n]["tokens"][:, f[n]["mask"][0] > 0], layer.projections[n])
        for n in sorted(f)
    }


def repeat(learned, f):
    return np.repeat(np.asarray(learned), len(f["a"]["vector"]), 0)


def one_asks_all(layer, f):
    part, others = layer.parts, [n for n in sorted(f) if n != "b"]
    own = dense(f["b"]["vector"], part["b_self"])
    query = dense(own, part["b_query"])
    real = {n: f[n]["tokens"][:, f[n]["mask"][0] > 0] for n in others}
    key, value = (
        np.concatenate([dense(real[n], part[n + role]) for n in others], 1)
        for role in ("_key", "_value")
    )
    answer = []
    for q in np.split(np.arange(layer.units), layer.num_heads):
        score = np.einsum("bu,btu->bt", query[:, q], key[..., q])
        weight = softmax(score / np.sqrt(len(q)))
        answer.append(np.einsum("bt,btu->bu", weight, value[..., q]))
    x = norm(own + np.concatenate(answer, -1), part["b_norm"])
    return relu(dense(x, layer.dense))


def self_attention(layer, f):
    x = np.concatenate(list(real_tokens(layer, f).values()), 1)
    if layer.pool == "token":
        x = np.concatenate([repeat(layer.token, f), x], 1)
    for i in range(layer.depth):
        x = block(x, layer.parts[f"block_{i}"])
    x = norm(x, layer.parts["norm"])
    return x[:, 0] if layer.pool == "token" else x.mean(1)


def bottleneck(layer, f):
    tokens, count = real_tokens(layer, f), layer.bottleneck
    shared = repeat(layer.shared, f)
    for i in range(layer.depth):
        versions = []
        for n in tokens:
            x = np.concatenate([shared, tokens[n]], 1)
            x = block(x, layer.parts[f"{n}_block_{i}"])
            versions.append(x[:, :count])
            tokens[n] = x[:, count:]
        shared = np.mean(versions, 0)
    return np.mean(
        [norm(tokens[n], layer.parts[f"{n}_norm"]).mean(1) for n in tokens], 0
    )


def mult(layer, f):
    tokens, answers = real_tokens(layer, f), []
    for n in tokens:
        heard = []
        for other in tokens:
            if other != n:
                x = tokens[n]
                for i in range(layer.depth):
                    part = layer.parts[f"{n}_asks_{other}_{i}"]
                    x = block(x, part, tokens[other])
                heard.append(x)
        x = block(np.concatenate(heard, -1), layer.parts[f"{n}_block"])
        answers.append(norm(x, layer.parts[f"{n}_norm"]).mean(1))
    return relu(dense(np.concatenate(answers, -1), layer.dense))


def perceiver(layer, f):
    tokens = np.concatenate(list(real_tokens(layer, f).values()), 1)
    x = repeat(layer.latent, f)
    for i in range(layer.depth):
        x = block(x, layer.parts[f"reads_{i}"], tokens)
        x = block(x, layer.parts[f"thinks_{i}"])
    return norm(x, layer.parts["norm"]).mean(1)


CASES = {
    "one_asks_all": (
        lambda: CrossAttention(6, num_heads=2, query="b"),
        one_asks_all,
    ),
    "self_attention": (
        lambda: SelfAttentionFusion(6, num_heads=2, depth=2),
        self_attention,
    ),
    "self_attention_token": (
        lambda: SelfAttentionFusion(6, num_heads=3, pool="token"),
        self_attention,
    ),
    "bottleneck": (lambda: Bottleneck(6, 2, bottleneck=3), bottleneck),
    "mult": (lambda: MulT(6, num_heads=2, depth=2), mult),
    "perceiver": (lambda: Perceiver(6, 2, depth=2, latents=3), perceiver),
}


@pytest.mark.parametrize("make, reference", CASES.values(), ids=CASES)
def test_output_equals_numpy(make, reference):
    check_equals(make(), reference)


def test_the_one_that_asks_is_not_asked_itself():
    layer, f = CrossAttention(8, query="b"), features()
    expected = np.asarray(layer(f))
    f["b"]["tokens"] += 1
    np.testing.assert_array_equal(np.asarray(layer(f)), expected)
    f["a"]["tokens"] += 1
    assert abs(np.asarray(layer(f)) - expected).max() > 1e-4


def test_a_bottleneck_lets_modalities_hear_of_each_other():
    layer, f = Bottleneck(8), features()
    layer(f)
    # The answer of `a` alone: nothing else can have told it about `b`.
    for name in "bc":
        gamma, beta = layer.parts[f"{name}_norm"].weights
        gamma.assign(0 * gamma)
        beta.assign(0 * beta)
    expected = np.asarray(layer(f))
    f["b"]["tokens"] = -f["b"]["tokens"]
    assert abs(np.asarray(layer(f)) - expected).max() > 1e-5


def test_attention_counts_the_weights_it_says():
    units, d, pairs = 8, sum(WIDTHS.values()), 6
    layer = SelfAttentionFusion(units, depth=2)
    layer(features())
    kernels = sum(w.numpy().size for w in layer.weights if w.ndim == 2)
    assert kernels == d * units + 2 * 12 * units**2
    layer = Perceiver(units, depth=2)
    layer(features())
    kernels = sum(w.numpy().size for w in layer.weights if w.ndim == 2)
    assert kernels == d * units + 2 * 24 * units**2
    layer = MulT(units)
    layer(features())
    kernels = sum(w.numpy().size for w in layer.weights if w.ndim == 2)
    assert kernels == d * units + units**2 * (
        pairs * 12 + 3 * 12 * 2**2 + pairs
    )


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: SelfAttentionFusion(6, num_heads=4),
            "multiple of `num_heads`.*units=6, num_heads=4",
        ),
        (
            lambda: SelfAttentionFusion(pool="max"),
            "`pool` .*mean, token.*'max'",
        ),
        (lambda: SelfAttentionFusion(dropout=1.0), "`dropout` must be.*1.0"),
        (lambda: MulT(depth=0), "`depth` must be a positive.*depth=0"),
        (lambda: Bottleneck(depth=1), "`depth` must be at least 2.*1"),
        (lambda: Bottleneck(bottleneck=0), "`bottleneck` must be.*0"),
        (lambda: Perceiver(latents=1.5), "`latents` must be.*1.5"),
        (
            lambda: CrossAttention(query="d")(features()),
            r"`query` must be one of.*'d'.*\['a', 'b', 'c'\]",
        ),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
