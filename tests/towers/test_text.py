"""The text tower: contract, padding, layers against NumPy, errors."""

import keras
import numpy as np
import pytest

from mmkeras.towers import text_tower
from mmkeras.towers.text import MaskedMean, SelfAttention

TINY = {"max_tokens": 8, "vocabulary_size": 20, "units": 4, "heads": 2}
VARIANTS = {
    "transformer": {},
    "two blocks": {"depth": 2},
    "phrases": {"phrase": 3},
    "merged": {"phrase": 3, "stride": 4},
    "gru": {"variant": "gru"},
    "gru forward": {"variant": "gru", "bidirectional": False, "depth": 2},
    "gru merged": {"variant": "gru", "stride": 2},
}
IDS = np.array([[3, 7, 1, 0, 0, 0, 0, 0], [5, 5, 2, 9, 11, 19, 4, 8]], "int32")
EMPTY = np.zeros((1, 8), "int32")
each_variant = pytest.mark.parametrize(
    "arguments", VARIANTS.values(), ids=VARIANTS
)


@each_variant
def test_contract(arguments):
    tower = text_tower(name="review", **TINY, **arguments)
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
    tower = text_tower(**TINY, **arguments)
    before = tower(IDS)["vector"]
    table = tower.get_layer("text_embedding").embeddings
    table.assign(np.concatenate([np.full((1, 4), 100.0), table[1:]]))
    np.testing.assert_allclose(tower(IDS)["vector"], before, atol=1e-6)
    # The check has teeth: a real token changed in the same way does matter.
    table.assign(np.concatenate([table[:1], np.full((19, 4), 100.0)]))
    assert np.abs(tower(IDS)["vector"] - before).max() > 1e-3


def test_gru_reads_a_padded_text_as_the_text_alone():
    keras.utils.set_random_seed(0)
    tower = text_tower(**TINY, variant="gru")
    alone = text_tower(**{**TINY, "max_tokens": 3}, variant="gru")
    alone.set_weights(tower.get_weights())
    np.testing.assert_allclose(
        tower(IDS[:1])["vector"], alone(IDS[:1, :3])["vector"], atol=1e-6
    )


@each_variant
def test_only_padding_gives_zeros_and_a_finite_gradient(arguments):
    import tensorflow as tf

    tower = text_tower(**TINY, **arguments)
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


def test_order_matters_to_a_transformer():
    tower = text_tower(**TINY)
    one, other = tower(IDS)["vector"][1], tower(IDS[:, ::-1])["vector"][1]
    assert np.abs(one - other).max() > 1e-4


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
    tower = text_tower(**TINY, **arguments)
    tower.save(tmp_path / "tower.keras")
    loaded = keras.saving.load_model(tmp_path / "tower.keras")
    for key, value in tower(IDS).items():
        np.testing.assert_array_equal(loaded(IDS)[key], value)


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"variant": "lstm"}, "`variant`.*'gru', 'transformer'.*'lstm'"),
        ({"units": 0}, "`units` must be a positive integer.*units=0"),
        ({"heads": 3}, "`heads` must divide the width.*heads=3 with width 4"),
        ({"stride": 3}, "`stride` must divide `max_tokens`.*stride=3"),
        ({"phrase": 0}, "`phrase` must be a positive integer.*phrase=0"),
        ({"max_tokens": "9"}, "`max_tokens` must be a positive integer.*'9'"),
    ],
)
def test_refuses(arguments, said):
    with pytest.raises(ValueError, match=said):
        text_tower(**{**TINY, **arguments})
