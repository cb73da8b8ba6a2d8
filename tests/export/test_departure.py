"""Where an exported graph departs from Keras, and what breaks a conversion."""

import keras
import numpy as np
import pytest
from keras import layers

from mmkeras.export import (
    find_culprit,
    find_departure,
    layer_outputs,
    refuse_conversion,
    to_onnx,
    to_tflite,
    trace,
)


def towered_model():
    """A tower with convolutions, a shared layer, an operation, a head."""
    keras.utils.set_random_seed(2)
    pixels = keras.Input((12, 12, 3), name="image")
    x = pixels
    for i in range(3):
        x = layers.Conv2D(8, 3, padding="same", name=f"conv_{i}")(x)
        x = layers.BatchNormalization(name=f"norm_{i}")(x)
        x = layers.ReLU(name=f"relu_{i}")(x)
    vector = layers.GlobalAveragePooling2D(name="mean")(x)
    tower = keras.Model(pixels, {"vector": vector}, name="image_tower")
    image = keras.Input((12, 12, 3), name="image")
    shared = layers.Dense(8, name="shared")
    x = shared(
        layers.Activation("tanh", name="squash")(shared(tower(image)["vector"]))
    )
    x = layers.Dense(6, "relu", name="hidden")(keras.ops.sin(x))
    return keras.Model({"image": image}, {"y": layers.Dense(2, name="y")(x)})


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    model = towered_model()
    folder = tmp_path_factory.mktemp("departure")
    to_tflite(model, folder / "m.tflite")
    to_onnx(model, folder / "m.onnx")
    return model, folder


X = {
    "image": np.random.default_rng(0).uniform(-1, 1, (2, 12, 12, 3))
    .astype("float32")
}  # fmt: skip


@pytest.mark.parametrize("name", ["m.tflite", "m.onnx"])
def test_a_faithful_file_does_not_depart(exported, name):
    model, folder = exported
    assert find_departure(model, folder / name, X) is None


@pytest.mark.parametrize("name", ["m.tflite", "m.onnx"])
@pytest.mark.parametrize(
    "changed, named",
    [
        # One operator with the normalisation and activation behind it.
        ("conv_1", {"conv_1", "norm_1", "relu_1"}),
        ("shared", {"shared"}),
        ("hidden", {"hidden"}),
        ("y", {"y"}),
    ],
)
def test_the_first_layer_that_departs_is_named(exported, name, changed, named):
    model, folder = exported
    owner = model.get_layer("image_tower") if "conv" in changed else model
    kernel = owner.get_layer(changed).kernel
    before = kernel.numpy()
    kernel.assign(before * 1.5)
    try:
        layer, gap = find_departure(model, folder / name, X)
    finally:
        kernel.assign(before)
    assert layer.name in named and gap > 1e-4
    assert find_departure(model, folder / name, X) is None


def test_every_layer_is_recorded_and_left_as_it_was(exported):
    model, _ = exported
    found = layer_outputs(model, X)
    tower = model.get_layer("image_tower")
    mean = found[id(tower.get_layer("mean"))]
    expected = tower(X["image"])["vector"]
    np.testing.assert_allclose(mean[0], expected, atol=1e-6)
    assert len(found[id(model.get_layer("shared"))]) == 2
    assert "call" not in vars(model.get_layer("shared"))


def test_traces_have_every_result_in_order(exported):
    model, folder = exported
    names = [name for name, _ in next(trace(folder / "m.tflite", X))]
    order = [
        next(i for i, name in enumerate(names) if part in name)
        for part in ("relu_0", "relu_1", "relu_2", "squash", "hidden")
    ]
    assert order == sorted(order)


def without_tanh(model):
    """A converter that cannot take a hyperbolic tangent."""
    return not any(
        isinstance(x, layers.Activation) or
        (isinstance(x, keras.Model) and not without_tanh(x))
        for x in model.operations
    )  # fmt: skip


def test_the_culprit_is_found_among_all_layers():
    model = towered_model()
    assert find_culprit(model, without_tanh).name == "squash"


@pytest.mark.parametrize("name", ["conv_0", "norm_1", "mean"])
def test_the_culprit_is_found_inside_a_tower(name):
    def works(model):
        inside = [getattr(x, "operations", [x]) for x in model.operations]
        return name not in {x.name for part in inside for x in part}

    assert find_culprit(towered_model(), works).name == name


def test_a_failure_without_a_place_names_the_layer():
    volume = keras.Input((4, 4, 4, 1), name="volume")
    x = layers.Conv3D(2, 3, padding="same")(volume)
    x = layers.Flatten()(layers.MaxPooling3D(2, name="pool")(x))
    tower = keras.Model(volume, {"vector": x}, name="volume_tower")
    outer = keras.Input((4, 4, 4, 1), name="volume")
    y = layers.Dense(1, name="y")(tower(outer)["vector"])
    model = keras.Model({"volume": outer}, {"y": y})
    message = r"for layer `pool` \(MaxPooling3D\), from the converter: lost"
    with pytest.raises(ValueError, match=message):
        refuse_conversion(model, "lost")
