"""The head, the loss and the augmentation of masks."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mmkeras.data import batch_augmenter, settings_of
from mmkeras.heads import DiceCrossEntropy, Mask, MaskDice
from mmkeras.metrics import overlap
from mmkeras.spec import DataSpec
from mmkeras.towers import image_tower, volume_tower

UNKNOWN = 255


def spec(kind="image", **view):
    size = {"height": 12, "width": 16}
    if kind == "volume":
        size |= {"depth": 8, "spacing_mm": [1, 1, 1], "window_low": 0,
                 "window_high": 1}  # fmt: skip
    else:
        size |= {"channels": 1}
    return DataSpec.from_dict(
        {
            "name": "toy",
            "modalities": {"view": {"kind": kind, "column": "x", **size}},
            "targets": {
                "spot": {"kind": "mask", "column": "m", "modality": "view",
                         "classes": ["spot"]},
            },
        }
    )  # fmt: skip


def model_of(head, tower, name="view"):
    inputs = keras.Input(
        tower.inputs[0].shape[1:], dtype=tower.inputs[0].dtype, name=name
    )
    features = tower(inputs)
    fused = keras.layers.Dense(8)(features["vector"])
    output = head(fused, "spot", {name: features})
    return keras.Model({name: inputs}, {"spot": output})


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("variant", ["cnn", "mobilenet"])
def test_probabilities_of_the_size_of_the_picture(classes, variant):
    tower = image_tower(13, 18, 1, "view", variant, filters=8, skips=True)
    head = Mask(size=(13, 18), classes=classes, modality="view")
    found = model_of(head, tower)({"view": np.zeros((2, 13, 18, 1), "uint8")})[
        "spot"
    ]
    found = np.asarray(found)
    assert found.shape == (2, 13, 18, 1 if classes == 1 else 4)
    assert found.dtype == "float32" and (found >= 0).all()
    if classes > 1:
        assert np.allclose(found.sum(-1), 1, atol=1e-5)


def test_voxels_of_an_odd_volume():
    tower = volume_tower(9, 12, 10, name="view", filters=4, stages=3,
                         skips=True)  # fmt: skip
    head = Mask(size=(9, 12, 10), classes=2, modality="view", filters=4)
    model = model_of(head, tower)
    found = model({"view": np.zeros((2, 9, 12, 10, 1), "float32")})["spot"]
    assert found.shape == (2, 9, 12, 10, 3)


def test_another_modality_conditions_what_is_marked():
    """The vector says which of two spots is meant."""
    keras.utils.set_random_seed(0)
    draw = np.random.default_rng(0)
    pixels = np.zeros((64, 12, 16, 1), "uint8")
    pixels[:, 3:7, 2:6] = pixels[:, 5:9, 10:14] = 200
    pixels += draw.integers(0, 20, pixels.shape).astype("uint8")
    side = draw.integers(0, 2, (64, 1)).astype("float32")
    labels = np.zeros((64, 12, 16), "uint8")
    labels[side[:, 0] == 0, 3:7, 2:6] = 1
    labels[side[:, 0] == 1, 5:9, 10:14] = 1
    view = keras.Input((12, 16, 1), dtype="uint8")
    told = keras.Input((1,))
    tower = image_tower(12, 16, 1, filters=8, skips=True)
    head = Mask(size=(12, 16), classes=1, modality="image")
    features = tower(view)
    fused = keras.layers.Concatenate()([told, features["vector"]])
    output = head(fused, "spot", {"image": features})
    model = keras.Model([view, told], output)
    model.compile("adam", loss=head.loss(), jit_compile=False)
    model.optimizer.learning_rate = 0.01
    model.fit([pixels, side], labels, epochs=30, batch_size=16, verbose=0)
    found = overlap(labels, model.predict([pixels, side], verbose=0)).values()
    assert found["dice"] > 0.9


def test_a_batch_as_large_as_a_map_is_scaled_alike():
    """TensorFlow's backend of Keras may take what is added for a bias."""
    tower = image_tower(8, 8, 1, "view", filters=8, depth=1, skips=True)
    model = model_of(Mask(size=(8, 8), classes=1, modality="view"), tower)
    draw = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([draw.normal(size=w.shape, scale=0.3)
                           if w.ndim > 1 else w
                           for w in layer.get_weights()])  # fmt: skip
    x = draw.integers(0, 255, (9, 8, 8, 1)).astype("uint8")
    each = [
        np.asarray(model({"view": x[i : i + 1]})["spot"])[0] for i in range(9)
    ]
    for count in (8, 9):
        whole = np.asarray(model({"view": x[:count]})["spot"])
        np.testing.assert_allclose(whole, each[:count], atol=1e-5)


def test_the_loss_by_hand():
    labels = np.array([[[1, 0], [0, UNKNOWN]]], "uint8")
    given = np.array([[[0.8, 0.4], [0.1, 0.9]]], "float32")[..., None]
    entropy = -np.mean(np.log([0.8, 0.6, 0.9]))
    dice = (2 * 0.8 + 1) / (0.8 + 0.4 + 0.1 + 1 + 1)
    found = float(DiceCrossEntropy()(labels, given))
    assert found == pytest.approx(entropy + 1 - dice, abs=1e-5)
    alone = float(DiceCrossEntropy(dice=0.0)(labels, given))
    assert alone == pytest.approx(entropy, abs=1e-5)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(DiceCrossEntropy(0.5))
    )
    assert again.dice == 0.5


@pytest.mark.parametrize("classes", [1, 2])
def test_the_metric_is_the_figure(classes):
    draw = np.random.default_rng(0)
    labels = draw.integers(0, classes + 1, (6, 5, 4)).astype("uint8")
    labels[0], labels[:, 0, 0] = 0, UNKNOWN
    shape = (6, 5, 4, 1 if classes == 1 else 3)
    outputs = draw.dirichlet(np.ones(3), (6, 5, 4))[..., : shape[-1]]
    outputs[0] = 0
    if classes > 1:
        outputs[0, ..., 0] = 1
    weights = np.array([1.0, 2, 0, 1, 1, 1])
    metric = MaskDice()
    metric.update_state(labels, outputs.astype("float32"), weights)
    figures = overlap(labels, outputs, weights, "ab"[:classes])
    want = figures.values()["dice"]
    assert float(metric.result()) == pytest.approx(want, abs=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {"horizontal_flip": 1},
        {"translation": 0.2},
        {"rotation_degrees": 90, "zoom": 0.2, "horizontal_flip": 1},
        {"crop": 0.3},
    ],
)
def test_a_mask_moves_with_its_picture(settings):
    draw = np.random.default_rng(0)
    marked = np.zeros((16, 12, 16), "uint8")
    marked[:, 3:7, 9:14] = 1
    given = settings_of(spec(), {"view": settings})
    change = batch_augmenter(spec(), given)
    batch = (
        {"view": tf.constant(marked[..., None] * 200)},
        {"spot": tf.constant(marked)},
        {"spot": tf.ones(16)},
    )
    seed = int(draw.integers(100))
    x, y, _ = change(batch, tf.constant(seed, tf.int64))
    moved = y["spot"].numpy()
    assert moved.dtype == "uint8" and not np.array_equal(moved, marked)
    known = moved != UNKNOWN
    seen = x["view"].numpy()[..., 0] > 100
    # Pixels at the edge of the spot may fall on either side.
    assert (seen == moved)[known].mean() > 0.97
    assert known.mean() > 0.5


def test_voxels_move_with_their_volume():
    marked = np.zeros((8, 8, 12, 16), "uint8")
    marked[:, 2:4, 3:7, 9:14] = 1
    keys = ("horizontal_flip", "vertical_flip", "depth_flip")
    settings = {"view": dict.fromkeys(keys, 1)}
    change = batch_augmenter(
        spec("volume"), settings_of(spec("volume"), settings)
    )
    batch = (
        {"view": tf.constant(marked[..., None].astype("float32"))},
        {"spot": tf.constant(marked)},
        {"spot": tf.ones(8)},
    )
    x, y, _ = change(batch, tf.constant(1, tf.int64))
    assert np.array_equal(x["view"].numpy()[..., 0], y["spot"].numpy())
    assert not np.array_equal(y["spot"].numpy(), marked)


def test_a_head_without_maps_says_what_it_needs():
    with pytest.raises(ValueError, match="feature maps of `view`"):
        Mask(size=(4, 4), classes=1, modality="view")(None, "spot", {})
