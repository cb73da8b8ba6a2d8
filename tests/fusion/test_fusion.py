"""Fusion formulas against NumPy, and what `Fusion` promises for all."""

import keras
import numpy as np
import pytest
from keras import ops

from mmkeras.fusion import Concat, CrossAttention, Fusion, Gated

RNG = np.random.default_rng(0)
FUSIONS = [Concat, Gated, CrossAttention]


def features(batch=6, names="abc", width=8, tokens=5):
    """Random tower outputs; the last two tokens are padding."""
    mask = np.ones((batch, tokens), "float32")
    mask[:, -2:] = 0
    return {
        name: {
            "vector": RNG.normal(size=(batch, width)).astype("float32"),
            "tokens": RNG.normal(size=(batch, tokens, width)).astype("float32"),
            "mask": mask,
        }
        for name in names
    }


def dense(x, layer):
    kernel, bias = (np.asarray(w) for w in layer.get_weights())
    return x @ kernel + bias


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def concat(layer, f):
    x = np.concatenate([f[n]["vector"] for n in sorted(f)], -1)
    return np.maximum(dense(x, layer.dense), 0)


def gated(layer, f):
    x = np.concatenate([f[n]["vector"] for n in sorted(f)], -1)
    return sum(
        sigmoid(dense(x, layer.gates[n]))
        * np.tanh(dense(f[n]["vector"], layer.projections[n]))
        for n in sorted(f)
    )


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
        answers.append((x - mean) / np.sqrt(var + 1e-3))
    return np.maximum(dense(np.concatenate(answers, -1), layer.dense), 0)


@pytest.mark.parametrize(
    "layer, reference",
    [
        (Concat(6), concat),
        (Gated(6), gated),
        (CrossAttention(6, num_heads=2), cross_attention),
    ],
    ids=["concat", "gated", "cross_attention"],
)
def test_output_equals_numpy(layer, reference):
    f = features()
    np.testing.assert_allclose(
        np.asarray(layer(f)), reference(layer, f), rtol=1e-4, atol=1e-5
    )


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
    assert fusion(8)(features(names="a")).shape == (6, 8)


def test_padding_has_no_influence_on_attention():
    layer, f = CrossAttention(8), features()
    expected = np.asarray(layer(f))
    f["b"]["tokens"][:, -2:] += 5
    np.testing.assert_allclose(np.asarray(layer(f)), expected, atol=1e-4)


def test_the_stand_in_is_learned():
    layer = Concat(4)
    f = features(names="ab")
    layer(f, present={"a": np.zeros((6, 1), "float32")})
    assert [w.path.split("/")[-1] for w in layer.trainable_weights][0] == (
        "a_standin"
    )


def test_a_fusion_of_your_own_needs_one_method():
    class Mean(Fusion):
        def fuse(self, features):
            vectors = [features[name]["vector"] for name in sorted(features)]
            return ops.mean(ops.stack(vectors), axis=0)

    f = features()
    expected = np.mean([f[n]["vector"] for n in f], axis=0)
    np.testing.assert_allclose(np.asarray(Mean(8)(f)), expected, atol=1e-6)


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


def test_keras_saves_and_loads_it(tmp_path):
    inputs = {n: keras.Input((8,), name=n) for n in "ab"}
    outputs = {
        n: {
            "vector": inputs[n],
            "tokens": ops.expand_dims(inputs[n], 1),
            "mask": ops.ones_like(inputs[n][:, :1]),
        }
        for n in "ab"
    }
    present = keras.Input((1,), name="present")
    y = Gated(4)(outputs, present={"a": present})
    model = keras.Model({**inputs, "present": present}, y)
    x = {n: RNG.normal(size=(3, 8)).astype("float32") for n in "ab"}
    x["present"] = np.array([[0], [1], [0]], "float32")
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(
        again.predict(x, verbose=0), model.predict(x, verbose=0)
    )
