"""Conversion to ONNX; one test for each thing the stock export gets wrong."""

import os

import keras
import numpy as np
import onnx as onnx_library
import pytest
from export.export_toys import toy_inputs, toy_run
from keras import layers, ops

from mmkeras.export import (
    open_file,
    run_all,
    to_dynamic,
    to_float16,
    to_int8,
    to_onnx,
)

pytestmark = [
    # tf2onnx and its helpers, on the NumPy and TensorFlow of today.
    pytest.mark.filterwarnings("ignore"),
]


def check(model, x, path, limit=1e-5):
    """Converts and compares, in batches of 3, 3, 2."""
    to_onnx(model, path)
    found = run_all(open_file(path), x, batch=3)
    expected = model.predict(x, verbose=0)
    assert set(found) == set(expected)
    for name, values in expected.items():
        assert np.abs(found[name] - values).max() < limit
    return onnx_library.load(str(path))


def test_names_and_a_dynamic_batch(tmp_path):
    graph = check(toy_run().model, toy_inputs(8, 5), tmp_path / "m.onnx").graph
    assert {i.name for i in graph.input} == set(toy_inputs(1, 0))
    assert {o.name for o in graph.output} == {"digit", "rating", "tags"}
    for value in [*graph.input, *graph.output]:
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"


def image_model(*hidden):
    image = keras.Input((8, 8, 4), name="image")
    x = image
    for layer in hidden:
        x = layer(x)
    y = layers.Dense(2, name="y")(layers.Flatten()(x))
    return keras.Model({"image": image}, {"y": y})


@pytest.mark.parametrize(
    "hidden",
    [
        # Keras calls XLA for it: operator StatefulPartitionedCall.
        layers.Conv2D(8, 3, groups=2, padding="same"),
        # Operator Erfc.
        layers.Dense(4, activation="gelu"),
        # Its statistics become inputs of the graph.
        layers.Normalization(mean=[1.0, 2, 3, 4], variance=[1.0, 2, 3, 4]),
    ],
    ids=["grouped convolution", "exact gelu", "captured constants"],
)
def test_what_the_stock_export_breaks(tmp_path, hidden):
    x = np.random.default_rng(0).normal(size=(8, 8, 8, 4)).astype("float32")
    graph = check(image_model(hidden), {"image": x}, tmp_path / "m.onnx").graph
    assert [i.name for i in graph.input] == ["image"]


def test_an_optimizer_of_tf2onnx_that_fails_is_left_out(tmp_path, monkeypatch):
    from tf2onnx import optimizer

    calls = []

    class Broken:
        def __init__(self):
            calls.append(self)
            raise RuntimeError("cannot")

    monkeypatch.setitem(optimizer._get_optimizers(), "einsum_optimizer", Broken)
    monkeypatch.delenv("TF2ONNX_CATCH_ERRORS", raising=False)
    x = np.random.default_rng(0).normal(size=(8, 8, 8, 4)).astype("float32")
    check(image_model(layers.Dense(4)), {"image": x}, tmp_path / "m.onnx")
    assert len(calls) > 1
    assert "TF2ONNX_CATCH_ERRORS" not in os.environ


def test_keras_is_left_as_it_was(tmp_path):
    import tensorflow as tf
    from keras.src.backend.tensorflow import nn

    model = image_model(layers.Conv2D(8, 3, groups=2))
    to_onnx(model, tmp_path / "m.onnx")
    assert nn.tf is tf


@keras.saving.register_keras_serializable(package="tests")
class Spectrum(layers.Layer):
    """Power spectrum, by FFT or by matrix product as the log-mel layer."""

    transform = "fft"

    def call(self, x):
        if self.transform == "fft":
            real, imaginary = ops.rfft(x)
        else:
            angle = np.outer(np.arange(16), np.arange(9)) * 2 * np.pi / 16
            real = ops.matmul(x, np.cos(angle).astype("float32"))
            imaginary = ops.matmul(x, np.sin(angle).astype("float32"))
        return ops.square(real) + ops.square(imaginary)


def spectrum_model(layer):
    inner = keras.Input((16,), name="sound")
    tower = keras.Model(inner, {"vector": layer(inner)}, name="sound_tower")
    sound = keras.Input((16,), name="sound")
    y = layers.Dense(2, name="y")(tower(sound)["vector"])
    return keras.Model({"sound": sound}, {"y": y})


def test_a_fourier_layer_is_switched_and_switched_back(tmp_path):
    layer = Spectrum(name="sound_logmel")
    x = np.random.default_rng(0).normal(size=(8, 16)).astype("float32")
    check(spectrum_model(layer), {"sound": x}, tmp_path / "m.onnx", 1e-4)
    assert layer.transform == "fft"


def test_the_layer_of_a_refused_operator_is_named(tmp_path):
    x = keras.Input((16,), name="sound")
    spectrum = layers.Lambda(lambda x: ops.rfft(x)[0], name="raw")(x)
    model = keras.Model(
        {"sound": x}, {"y": layers.Dense(2, name="y")(spectrum)}
    )
    with pytest.raises(ValueError, match=r"layer `raw` \(Lambda\) needs oper"):
        to_onnx(model, tmp_path / "m.onnx")


@pytest.mark.parametrize("mode", ["dynamic", "float16", "int8"])
def test_smaller_files_answer_nearly_alike(tmp_path, mode):
    toy = toy_run()
    source, target = tmp_path / "float.onnx", tmp_path / f"{mode}.onnx"
    to_onnx(toy.model, source)
    x = toy_inputs(32, 5)
    if mode == "int8":
        to_int8(source, target, x)
    elif mode == "dynamic":
        to_dynamic(source, target)
    else:
        to_float16(source, target)
    found = run_all(open_file(target), x)["digit"]
    expected = toy.model.predict(x, verbose=0)["digit"]
    assert target.stat().st_size < 0.75 * source.stat().st_size
    error = ((found - expected) ** 2).sum() / (expected**2).sum()
    assert error < 1e-3  # 30 dB


def test_the_front_end_stays_float(tmp_path):
    source, target = tmp_path / "float.onnx", tmp_path / "int8.onnx"
    to_onnx(toy_run().model, source)
    to_int8(source, target, toy_inputs(4, 5))
    nodes = onnx_library.load(str(target)).graph.node
    weights = {
        node.output[0] for node in nodes if node.op_type == "DequantizeLinear"
    }
    convolutions = {
        node.name: bool(weights & set(node.input))
        for node in nodes
        if node.op_type == "Conv"
    }
    assert len(convolutions) == 4
    for name, is_quantized in convolutions.items():
        assert is_quantized == ("logmel" not in name)
