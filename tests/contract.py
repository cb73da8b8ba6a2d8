"""The contract of every tower and fusion, as plain functions.

Each function checks one clause and says in its name which. `test_contract.py`
runs all of them on every part of the package.
"""

import keras
import numpy as np
import pytest
from keras import ops

from mmkeras.export.advice import decibels, noise_ratio
from mmkeras.export.audit import layer_path, narrow_convolutions
from mmkeras.export.convert import to_tflite
from mmkeras.export.onnx import to_onnx
from mmkeras.export.quantize import quantize_tflite
from mmkeras.export.quantize_full import loop_of, quantize_full
from mmkeras.export.quantize_onnx import to_int8
from mmkeras.export.runtimes import open_file, run_all
from mmkeras.export.tasks import refuse_loop

CLASSES = 3


def random_input(tensor, count, rng):
    """Samples that suit one `keras.Input`."""
    shape = (count, *tensor.shape[1:])
    if tensor.name == "present":
        return np.ones(shape, "float32")
    if tensor.dtype == "uint8":
        return rng.integers(0, 256, shape).astype("uint8")
    if tensor.dtype == "int32":
        return rng.integers(2, 20, shape).astype("int32")
    return rng.normal(scale=0.3, size=shape).astype("float32")


def toy_problem(model, count, seed=0):
    """Three prototypes with a little noise: solvable by any part."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    x = {}
    for tensor in model.inputs:
        # The prototypes are the same whatever the seed of the samples.
        prototypes = random_input(tensor, CLASSES, np.random.default_rng(99))
        x[tensor.name] = prototypes[labels]
        if "float" in tensor.dtype and tensor.name != "present":
            noise = rng.normal(scale=0.05, size=x[tensor.name].shape)
            x[tensor.name] += noise.astype("float32")
    return x, {"label": labels}


def classifier(tower):
    """A tower with the smallest head, as one model with named ends."""
    name = tower.inputs[0].name
    inputs = keras.Input(
        tower.inputs[0].shape[1:], dtype=tower.inputs[0].dtype, name=name
    )
    outputs = tower(inputs)
    # Tokens and mask take part, so that no weight is without a gradient.
    mask = ops.expand_dims(outputs["mask"], -1)
    tokens = ops.mean(outputs["tokens"] * mask, axis=1)
    x = ops.concatenate([outputs["vector"], tokens], axis=-1)
    y = keras.layers.Dense(CLASSES, "softmax", name="label")(x)
    return keras.Model({name: inputs}, {"label": y})


def toy_tower(name, tokens=4, width=8, units=8):
    """A tower to hang under a fusion: one dense layer."""
    x = keras.Input((tokens, width), name=name)
    y = keras.layers.Dense(units)(x)
    outputs = {
        "vector": ops.mean(y, axis=1),
        "tokens": y,
        "mask": ops.ones_like(y[:, :, 0]),
    }
    return keras.Model(x, outputs, name=f"{name}_tower")


def fused_classifier(fusion, names=("audio", "image", "text")):
    """Toy towers joined by `fusion`; the first and last are optional."""
    inputs = {n: keras.Input((4, 8), name=n) for n in names}
    features = {n: toy_tower(n)(inputs[n]) for n in names}
    present = keras.Input((2,), name="present")
    columns = {names[0]: present[:, :1], names[-1]: present[:, 1:]}
    fused = fusion(features, present=columns)
    y = keras.layers.Dense(CLASSES, "softmax", name="label")(fused)
    return keras.Model({**inputs, "present": present}, {"label": y})


def check_outputs(tower):
    """The dict, its shapes, its types; one input, named as the tower."""
    name = tower.inputs[0].name
    assert tower.name == f"{name}_tower"
    assert len(tower.inputs) == 1
    x = random_input(tower.inputs[0], 2, np.random.default_rng(0))
    y = {k: np.asarray(v) for k, v in tower(x).items()}
    assert sorted(y) == ["mask", "tokens", "vector"]
    batch, tokens, units = y["tokens"].shape
    assert batch == 2
    assert y["vector"].shape == (2, units)
    assert y["mask"].shape == (2, tokens)
    assert y["mask"].dtype == "float32"
    assert set(np.unique(y["mask"])) <= {0.0, 1.0}
    assert all(np.isfinite(v).all() for v in y.values())


def check_batch_of_one_equals_the_batch(model):
    """No sample of a batch sees another one."""
    x, _ = toy_problem(model, 4)
    whole = model(x, training=False)["label"]
    first = model({k: v[:1] for k, v in x.items()}, training=False)["label"]
    np.testing.assert_allclose(whole[:1], first, atol=1e-5)


def check_gradient_reaches_every_weight(model):
    """A weight without gradient is a weight nobody needs."""
    import tensorflow as tf

    x, y = toy_problem(model, 8)
    if "present" in x:
        # Stand-ins learn where their modality is absent.
        x["present"][::2] = 0
    loss = keras.losses.SparseCategoricalCrossentropy()
    with tf.GradientTape() as tape:
        value = loss(y["label"], model(x, training=True)["label"])
    gradients = tape.gradient(value, [v.value for v in model.trainable_weights])
    missing = [
        v.path
        for v, g in zip(model.trainable_weights, gradients, strict=True)
        if g is None
    ]
    assert not missing


def check_saved_and_loaded_is_equal(model, folder):
    """Bit for bit, through Keras' own file."""
    x, _ = toy_problem(model, 4)
    model.save(folder / "m.keras")
    again = keras.saving.load_model(folder / "m.keras")
    np.testing.assert_array_equal(
        model.predict(x, verbose=0)["label"],
        again.predict(x, verbose=0)["label"],
    )


def paired_classifier(tower, fusion):
    """A tower, which may be absent, and a toy one, joined by `fusion`."""
    name = tower.inputs[0].name
    inputs = {
        name: keras.Input(
            tower.inputs[0].shape[1:], dtype=tower.inputs[0].dtype, name=name
        ),
        "other": keras.Input((4, 8), name="other"),
    }
    towers = {name: tower, "other": toy_tower("other", units=16)}
    features = {n: towers[n](inputs[n]) for n in inputs}
    present = keras.Input((1,), name="present")
    fused = fusion(features, present={name: present})
    y = keras.layers.Dense(CLASSES, "softmax", name="label")(fused)
    return keras.Model({**inputs, "present": present}, {"label": y})


def paired_problem(model, count, seed=0):
    """As `toy_problem`, but the toy modality knows nothing."""
    x, y = toy_problem(model, count, seed)
    rng = np.random.default_rng(seed)
    x["other"] = rng.normal(size=x["other"].shape).astype("float32")
    return x, y


def check_export(model, folder, trained=True):
    """Every format runs, on plain runtimes; float within 1e-4, int8 decides
    the same. Full int8 may be refused, by the layer's name and with a remedy.
    """
    keras.utils.set_random_seed(0)
    if trained:
        train(model)
    x, y = paired_problem(model, 100 if trained else 16, seed=1)
    wanted = model.predict(x, verbose=0)["label"]
    # Agreement between two guesses would say nothing.
    assert not trained or (wanted.argmax(-1) == y["label"]).mean() > 0.9
    for name, path in make_formats(model, folder):
        got = run_all(open_file(path), x)["label"]
        if name.endswith("float32"):
            np.testing.assert_allclose(got, wanted, atol=1e-4, err_msg=name)
        elif trained:
            agreement = (got.argmax(-1) == wanted.argmax(-1)).mean()
            assert agreement >= 0.99, (name, agreement)
        else:
            ratio = decibels(noise_ratio({"y": wanted}, {"y": got}))
            assert ratio > 20, (name, ratio)


def train(model):
    """Teaches a model the toy problem."""
    model.compile(
        keras.optimizers.Adam(3e-3),
        loss={"label": keras.losses.SparseCategoricalCrossentropy()},
        metrics={"label": ["accuracy"]},
    )
    x, y = paired_problem(model, 96)
    model.fit(x, y, epochs=12, batch_size=16, verbose=0)


def make_formats(model, folder):
    """Yields name and path of the model in every format there is."""
    source = folder / "float.tflite"
    to_tflite(model, source)
    yield "tflite float32", source
    for mode in ("float16", "dynamic"):
        to_tflite(model, folder / f"{mode}.tflite", mode)
        yield f"tflite {mode}", folder / f"{mode}.tflite"

    samples, _ = paired_problem(model, 32, seed=2)
    keep = narrow_convolutions(source)
    for name, bits in (("int8-heavy", 8), ("int16x8", 16)):
        path = folder / f"{name}.tflite"
        quantize_tflite(source, path, samples, bits=bits, keep=keep)
        yield f"tflite {name}", path
    loop = loop_of(source)
    if loop is None:
        quantize_full(source, folder / "full.tflite", samples)
        yield "tflite int8-full", folder / "full.tflite"
    else:
        layer = layer_path(model, loop)
        with pytest.raises(ValueError, match=f"`{layer}`.*Instead: `unroll"):
            refuse_loop(layer)
        assert "gru" in layer or "rnn" in layer or "lstm" in layer

    to_onnx(model, folder / "float.onnx")
    yield "onnx float32", folder / "float.onnx"
    to_int8(folder / "float.onnx", folder / "int8.onnx", samples)
    yield "onnx int8", folder / "int8.onnx"


def check_absent_has_no_influence(model):
    """Random values in an absent slot change nothing at all."""
    rng = np.random.default_rng(3)
    x, _ = toy_problem(model, 8)
    x["present"][:, 0] = 0
    absent = sorted(set(x) - {"present"})[0]
    expected = model.predict(x, verbose=0)["label"]
    noise = rng.normal(scale=100, size=x[absent].shape).astype("float32")
    x[absent] = noise
    np.testing.assert_array_equal(
        model.predict(x, verbose=0)["label"], expected
    )
    x["present"][:] = 0
    assert np.isfinite(model.predict(x, verbose=0)["label"]).all()
