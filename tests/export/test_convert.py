"""Conversion to TFLite: names kept, built-ins only, the culprit named."""

import keras
import numpy as np
import pytest
from export.export_toys import toy_export
from keras import layers

from mmkeras.export import (
    check_built_in,
    count_operators,
    find_layer,
    open_file,
    refuse_conversion,
    run_all,
    to_tflite,
)
from mmkeras.export.recipes import widest_range


def small_model():
    keras.utils.set_random_seed(1)
    a = keras.Input((20,), name="b_first")
    b = keras.Input((6, 8), name="a_second")
    x = layers.Concatenate()([layers.Dense(64)(a), layers.GRU(32)(b)])
    return keras.Model(
        {"b_first": a, "a_second": b},
        {"zeta": layers.Dense(3, name="zeta")(x),
         "alpha": layers.Dense(2, name="alpha")(x)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def small():
    return small_model()


def small_inputs(count=8):
    rng = np.random.default_rng(0)
    return {
        "b_first": rng.normal(size=(count, 20)).astype("float32"),
        "a_second": rng.normal(size=(count, 6, 8)).astype("float32"),
    }


@pytest.mark.parametrize(
    "mode, limit", [("none", 1e-6), ("float16", 3e-3), ("dynamic", 5e-2)]
)
def test_names_and_numbers_survive(small, tmp_path, mode, limit):
    path = tmp_path / "model.tflite"
    to_tflite(small, path, mode)
    x = small_inputs()
    found = run_all(open_file(path), x)
    expected = small.predict(x, verbose=0)
    assert set(found) == {"alpha", "zeta"}
    for name, values in expected.items():
        assert np.abs(found[name] - values).max() < limit


def test_half_precision_files_are_smaller(small, tmp_path):
    sizes = {}
    for mode in ("none", "float16"):
        path = tmp_path / f"{mode}.tflite"
        to_tflite(small, path, mode)
        sizes[mode] = path.stat().st_size
    assert sizes["float16"] < 0.8 * sizes["none"]


def pooled(name="volume"):
    volume = keras.Input((4, 4, 4, 1), name=name)
    x = layers.Conv3D(2, 3, padding="same")(volume)
    return volume, layers.MaxPooling3D(2, name="pool")(x)


def test_the_layer_of_a_refused_operator_is_named(tmp_path):
    volume, x = pooled()
    y = layers.Dense(1, name="y")(layers.Flatten()(x))
    model = keras.Model({"volume": volume}, {"y": y})
    message = (
        r"layer `pool` \(MaxPooling3D\) needs operator MaxPool3D, which is "
        r"not\. Instead: pool over two axes"
    )
    with pytest.raises(ValueError, match=message):
        to_tflite(model, tmp_path / "model.tflite")
    assert not list(tmp_path.iterdir())


def test_the_layer_is_found_inside_a_tower(tmp_path):
    volume, x = pooled()
    tower = keras.Model(
        volume, {"vector": layers.Flatten()(x)}, name="volume_tower"
    )
    outer = keras.Input((4, 4, 4, 1), name="volume")
    y = layers.Dense(1, name="y")(tower(outer)["vector"])
    model = keras.Model({"volume": outer}, {"y": y})
    with pytest.raises(ValueError, match=r"layer `pool` \(MaxPooling3D\)"):
        to_tflite(model, tmp_path / "model.tflite")


def test_an_operation_that_is_no_layer_is_named_as_well(tmp_path):
    x = keras.Input((4,), name="x")
    y = keras.ops.erfinv(layers.Dense(2)(x))
    model = keras.Model({"x": x}, {"y": y})
    with pytest.raises(ValueError, match=r"layer `erfinv` \(Erfinv\) needs"):
        to_tflite(model, tmp_path / "model.tflite")


@keras.saving.register_keras_serializable(package="tests")
class Compiled(layers.Layer):
    """The operator lies in a function of its own, outside the layer's scope."""

    def call(self, x):
        import tensorflow as tf

        return tf.function(tf.math.erfinv)(x)


def test_the_layer_is_found_through_the_function_it_calls(tmp_path):
    x = keras.Input((4,), name="x")
    model = keras.Model({"x": x}, {"y": Compiled(name="odd")(x)})
    with pytest.raises(ValueError, match=r"layer `odd` \(Compiled\) needs"):
        to_tflite(model, tmp_path / "model.tflite")


def test_a_file_that_needs_more_than_built_ins_is_refused(tmp_path):
    import tensorflow as tf

    volume, x = pooled()
    y = layers.Dense(1, name="y")(layers.Flatten()(x))
    model = keras.Model({"volume": volume}, {"y": y})
    path = tmp_path / "flex.tflite"
    both = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
    model.export(
        str(path), format="litert", verbose=False,
        target_spec={"supported_ops": both},
    )  # fmt: skip
    assert "FlexMaxPool3D" in count_operators(path)
    with pytest.raises(ValueError, match="layer `pool`.*needs operator MaxP"):
        check_built_in(path, model)


def test_an_axis_of_unknown_length_is_refused(tmp_path):
    x = keras.Input((None, 4), name="series")
    model = keras.Model({"series": x}, {"y": layers.GRU(2, name="y")(x)})
    with pytest.raises(ValueError, match=r"input `series`.*\(None, None, 4\)"):
        to_tflite(model, tmp_path / "model.tflite")


def test_any_other_failure_is_reported_in_short(small):
    with pytest.raises(ValueError, match="converter: first / second$"):
        refuse_conversion(small, "\nfirst\n\nsecond\nthird")


@pytest.mark.parametrize(
    "scope, name",
    [
        ("functional_1/dense_1/MatMul", "dense"),
        ("functional_1/dense_1_2/MatMul;functional_1/x/Add", "dense_1"),
        ("functional_1/gru_7/while/body", "gru"),
        ("nowhere/at/all", None),
    ],
)
def test_scopes_lead_to_layers(scope, name):
    x = keras.Input((3, 4), name="x")
    h = layers.GRU(2, name="gru")(x)
    h = layers.Dense(2, name="dense_1")(layers.Dense(2, name="dense")(h))
    found = find_layer(keras.Model({"x": x}, {"y": h}), scope)
    assert (found and found.name) == name


def test_a_lookup_table_is_refused_as_what_it_is(tmp_path):
    x = keras.Input((3,), dtype="int64", name="code")
    y = layers.IntegerLookup(vocabulary=[30, 10])(x)
    model = keras.Model({"code": x}, {"place": layers.Dense(2)(y)})
    with pytest.raises(ValueError, match="needs operator HashTableV2"):
        to_tflite(model, tmp_path / "model.tflite")


def test_int8_is_where_it_should_be():
    from ai_edge_litert.interpreter import Interpreter

    path = toy_export().bundle / "model.tflite"
    interpreter = Interpreter(str(path))
    kinds = {
        detail["name"].split(";")[0]: np.dtype(detail["dtype"]).name
        for detail in interpreter.get_tensor_details()
    }
    front = [kind for name, kind in kinds.items() if "logmel" in name]
    assert front and "int8" not in front
    assert "int8" in [kind for name, kind in kinds.items() if "wide" in name]
    run = interpreter.get_signature_runner("serving_default")
    inputs = run.get_input_details()
    assert {n: np.dtype(d["dtype"]).name for n, d in inputs.items()} == {
        "audio": "float32", "image": "uint8", "present": "float32",
        "table": "float32", "text": "int32",
    }  # fmt: skip


def test_ranges_are_the_widest_of_all_samples():
    one = {"min": np.array([-1.0, 0]), "max": np.array([1.0, 5])}
    two = {"min": np.array([-3.0, 1]), "max": np.array([0.5, 9])}
    both = widest_range(widest_range({}, one), two)
    assert both["min"].tolist() == [-3, 0] and both["max"].tolist() == [1, 9]
