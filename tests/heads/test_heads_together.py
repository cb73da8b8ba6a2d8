"""Heads of every kind on one model; a missing label moves nothing."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from compiling import compiled

from mmkeras import heads
from mmkeras.export import count_operators, open_file, run_all, to_tflite

HEADS = {
    "grade": heads.Ordinal(4),
    "move": heads.Sequence(3, steps=4, modality="sound", units=6),
    "side": heads.Category(3, class_weights=[1.0, 2.0, 3.0]),
    "size": heads.Number(mean=5, std=2, huber_delta=1.0),
    "tags": heads.Categories(2, focal_gamma=2.0),
    "who": heads.Embedding(5),
    "whom": heads.Embedding(5, objective="siglip"),
}
SAMPLES = 12


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    inputs = {
        "fused": keras.Input((5,), name="fused"),
        "tokens": keras.Input((6, 4), name="tokens"),
    }
    mask = keras.ops.ones_like(inputs["tokens"][:, :, 0])
    features = {"sound": {"tokens": inputs["tokens"], "mask": mask}}
    x = keras.layers.Dense(8, activation="tanh")(inputs["fused"])
    outputs = {n: head(x, n, features) for n, head in HEADS.items()}
    return keras.Model(inputs, outputs)


def test_a_batch_of_one_and_a_saved_model_answer_alike(model, tmp_path):
    x, _, _ = batch()
    wanted = model.predict(x, verbose=0)
    model.save(tmp_path / "heads.keras")
    again = keras.saving.load_model(tmp_path / "heads.keras")
    one = model({name: value[:1] for name, value in x.items()})
    for name, value in again.predict(x, verbose=0).items():
        np.testing.assert_array_equal(value, wanted[name])
        np.testing.assert_allclose(one[name], value[:1], atol=1e-6)


@pytest.mark.filterwarnings("ignore")  # of the converter
def test_a_device_answers_as_keras_with_operators_that_it_has(model, tmp_path):
    x, _, _ = batch()
    to_tflite(model, tmp_path / "heads.tflite")
    found = run_all(open_file(tmp_path / "heads.tflite"), x)
    for name, value in model.predict(x, verbose=0).items():
        np.testing.assert_allclose(found[name], value, atol=1e-5)
    operators = count_operators(tmp_path / "heads.tflite")
    assert not [name for name in operators if not name.isupper()]
    # Their product with a constant is a dense layer, which is int8 everywhere.
    assert "BATCH_MATMUL" not in operators and "CUMSUM" not in operators


def batch(seed=0):
    rng = np.random.default_rng(seed)
    x = {
        "fused": rng.normal(size=(SAMPLES, 5)).astype("float32"),
        "tokens": rng.normal(size=(SAMPLES, 6, 4)).astype("float32"),
    }
    y = {
        "grade": rng.integers(0, 4, SAMPLES),
        "move": rng.integers(0, 3, (SAMPLES, 4)),
        "side": rng.integers(0, 3, SAMPLES),
        "size": rng.normal(5, 2, SAMPLES).astype("float32"),
        "tags": rng.integers(0, 2, (SAMPLES, 2)).astype("float32"),
        "who": np.arange(SAMPLES) % 4,
        "whom": np.arange(SAMPLES) % 4,
    }
    shapes = {n: y[n].shape[: 1 + (n == "move")] for n in y}
    return x, y, {n: np.ones(s, "float32") for n, s in shapes.items()}


def gradients(model, x, y, w, names):
    """Gradient of the losses of `names` by weight, None where not reached."""
    loss_of = heads.losses(HEADS)
    with tf.GradientTape() as tape:
        found = model(x, training=True)
        total = sum(loss_of[n](y[n], found[n], w[n]) for n in names)
    values = [v.value for v in model.trainable_weights]
    return tape.gradient(total, values)


def test_all_at_once_reach_every_weight(model):
    found = gradients(model, *batch(), HEADS)
    assert all(g is not None and np.abs(g).max() > 0 for g in found)


@pytest.mark.parametrize("name", HEADS)
def test_a_target_without_labels_has_no_gradient_at_all(model, name):
    x, y, w = batch()
    w[name] *= 0
    if name in ("who", "whom"):
        y[name] = np.full(SAMPLES, -1)
    for gradient in gradients(model, x, y, w, [name]):
        assert gradient is None or not np.any(gradient)


@pytest.mark.parametrize("name", HEADS)
def test_one_missing_label_is_as_if_the_sample_were_not_there(model, name):
    x, y, w = batch()
    w[name][2] = 0
    if name in ("who", "whom"):
        y[name][2] = -1
    before = gradients(model, x, y, w, [name])
    # Neither its label nor its input counts.
    y[name][2] = {"size": 99.0}.get(name, y[name][2])
    for values in x.values():
        values[2] = 7.0
    for one, other in zip(
        before, gradients(model, x, y, w, [name]), strict=True
    ):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_step_without_label_does_not_count(model):
    x, y, w = batch()
    w["move"][:, 1] = 0
    before = gradients(model, x, y, w, ["move"])
    y["move"][:, 1] = (y["move"][:, 1] + 1) % 3
    for one, other in zip(
        before, gradients(model, x, y, w, ["move"]), strict=True
    ):
        assert one is None or np.array_equal(one, other)


def test_all_kinds_are_fitted_and_measured_by_keras_itself(model):
    x, y, w = batch()
    compiled(
        model,
        (x, y, w),
        keras.optimizers.Adam(0.02),
        heads.losses(HEADS),
        loss_weights=heads.loss_weights(HEADS),
        weighted_metrics=heads.metrics(HEADS),
    )
    data = tf.data.Dataset.from_tensor_slices((x, y, w)).batch(SAMPLES)
    figures = model.fit(data.repeat(20), epochs=2, verbose=0).history
    assert {f"{name}_loss" for name in HEADS} < set(figures)
    assert figures["loss"][1] < figures["loss"][0]
    assert figures["grade_mae"][1] < figures["grade_mae"][0]
    assert figures["move_accuracy"][1] > figures["move_accuracy"][0]
    assert figures["who_recall_at_1"][1] > figures["who_recall_at_1"][0]
