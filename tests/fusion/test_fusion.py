"""Fusion formulas against NumPy, and what `Fusion` promises for all."""

import keras
import numpy as np
import pytest
from fusion_toys import check_equals, dense, features
from keras import ops

from mmkeras.fusion import (
    MLP,
    Average,
    Bilinear,
    Concat,
    CrossAttention,
    FiLM,
    Fusion,
    Gated,
    LowRank,
    Max,
    Mean,
    MixtureOfExperts,
    MultiplicativeInteraction,
    ProductOfExperts,
    Projection,
    Stacking,
    TensorFusion,
    WeightedAverage,
    WeightedMean,
)

RNG = np.random.default_rng(0)
# Parameters of kernels, as the docstrings state them, for three modalities of
# width d and `units` 8.
KERNELS = {
    Average: lambda d: 3 * d * 8,
    Bilinear: lambda d: 3 * d * 4 * 8,
    Concat: lambda d: 3 * d * 8,
    FiLM: lambda d: 3 * 5 * d * 8,
    Gated: lambda d: 3 * 4 * d * 8,
    LowRank: lambda d: 3 * d * 4 * 8,
    MLP: lambda d: 128 * (3 * d + 8),
    Max: lambda d: 3 * d * 8,
    Mean: lambda d: 3 * d * 8,
    MixtureOfExperts: lambda d: 3 * d * 4 * 9,
    MultiplicativeInteraction: lambda d: (
        3 * 9 * d * 8 + 3 * 2 * d * 8 + 3 * 8 * 8
    ),
    ProductOfExperts: lambda d: 3 * d * 8,
    Projection: lambda d: 3 * d * 8,
    Stacking: lambda d: 3 * 8 * (d + 8),
    TensorFusion: lambda d: 3 * d * 8 + 9**3 * 8,
    WeightedAverage: lambda d: 3 * d * 8,
    WeightedMean: lambda d: 3 * d * 8,
}
FUSIONS = [*KERNELS, CrossAttention]


def cross_attention(layer, f):
    part, heads = layer.parts, layer.num_heads
    answers = []
    for name in sorted(f):
        others = [n for n in sorted(f) if n != name]
        own = dense(f[name]["vector"], part[f"{name}_self"])
        query = dense(own, part[f"{name}_query"])
        answer = []
        for q in np.split(np.arange(layer.units), heads):
            # Only real tokens, which is what masking has to amount to.
            real = [f[n]["tokens"][:, f[n]["mask"][0] > 0] for n in others]
            k = [dense(t, part[f"{n}_key"]) for n, t in zip(others, real)]
            v = [dense(t, part[f"{n}_value"]) for n, t in zip(others, real)]
            k, v = np.concatenate(k, 1)[..., q], np.concatenate(v, 1)[..., q]
            score = np.einsum("bu,btu->bt", query[:, q], k) / np.sqrt(len(q))
            weight = np.exp(score) / np.exp(score).sum(1, keepdims=True)
            answer.append(np.einsum("bt,btu->bu", weight, v))
        x = own + np.concatenate(answer, -1)
        mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        gamma, beta = part[f"{name}_norm"].get_weights()
        answers.append(gamma * (x - mean) / np.sqrt(var + 1e-3) + beta)
    return np.maximum(dense(np.concatenate(answers, -1), layer.dense), 0)


def test_cross_attention_equals_numpy():
    check_equals(CrossAttention(6, num_heads=2), cross_attention)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_an_absent_modality_has_no_influence(fusion):
    layer, f = fusion(8), features()
    present = np.array([[1], [0], [1], [0], [0], [1]], "float32")
    given = {"a": present, "c": np.ones_like(present)}
    expected = np.asarray(layer(f, present=given))
    for key in ("vector", "tokens"):
        noise = RNG.normal(scale=1e3, size=f["a"][key].shape)
        gone = present[:, 0] == 0
        f["a"][key][gone] = noise[gone]
    np.testing.assert_array_equal(np.asarray(layer(f, present=given)), expected)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_with_everything_absent_the_output_is_finite(fusion):
    layer, f = fusion(8), features()
    none = {name: np.zeros((6, 1), "float32") for name in f}
    fused = np.asarray(layer(f, present=none))
    assert np.isfinite(fused).all()
    np.testing.assert_allclose(fused, fused[:1].repeat(6, 0), atol=1e-6)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_order_of_the_dict_does_not_matter(fusion):
    layer, f = fusion(8), features()
    expected = np.asarray(layer(f))
    turned = {name: f[name] for name in reversed(sorted(f))}
    np.testing.assert_array_equal(np.asarray(layer(turned)), expected)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_one_modality_alone_is_enough(fusion):
    assert fusion(8)(features(widths={"a": 8})).shape == (6, 8)


def test_padding_has_no_influence_on_attention():
    layer, f = CrossAttention(8), features()
    expected = np.asarray(layer(f))
    f["b"]["tokens"][:, -2:] += 5
    np.testing.assert_allclose(np.asarray(layer(f)), expected, atol=1e-4)


@pytest.mark.parametrize("first, then", [(None, ["a"]), (["a"], None)])
def test_who_may_be_absent_is_settled_by_the_first_call(first, then):
    given = features(2)
    first, then = (
        names and {n: np.zeros((2, 1), "float32") for n in names}
        for names in (first, then)
    )
    layer = Gated(4)
    layer(given, present=first)
    message = "`present` must have the optional modalities"
    with pytest.raises(ValueError, match=message):
        layer(given, present=then)


def test_the_stand_in_is_learned():
    layer = Concat(4)
    f = features(widths={"a": 8, "b": 8})
    layer(f, present={"a": np.zeros((6, 1), "float32")})
    assert [w.path.split("/")[-1] for w in layer.trainable_weights][0] == (
        "a_standin"
    )


def test_a_fusion_of_your_own_needs_one_method():
    class Own(Fusion):
        def fuse(self, features):
            vectors = [features[name]["vector"] for name in sorted(features)]
            return ops.mean(ops.stack(vectors), axis=0)

    f = features(widths=dict.fromkeys("abc", 8))
    expected = np.mean([f[n]["vector"] for n in f], axis=0)
    np.testing.assert_allclose(np.asarray(Own(8)(f)), expected, atol=1e-6)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Concat(0), "`units` must be a positive.*units=0"),
        (lambda: Gated(8, dropout=1.0), "`dropout` must be.*1.0"),
        (
            lambda: CrossAttention(6, num_heads=4),
            "multiple of `num_heads`.*units=6, num_heads=4",
        ),
        (lambda: Fusion(8)(features()), "must implement `fuse"),
    ],
)
def test_wrong_arguments_are_named(make, message):
    with pytest.raises((ValueError, NotImplementedError), match=message):
        make()


def test_modality_dropout_is_the_identity_outside_training():
    from mmkeras.fusion import ModalityDropout

    present = RNG.integers(0, 2, (64, 3)).astype("float32")
    layer = ModalityDropout(0.5, seed=1)
    np.testing.assert_array_equal(np.asarray(layer(present)), present)


@pytest.mark.parametrize("keep_one", [True, False])
def test_modality_dropout_drops_at_its_rate(keep_one):
    from mmkeras.fusion import ModalityDropout

    present = np.ones((20_000, 3), "float32")
    layer = ModalityDropout(0.3, keep_one=keep_one, seed=1)
    kept = np.asarray(layer(present, training=True))
    # All three dropped (0.3 ** 3) become all three kept with `keep_one`.
    expected = 0.7 + (0.3**3 if keep_one else 0)
    assert kept.mean() == pytest.approx(expected, abs=0.01)
    assert (kept.max(1) == 1).all() == keep_one


@pytest.mark.parametrize("fusion", KERNELS)
def test_kernels_are_as_many_as_the_docstring_says(fusion):
    layer = fusion(8)
    layer(features(widths=dict.fromkeys("abc", 5)))
    kernels = [w for w in layer.weights if len(w.shape) > 1]
    assert sum(np.prod(w.shape) for w in kernels) == KERNELS[fusion](5)


def model_of(layer, widths, policy=None):
    """A fusion as a model of its own; the first modality is optional."""
    inputs = {n: keras.Input((d,), name=n) for n, d in widths.items()}
    outputs = {
        n: {
            "vector": x,
            "tokens": ops.expand_dims(x, 1),
            "mask": ops.ones_like(x[:, :1]),
        }
        for n, x in inputs.items()
    }
    present = keras.Input((1,), name="present")
    first = sorted(widths)[0]
    y = layer(outputs, present={first: present})
    return keras.Model({**inputs, "present": present}, y)


@pytest.fixture
def half_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_keras_saves_and_loads_it(fusion, tmp_path, half_precision):
    widths = {"a": 8, "b": 5, "c": 3}
    model = model_of(fusion(8), widths)
    x = {n: RNG.normal(size=(3, d)) for n, d in widths.items()}
    x["present"] = np.array([[0], [1], [0]])
    x = {n: v.astype("float32") for n, v in x.items()}
    expected = np.asarray(model(x))
    assert np.isfinite(expected).all()
    model.save(tmp_path / "m.keras")
    # What it computes in is its own, and no matter of where it is loaded.
    keras.config.set_dtype_policy("float32")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(np.asarray(again(x)), expected)
