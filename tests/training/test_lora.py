"""LoRA: what learns with it, and that nothing of it is left."""

import keras
import numpy as np
import pytest
from training_toys import HEADS, toy_arrays, toy_data, toy_model

import mmkeras
from mmkeras.training import FullFineTune, add_lora, merge_lora, precision_scope
from mmkeras.training.trainable import check_precision, merged_lora


def toy(seed=0):
    """A tower with each kind of layer that takes LoRA, and a GRU."""
    keras.utils.set_random_seed(seed)
    x = keras.Input((6,), dtype="int32", name="text")
    y = keras.layers.Embedding(9, 8, name="words")(x)
    y = keras.layers.MultiHeadAttention(2, 4, name="attention")(y, y)
    y = keras.layers.GRU(5, name="gru")(y)
    y = keras.layers.Dense(3, activation="relu", name="out")(y)
    tower = keras.Model(x, {"vector": y}, name="text_tower")
    given = {"text": keras.Input((6,), dtype="int32", name="text")}
    fused = keras.layers.Dense(2, name="head")(tower(given["text"])["vector"])
    return keras.Model(given, {"digit": fused})


@pytest.fixture(scope="module")
def tokens():
    return {"text": np.random.default_rng(0).integers(0, 9, (20, 6))}


def shaken(model):
    """Gives LoRA values as if it had learned."""
    random = np.random.default_rng(1)
    for weight in model.weights:
        if weight.name.startswith("lora_"):
            weight.assign(random.normal(size=weight.shape) * 0.3)
    return model


def answers(model, x):
    return np.asarray(model(x, training=False)["digit"])


def test_the_layers_that_take_it_and_what_learns(tokens):
    model = toy()
    before, count = answers(model, tokens), len(model.weights)
    names = [layer.name for layer in add_lora(model, 2)]
    assert names == [
        "words",
        "query",
        "key",
        "value",
        "attention_output",
        "out",
    ]
    # The words and the out layer, an attention in the middle.
    assert len(model.weights) == count + 2 * 6
    learning = {w.path for w in model.trainable_weights}
    assert not any(
        "kernel" in p and "out/" in p and "lora" not in p for p in learning
    )
    assert any(p.endswith("head/kernel") for p in learning)
    assert any("gru" in p for p in learning)
    np.testing.assert_array_equal(answers(model, tokens), before)


@pytest.mark.parametrize("alpha, factor", [(None, 1.0), (6.0, 3.0)])
def test_merged_is_kernel_plus_scaled_product_and_answers_the_same(
    tokens, alpha, factor
):
    model = toy()
    before = answers(model, tokens)
    add_lora(model, 2, alpha=alpha)
    shaken(model)
    out = model.get_layer("text_tower").get_layer("out")
    kernel, a, b = (
        np.asarray(w)
        for w in (out._kernel, out.lora_kernel_a, out.lora_kernel_b)
    )
    unmerged = answers(model, tokens)
    assert merge_lora(model) is model
    np.testing.assert_allclose(out.kernel, kernel + factor * a @ b, rtol=1e-6)
    np.testing.assert_allclose(answers(model, tokens), unmerged, atol=1e-6)
    assert np.abs(unmerged - before).max() > 0.05


def test_nothing_of_it_is_left():
    model, plain = toy(), toy()
    add_lora(model, 2)
    merge_lora(shaken(model))
    assert [w.shape for w in model.weights] == [w.shape for w in plain.weights]
    assert len(model.trainable_weights) == len(plain.trainable_weights)
    assert "lora" not in model.to_json()
    add_lora(model, 3)


def test_what_predict_compiled_before_is_compiled_anew(tokens):
    model = toy()
    add_lora(model, 2)
    unmerged = shaken(model).predict(tokens, verbose=0)["digit"]
    merge_lora(model)
    again = model.predict(tokens, verbose=0)["digit"]
    np.testing.assert_allclose(again, unmerged, atol=1e-6)


def test_a_file_saved_on_the_way_is_plain(tokens, tmp_path):
    model = toy()
    add_lora(model, 2)
    unmerged = answers(shaken(model), tokens)
    kept = model.get_weights()
    with merged_lora(model):
        model.save(tmp_path / "model.keras")
    loaded = mmkeras.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(answers(loaded, tokens), unmerged, atol=1e-6)
    assert len(loaded.weights) == len(toy().weights)
    for now, then in zip(model.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(now, then)
    np.testing.assert_array_equal(answers(model, tokens), unmerged)


def test_a_table_at_rest_learns_by_lora():
    model = toy()
    words = model.get_layer("text_tower").get_layer("words")
    words.trainable = False
    add_lora(model, 2, ["*/words"])
    learning = {w.name for w in words.trainable_weights}
    assert learning == {"lora_embeddings_a", "lora_embeddings_b"}


@pytest.mark.parametrize(
    "patterns, message",
    [
        (["*/gru"], "must match a Dense, EinsumDense or Embedding"),
        (["*/grue"], "matches none. Near: .*gru"),
    ],
)
def test_patterns_without_a_layer_for_it_are_refused(patterns, message):
    with pytest.raises(ValueError, match=message):
        add_lora(toy(), 2, patterns)


def test_layers_that_have_it_or_are_quantized_are_refused():
    model = toy()
    add_lora(model, 2, ["*/out"])
    with pytest.raises(ValueError, match="`text_tower/out`, which has LoRA of"):
        add_lora(model, 2)
    model = toy()
    model.get_layer("text_tower").get_layer("out").quantize("int8")
    with pytest.raises(ValueError, match="`text_tower/out`, quantized to int8"):
        add_lora(model, 2)


def test_a_strategy_trains_with_it_and_leaves_a_plain_model(eagerly):
    """With the towers frozen, their kernels move by a rank of 1 alone."""
    model = toy_model()
    x = toy_arrays()[0]
    shapes = [weight.shape for weight in model.weights]
    dense = model.get_layer("sound_tower").layers[1]
    before = [np.array(w) for w in dense.weights]
    strategy = FullFineTune(
        epochs=4, learning_rate=0.05, lora_rank=1, freeze=["*_tower/*"]
    )
    history = strategy.fit(model, toy_data(), HEADS, verbose=0)
    assert history.history["loss"][-1] < history.history["loss"][0]
    assert [weight.shape for weight in model.weights] == shapes
    assert all(layer.trainable for layer in model._flatten_layers())
    change = np.asarray(dense.kernel) - before[0]
    singular = np.linalg.svd(change, compute_uv=False)
    assert singular[0] > 0.01
    assert singular[1] < 1e-5
    np.testing.assert_array_equal(dense.bias, before[1])
    assert np.isfinite(model.predict(x, verbose=0)["digit"]).all()


def test_checkpoints_on_the_way_are_plain_too(eagerly, tmp_path):
    """In float32 and without LoRA, as the model that `fit` leaves."""
    with precision_scope("mixed_bfloat16"):
        model = toy_model()
    count = len(model.weights)
    FullFineTune(
        epochs=1, lora_rank=1, precision="mixed_bfloat16", tensorboard=False
    ).fit(model, toy_data(), HEADS, out=tmp_path, verbose=0)
    path = tmp_path / "checkpoints" / "epoch-0001" / "model.keras"
    loaded = mmkeras.load_model(path)
    assert len(loaded.weights) == count
    check_precision(loaded, "float32")
    x = toy_arrays()[0]
    for target, value in model(x).items():
        np.testing.assert_allclose(loaded(x)[target], value, atol=1e-6)
