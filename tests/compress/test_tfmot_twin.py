"""The same masks as tensorflow_model_optimization, step for step.

tfmot cannot take a Keras 3 model and changes what `tf.keras` is, so its twin
trains in a process of its own: this file, run as a script.
"""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

STEPS = 45
BATCH = 8
# Name: pattern, schedule. Turns at 10, 20, 30 and so on; the last step before
# the end is no turn, where tfmot has not made its masks yet.
CASES = {
    "polynomial": ({}, ("PolynomialDecay", 0.1, 0.8, 5, 35, 3, 10)),
    "constant": ({}, ("ConstantSparsity", 0.6, 10, -1, 10)),
    "two of four": ({"method": "2:4"}, ("ConstantSparsity", 0.5, 0, -1, 10)),
    "mean blocks": (
        {"block": (1, 4), "pooling": "AVG"},
        ("PolynomialDecay", 0.0, 0.7, 0, 40, 3, 10),
    ),
    "largest of blocks": (
        {"block": (4, 2), "pooling": "MAX"},
        ("ConstantSparsity", 0.5, 0, -1, 10),
    ),
}
STEPS_ASKED = (0, 1, 5, 10, 15, 17, 25, 35, 36, 45, 300)


def layers_of(keras, case):
    """A convolution and two dense layers; blocks are for dense ones only."""
    dense = [
        keras.layers.Flatten(),
        keras.layers.Dense(12, activation="relu", name="wide"),
        keras.layers.Dense(8, name="narrow"),
    ]
    if "block" in CASES[case][0]:
        return dense
    return [keras.layers.Conv2D(6, 3, activation="relu", name="conv"), *dense]


def toy_data():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(STEPS * BATCH, 6, 6, 4)).astype("float32")
    return x, x[:, 0, 0, :1] * x[:, 1, :2].reshape(-1, 8)


def initial(layer):
    """The same weights on both sides; none of them zero."""
    rng = np.random.default_rng(len(layer.name))
    return rng.normal(scale=0.2, size=layer.kernel.shape).astype("float32")


def train(keras, model, layers, callbacks):
    """Steps large enough that pruned weights come back at the next turn."""
    for layer in layers:
        if hasattr(layer, "kernel"):
            layer.kernel.assign(initial(layer))
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    # XLA would take longer to compile the steps than they take.
    model.compile(optimizer, "mse", jit_compile=False)
    x, y = toy_data()
    model.fit(
        x, y, BATCH, epochs=1, shuffle=False, verbose=0, callbacks=callbacks
    )


def ours(case, schedule):
    """Trains a case with `Prune`; returns the layers with kernels."""
    import keras

    from mmkeras.compress import Prune

    layers = layers_of(keras, case)
    model = keras.Sequential([keras.Input((6, 6, 4)), *layers])
    train(keras, model, layers, [Prune(schedule, **CASES[case][0])])
    return [layer for layer in layers if hasattr(layer, "kernel")]


def twin(path):
    """Trains every case with tfmot; writes kernels and schedules."""
    import tensorflow_model_optimization as tfmot
    import tf_keras

    sparsity = tfmot.sparsity.keras
    out = {}
    for case, (pattern, (name, *values)) in CASES.items():
        schedule = getattr(sparsity, name)(*values)
        for step in STEPS_ASKED:
            answer = [np.asarray(value) for value in schedule(step)]
            out[f"{case}/{step}"] = np.asarray(answer, "float32")
        options = {}
        if "method" in pattern:
            options["sparsity_m_by_n"] = (2, 4)
        if "block" in pattern:
            options["block_size"] = pattern["block"]
            options["block_pooling_type"] = pattern["pooling"]
        layers = layers_of(tf_keras, case)
        model = tf_keras.Sequential([tf_keras.Input((6, 6, 4)), *layers])
        model = sparsity.prune_low_magnitude(model, schedule, **options)
        callback = sparsity.UpdatePruningStep()
        train(tf_keras, model, layers, [callback])
        for layer in layers:
            if hasattr(layer, "kernel"):
                out[f"{case}/{layer.name}"] = layer.kernel.numpy()
    for name in ("polynomial", "constant"):
        kind, *values = CASES[name][1]
        schedule = getattr(sparsity, kind)(*values)
        # As it is, and hidden in a function, so that it has to be asked.
        for how, given in (("object", schedule), ("asked", schedule.__call__)):
            for layer in ours(name, given):
                out[f"{how}/{name}/{layer.name}"] = np.asarray(layer.kernel)
    np.savez(path, **out)


@pytest.fixture(scope="module")
def tfmot_results(tmp_path_factory):
    for name in ("tensorflow_model_optimization", "tf_keras"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"needs {name}, of the extra `tfmot`")
    path = tmp_path_factory.mktemp("tfmot") / "twin.npz"
    environment = os.environ | {"TF_USE_LEGACY_KERAS": "1"}
    done = subprocess.run(
        [sys.executable, __file__, str(path)],
        env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(path) as file:
        return dict(file)


def our_schedule(case):
    from mmkeras import compress

    name, *values = CASES[case][1]
    return getattr(compress, name)(*values)


@pytest.mark.parametrize("case", CASES)
def test_schedules_return_what_those_of_tfmot_return(case, tfmot_results):
    for step in STEPS_ASKED:
        turn, share = tfmot_results[f"{case}/{step}"]
        ours = our_schedule(case)(step)
        assert ours[0] == bool(turn), step
        assert ours[1] == pytest.approx(share, abs=1e-7), step


@pytest.mark.parametrize("case", CASES)
def test_masks_equal_those_of_tfmot(case, tfmot_results):
    layers = ours(case, our_schedule(case))
    assert len(layers) >= 2
    for layer in layers:
        kernel = np.asarray(layer.kernel)
        theirs = tfmot_results[f"{case}/{layer.name}"]
        assert 0.4 < np.mean(theirs == 0) < 0.85
        np.testing.assert_array_equal(kernel != 0, theirs != 0)
        np.testing.assert_allclose(kernel, theirs, atol=1e-5)


@pytest.mark.parametrize("how", ["object", "asked"])
@pytest.mark.parametrize("case", ["polynomial", "constant"])
def test_schedules_of_tfmot_serve_as_they_are(case, how, tfmot_results):
    for name in ("conv", "wide", "narrow"):
        np.testing.assert_array_equal(
            tfmot_results[f"{how}/{case}/{name}"] != 0,
            tfmot_results[f"{case}/{name}"] != 0,
        )


if __name__ == "__main__":
    twin(sys.argv[1])
