"""The text tower: contract, padding, layers against NumPy, errors."""

import keras
import numpy as np
import pytest

from mmkeras.towers import MaskedMean, SelfAttention, text_tower

TINY = {"max_tokens": 8, "vocabulary_size": 20, "units": 4}
VARIANTS = {
    "transformer": {},
    "two blocks": {"depth": 2},
    "phrases": {"phrase": 3},
    "merged": {"phrase": 3, "stride": 4},
    "gru": {"variant": "gru"},
    "gru forward": {"variant": "gru", "bidirectional": False, "depth": 2},
    "gru merged": {"variant": "gru", "stride": 2},
    "lstm": {"variant": "lstm"},
    "lstm forward": {"variant": "lstm", "bidirectional": False},
    "bag": {"variant": "bag"},
    "cnn": {"variant": "cnn", "widths": [2, 3, 4]},
}
IDS = np.array([[3, 7, 1, 0, 0, 0, 0, 0], [5, 5, 2, 9, 11, 19, 4, 8]], "int32")
EMPTY = np.zeros((1, 8), "int32")
each_variant = pytest.mark.parametrize(
    "arguments", VARIANTS.values(), ids=VARIANTS
)


def build(**arguments):
    if arguments.get("variant", "transformer") == "transformer":
        arguments = {"heads": 2, **arguments}
    return text_tower(**{**TINY, **arguments})


@each_variant
def test_contract(arguments):
    tower = build(name="review", **arguments)
    stride = arguments.get("stride", 1)
    assert tower.name == "review_tower"
    assert [i.name for i in tower.inputs] == ["review"]
    assert tower.inputs[0].dtype == "int32"
    out = tower(IDS)
    assert {k: tuple(v.shape) for k, v in out.items()} == {
        "vector": (2, 4),
        "tokens": (2, 8 // stride, 4),
        "mask": (2, 8 // stride),
    }
    real = (IDS != 0).reshape(2, -1, stride).any(axis=-1)
    np.testing.assert_array_equal(out["mask"], real)


@each_variant
def test_what_padding_holds_does_not_matter(arguments):
    tower = build(**arguments)
    before = tower(IDS)["vector"]
    table = tower.get_layer("text_embedding").embeddings
    table.assign(np.concatenate([np.full((1, 4), 100.0), table[1:]]))
    np.testing.assert_allclose(tower(IDS)["vector"], before, atol=1e-6)
    # The check has teeth: a real token changed in the same way does matter.
    table.assign(np.concatenate([table[:1], np.full((19, 4), 100.0)]))
    assert np.abs(tower(IDS)["vector"] - before).max() > 1e-3


@pytest.mark.parametrize("variant", ["bag", "cnn", "gru", "lstm"])
def test_a_padded_text_is_read_as_the_text_alone(variant):
    keras.utils.set_random_seed(0)
    tower = build(variant=variant)
    alone = build(max_tokens=3, variant=variant)
    alone.set_weights(tower.get_weights())
    np.testing.assert_allclose(
        tower(IDS[:1])["vector"], alone(IDS[:1, :3])["vector"], atol=1e-6
    )


@each_variant
def test_only_padding_gives_zeros_and_a_finite_gradient(arguments):
    import tensorflow as tf

    tower = build(**arguments)
    with tf.GradientTape() as tape:
        out = tower(EMPTY)
        loss = tf.reduce_sum(out["vector"] + tf.reduce_sum(out["tokens"]))
    np.testing.assert_array_equal(out["vector"], np.zeros((1, 4)))
    assert np.isfinite(out["tokens"]).all()
    gradients = tape.gradient(loss, tower.trainable_variables)
    assert all(
        np.isfinite(tf.convert_to_tensor(g)).all()
        for g in gradients
        if g is not None
    )


@pytest.mark.parametrize("variant", ["bag", "cnn", "gru", "transformer"])
def test_order_matters_to_all_but_the_bag(variant):
    tower = build(variant=variant)
    one, other = tower(IDS)["vector"][1], tower(IDS[:, ::-1])["vector"][1]
    assert (np.abs(one - other).max() > 1e-5) == (variant != "bag")


def test_convolutions_against_numpy():
    """Kim's: the largest of each map over the real positions."""
    tower = text_tower(8, 20, variant="cnn", units=5, widths=[2, 3])
    table = np.asarray(tower.get_layer("text_embedding").embeddings)
    x = table[IDS] * (IDS != 0)[..., None]
    found = []
    for i, width in enumerate([2, 3]):
        kernel, bias = tower.get_layer(f"text_conv_{i}").get_weights()
        assert kernel.shape[-1] == 3 - i, "the maps share the units"
        before = (width - 1) // 2
        rows = np.pad(x, ((0, 0), (before, width - 1 - before), (0, 0)))
        maps = sum(rows[:, j : j + 8] @ kernel[j] for j in range(width))
        maps = np.maximum(maps + bias, 0) * (IDS != 0)[..., None]
        found.append(maps.max(axis=1))
    np.testing.assert_allclose(
        tower(IDS)["vector"], np.concatenate(found, axis=1), atol=1e-6
    )


@each_variant
def test_half_precision_is_finite_and_leaves_the_mask_exact(arguments):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        out = build(**arguments)(IDS)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert {k: v.dtype.name for k, v in out.items()} == {
        "vector": "float16", "tokens": "float16", "mask": "float32",
    }  # fmt: skip
    assert all(np.isfinite(value).all() for value in out.values())


def test_attention_against_numpy():
    layer = SelfAttention(heads=2)
    generator = np.random.default_rng(0)
    x = generator.normal(size=(2, 3, 4)).astype("float32")
    mask = np.array([[1, 1, 0], [1, 1, 1]], "float32")
    y = layer(x, mask)

    (w, b), (joint_w, joint_b) = [
        [np.asarray(v) for v in part.weights]
        for part in (layer.project, layer.join)
    ]
    q, k, v = np.split(x @ w + b, 3, axis=-1)
    heads = []
    for i in (0, 2):
        part = slice(i, i + 2)
        scores = q[..., part] @ k[..., part].swapaxes(1, 2) / np.sqrt(2)
        weights = np.exp(scores) * mask[:, None, :]
        weights /= weights.sum(axis=-1, keepdims=True)
        heads.append(weights @ v[..., part])
    expected = np.concatenate(heads, axis=-1) @ joint_w + joint_b
    np.testing.assert_allclose(y, expected, atol=1e-6)


@pytest.mark.parametrize(
    "mask, expected",
    [([1, 1, 1], [2.0, 3.0]), ([1, 0, 1], [2.5, 2.5]), ([0, 0, 0], [0, 0])],
)
def test_masked_mean(mask, expected):
    x = np.array([[[1.0, 4.0], [1.0, 4.0], [4.0, 1.0]]], "float32")
    y = MaskedMean()(x, np.array([mask], "float32"))
    np.testing.assert_allclose(y[0], expected)


@each_variant
def test_saved_tower_reloads_equal(tmp_path, arguments):
    tower = build(**arguments)
    tower.save(tmp_path / "tower.keras")
    loaded = keras.saving.load_model(tmp_path / "tower.keras")
    for key, value in tower(IDS).items():
        np.testing.assert_array_equal(loaded(IDS)[key], value)


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"variant": "rnn"}, "`variant`.*, gru, lstm, .*'rnn'"),
        ({"variant": "cnn", "widths": []}, "`widths` must.*widths=.., units=4"),
        ({"variant": "cnn", "widths": [0]}, "`widths` must be a positive"),
        (
            {"variant": "bert", "stride": 2},
            "`stride` needs.*transformer.*variant='bert'",
        ),
        (
            {"pretrained": "bert_tiny"},
            "`pretrained` needs.*bert.*variant='transformer'",
        ),
        ({"word_vectors": "x.txt"}, "`word_vectors` needs `tokenizer`"),
        ({"units": 0}, "`units` must be a positive integer.*units=0"),
        ({"heads": 3}, "`heads` must divide the width.*heads=3 with width 4"),
        ({"stride": 3}, "`stride` must divide `max_tokens`.*stride=3"),
        ({"phrase": 0}, "`phrase` must be a positive integer.*phrase=0"),
        ({"max_tokens": "9"}, "`max_tokens` must be a positive integer.*'9'"),
    ],
)
def test_refuses(arguments, said):
    with pytest.raises(ValueError, match=said):
        build(**arguments)
