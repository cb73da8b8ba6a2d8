"""What every attention and every structured fusion promises."""

import keras
import numpy as np
import pytest
from fusion_toys import features, shaken

from mmkeras import fusion

FUSIONS = {
    "cross_attention": lambda: fusion.CrossAttention(8),
    "one_asks_all": lambda: fusion.CrossAttention(8, query="b"),
    "self_attention": lambda: fusion.SelfAttentionFusion(8),
    "self_attention_token": lambda: fusion.SelfAttentionFusion(8, pool="token"),
    "bottleneck": lambda: fusion.Bottleneck(8),
    "mult": lambda: fusion.MulT(8),
    "perceiver": lambda: fusion.Perceiver(8, latents=3),
    "multi_channel": lambda: fusion.MultiChannelAttention(8),
    "graph": lambda: fusion.Graph(8),
    "graph_tokens": lambda: fusion.Graph(8, nodes="tokens"),
    "multi_view": lambda: fusion.MultiView(8),
    "mimo": lambda: fusion.MIMO(8),
    "modality_invariant": lambda: fusion.ModalityInvariant(8),
}
case = pytest.mark.parametrize("make", FUSIONS.values(), ids=FUSIONS)
RNG = np.random.default_rng(0)


def uneven(batch=6):
    """Modalities of different widths and lengths; padding anywhere, even all
    of a modality, as of an empty text.
    """
    f = features(batch)
    for name, tokens in {"a": 5, "b": 3, "c": 4}.items():
        f[name]["tokens"] = f[name]["tokens"][:, :tokens]
        mask = RNG.integers(0, 2, (batch, tokens)).astype("float32")
        mask[0] = 0
        f[name]["mask"] = mask
    return f


@case
def test_padding_has_no_influence(make):
    layer, f = make(), uneven()
    expected = shaken(layer, f)
    for each in f.values():
        noise = RNG.normal(scale=1e3, size=each["tokens"].shape)
        padding = each["mask"][..., None] == 0
        each["tokens"] = np.where(padding, noise, each["tokens"]).astype(
            "float32"
        )
    np.testing.assert_allclose(np.asarray(layer(f)), expected, atol=1e-5)


@case
def test_an_absent_modality_has_no_influence(make):
    layer, f = make(), uneven()
    present = np.array([[1], [0], [1], [0], [0], [1]], "float32")
    given = {"a": present, "c": np.ones_like(present)}
    expected = shaken(layer, f, present=given)
    gone = present[:, 0] == 0
    for key in ("vector", "tokens"):
        noise = RNG.normal(scale=1e3, size=f["a"][key].shape)
        f["a"][key][gone] = noise[gone]
    f["a"]["mask"][gone] = 1 - f["a"]["mask"][gone]
    np.testing.assert_array_equal(np.asarray(layer(f, present=given)), expected)


@case
def test_with_everything_absent_the_output_is_finite(make):
    layer, f = make(), uneven()
    none = {name: np.zeros((6, 1), "float32") for name in f}
    fused = shaken(layer, f, present=none)
    assert np.isfinite(fused).all()
    np.testing.assert_allclose(fused, fused[:1].repeat(6, 0), atol=1e-5)


@case
def test_the_order_of_the_dict_does_not_matter(make):
    layer, f = make(), uneven()
    expected = shaken(layer, f)
    turned = {name: f[name] for name in reversed(sorted(f))}
    np.testing.assert_array_equal(np.asarray(layer(turned)), expected)


@case
def test_one_modality_alone_is_enough(make):
    fused = np.asarray(make()(features(widths={"b": 5})))
    assert fused.shape == (6, 8)
    assert np.isfinite(fused).all()


@case
def test_half_precision_is_finite_and_close(make):
    layer, f = make(), uneven()
    expected = shaken(layer, f)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = make()
        half(f)
    finally:
        keras.config.set_dtype_policy("float32")
    half.set_weights(layer.get_weights())
    got = np.asarray(half(f, training=True))
    assert got.dtype == "float16"
    assert all(np.isfinite(float(x)) for x in half.losses)
    np.testing.assert_allclose(got, expected, atol=0.05, rtol=0.05)
    # The policy is the fusion's own, whatever is set when it is loaded.
    again = type(half).from_config(half.get_config())
    again(f)
    policies = {x.dtype_policy.name for x in again._flatten_layers()}
    assert policies == {"mixed_float16"}


@case
def test_every_weight_learns(make):
    import tensorflow as tf

    layer, f = make(), uneven()
    present = {"a": np.array([[1], [0]] * 3, "float32")}
    # Where nothing is there, even the quietest stand-in speaks.
    present |= {n: present["a"] for n in "bc"}
    shaken(layer, f, present=present)
    aim = RNG.normal(size=(6, 8)).astype("float32")
    with tf.GradientTape() as tape:
        fused = layer(f, present=present, training=True)
        loss = tf.reduce_sum(fused * aim) + sum(layer.losses)
    weights = layer.trainable_weights
    gradients = tape.gradient(loss, [w.value for w in weights])
    # A softmax does not care for what is added to all its scores.
    unmoved = [
        w.path
        for w, g in zip(weights, gradients, strict=True)
        if not w.path.endswith("_key/bias")
        and (g is None or not np.abs(g).max() > 0)
    ]
    assert not unmoved
