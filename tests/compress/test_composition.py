"""Steps on top of each other: what one won, the next keeps, to the file."""

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from compiling import compiled
from keras import layers

from mmkeras.checks import CLASSES, toy_problem
from mmkeras.compress import (
    Changes,
    Distiller,
    KeepClusters,
    KeepSparsity,
    cluster,
    kernels_of,
    prune,
    quantize_aware,
    strip,
)
from mmkeras.export import quantize_tflite, to_tflite

SHARE, CLUSTERS = 0.7, 12


def build():
    """A nested image tower and a text: one layer of each common kind."""
    keras.utils.set_random_seed(0)
    pixels = keras.Input((8, 8, 1), name="image")
    x = layers.Conv2D(16, 3, activation="relu", name="conv_1")(pixels)
    x = layers.Conv2D(24, 3, activation="relu", name="conv_2")(x)
    tower = keras.Model(pixels, layers.Flatten()(x), name="image_tower")

    image = keras.Input((8, 8, 1), name="image")
    text = keras.Input((6,), dtype="int32", name="text")
    words = layers.Embedding(40, 16, name="words")(text)
    words = layers.GlobalAveragePooling1D()(words)
    y = layers.Concatenate()([tower(image), words])
    y = layers.Dense(32, "relu", name="fused")(y)
    y = layers.Dense(CLASSES, "softmax", name="label")(y)
    return keras.Model({"image": image, "text": text}, {"label": y})


def train(model, *callbacks):
    """Returns the accuracy of the last epoch."""
    # A distiller takes what its student takes.
    x, y = toy_problem(getattr(model, "student", model), 96)
    compiled(
        model,
        (x, y),
        keras.optimizers.Adam(3e-3),
        {"label": "sparse_categorical_crossentropy"},
        weighted_metrics={"label": ["accuracy"]},
    )
    history = model.fit(
        x, y, epochs=6, batch_size=16, verbose=0, callbacks=callbacks
    ).history
    return {"accuracy": history["accuracy"][-1]}


@pytest.fixture(scope="module")
def composed():
    """Train, prune, cluster, train again; and what each step changed."""
    model = build()
    changes = Changes(model)
    changes.add("train", model, **train(model))
    model = prune(model, SHARE)
    changes.add("prune", model)
    model = cluster(model, CLUSTERS)
    changes.add("cluster", model)
    changes.add("tune", model, **train(model, KeepSparsity(), KeepClusters()))
    return model, changes


def test_training_keeps_zeros_and_clusters(composed):
    model, changes = composed
    rows = {row.step: row for row in changes.rows}
    assert rows["train"].nonzero == 1
    assert rows["prune"].nonzero == pytest.approx(1 - SHARE, abs=0.01)
    assert rows["tune"].nonzero == rows["prune"].nonzero
    assert rows["train"].values > 100
    assert rows["cluster"].values == CLUSTERS
    for kernel in kernels_of(model):
        assert len(np.unique(kernel.variable)) <= CLUSTERS
    assert rows["tune"].metrics["accuracy"] >= 0.95


def test_each_step_makes_the_download_smaller(composed):
    _, changes = composed
    rows = {row.step: row for row in changes.rows}
    assert len({row.parameters for row in changes.rows}) == 1
    assert rows["prune"].float32_bytes < 0.5 * rows["train"].float32_bytes
    assert rows["prune"].int8_bytes < 0.65 * rows["train"].int8_bytes
    assert rows["tune"].float32_bytes < 0.6 * rows["prune"].float32_bytes


def test_the_table_has_one_line_a_step(composed):
    _, changes = composed
    lines = changes.table().splitlines()
    assert lines[0].split() == [
        "step", "parameters", "nonzero", "values",
        "gzip", "float32", "gzip", "int8", "accuracy",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[1:]] == [
        "start", "train", "prune", "cluster", "tune"
    ]  # fmt: skip
    assert lines[1].split()[-1] == "-"
    assert lines[3].split()[2] == "30.0%"
    assert len({len(line) for line in lines}) == 1


def zeros_and_clusters(model):
    """Where each kernel is zero, and how many values it has."""
    values = [np.asarray(kernel.variable) for kernel in kernels_of(model)]
    return [(value == 0, len(np.unique(value))) for value in values]


@pytest.mark.parametrize("step", ["distillation", "quantization"])
def test_what_was_won_stays_through(step):
    """Teacher and student, or fake quantization, around the same weights."""
    model = cluster(prune(build(), SHARE), CLUSTERS)
    before, weights = zeros_and_clusters(model), model.get_weights()
    if step == "distillation":
        around = Distiller(build(), model)
    else:
        around = quantize_aware(model)
    train(around, KeepSparsity(), KeepClusters())
    plain = around.student if step == "distillation" else strip(around)
    after = zeros_and_clusters(plain)
    for (zero, count), (zero_now, count_now) in zip(before, after, strict=True):
        np.testing.assert_array_equal(zero, zero_now)
        assert count == count_now <= CLUSTERS
    changed = zip(weights, plain.get_weights(), strict=True)
    assert all(np.any(old != new) for old, new in changed)


def constants(path):
    """Int8 weights of a file and their scales, by their count of numbers.

    Zero is where the value stored is: the zero point is taken off.
    """
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    found = {}
    for tensor in interpreter.get_tensor_details():
        if tensor["dtype"] == np.int8 and len(tensor["shape"]) > 1:
            if tensor["shape"][0] == 1:  # An activation.
                continue
            value = interpreter.get_tensor(tensor["index"])
            quantization = tensor["quantization_parameters"]
            rows = value.reshape(len(value), -1).astype("int32")
            zero = quantization["zero_points"].reshape(-1, 1)
            scale = quantization["scales"].reshape(-1, 1)
            found[value.size] = (rows - zero, scale)
    return found


def test_the_int8_file_has_the_zeros_and_the_clusters(composed, tmp_path):
    model, _ = composed
    to_tflite(model, tmp_path / "float.tflite")
    samples, _ = toy_problem(model, 16, seed=2)
    quantize_tflite(
        tmp_path / "float.tflite", tmp_path / "int8.tflite", samples
    )
    stored = constants(tmp_path / "int8.tflite")
    for kernel in kernels_of(model):
        value = np.asarray(kernel.variable)
        if kernel.variable.name != "embeddings":
            # In a file the outputs come first.
            value = value.transpose(kernel.rows)
        value = value.reshape(len(value), -1)
        got, scale = stored[value.size]
        assert np.max(np.abs(got * scale - value) / scale) <= 0.51, kernel.path
        assert not got[value == 0].any(), kernel.path
        values = max(len(np.unique(row)) for row in got)
        assert values <= CLUSTERS, kernel.path
