"""The image tower: contract, normalisation, backbones, errors."""

import keras
import numpy as np
import pytest

from mmkeras.towers import image_tower

TINY = {"height": 12, "width": 10, "channels": 3, "units": 5, "filters": 4}
RESNET = {"height": 32, "width": 32, "units": 5}


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype("uint8")


@pytest.mark.parametrize(
    "arguments, cells",
    [
        (TINY, 3 * 3),
        ({**TINY, "depth": 1}, 12 * 10),
        ({**TINY, "channels": 1, "depth": 2}, 6 * 5),
        ({**RESNET, "channels": 3, "variant": "resnet18"}, 1),
        ({**RESNET, "channels": 1, "variant": "resnet18"}, 1),
    ],
    ids=str,
)
def test_contract(arguments, cells):
    tower = image_tower(name="photo", **arguments)
    shape = [arguments[k] for k in ("height", "width", "channels")]

    assert tower.name == "photo_tower"
    assert [i.name for i in tower.inputs] == ["photo"]
    assert tower.inputs[0].dtype == "uint8"
    out = tower(pixels(2, *shape))
    assert {k: tuple(v.shape) for k, v in out.items()} == {
        "vector": (2, 5),
        "tokens": (2, cells, 5),
        "mask": (2, cells),
    }
    np.testing.assert_array_equal(out["mask"], np.ones((2, cells)))
    np.testing.assert_allclose(
        out["vector"], np.mean(out["tokens"], axis=1), atol=1e-5
    )


@pytest.mark.parametrize(
    "mean, std",
    [(None, None), ([0.4, 0.5, 0.6], [0.2, 0.25, 0.3])],
)
def test_normalises_pixels_inside(mean, std):
    tower = image_tower(**TINY, mean=mean, std=std)
    inside = keras.Model(
        tower.inputs[0], tower.get_layer("image_normalise").output
    )
    x = pixels(2, 12, 10, 3)
    expected = (x / 255 - (mean or [0, 0, 0])) / (std or [1, 1, 1])
    np.testing.assert_allclose(inside(x), expected, atol=1e-6)


def test_default_tower_is_small_and_learns_where_the_light_is():
    keras.utils.set_random_seed(0)
    x = pixels(128, 8, 8, 1) // 4
    y = np.arange(128) % 2
    x[y == 1, :4] += 180
    x[y == 0, 4:] += 180
    tower = image_tower(8, 8, 1, depth=2)
    assert tower.count_params() < 300_000
    flat = keras.layers.Flatten()(tower(tower.inputs[0])["tokens"])
    model = keras.Model(
        tower.inputs[0], keras.layers.Dense(2, activation="softmax")(flat)
    )
    model.compile(
        "adam", "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(x, y, epochs=6, batch_size=16, verbose=0)
    assert model.evaluate(x, y, verbose=0)[1] > 0.95


@pytest.mark.parametrize(
    "arguments",
    [TINY, {**RESNET, "channels": 1, "variant": "resnet18"}],
    ids=str,
)
def test_saved_tower_reloads_equal(tmp_path, arguments):
    tower = image_tower(**arguments)
    shape = [arguments[k] for k in ("height", "width", "channels")]
    x = pixels(2, *shape)
    tower.save(tmp_path / "tower.keras")
    loaded = keras.saving.load_model(tmp_path / "tower.keras")
    for key, value in tower(x).items():
        np.testing.assert_array_equal(loaded(x)[key], value)


def test_a_resnet_saves_as_stock_layers_only():
    config = image_tower(**RESNET, channels=3, variant="resnet18").to_json()
    assert "keras_hub" not in config


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"variant": "vgg"}, r"`variant`.*'cnn', 'resnet18', 'resnet50'.*vgg"),
        ({"units": 0}, "`units` must be a positive integer.*units=0"),
        ({"height": -3}, "`height` must be a positive integer.*height=-3"),
        ({"depth": 2.5}, "`depth` must be a positive integer.*depth=2.5"),
        ({"mean": [0.5]}, "`mean` must have one number for each of the 3"),
        ({"std": [0.1, 0.0, 0.1]}, "`std` must be positive"),
        ({"pretrained": "x"}, "`pretrained` needs.*'resnet18', 'resnet50'"),
        ({"channels": 4, "variant": "resnet18"}, "`channels` must be 1 or 3"),
    ],
)
def test_refuses(arguments, said):
    with pytest.raises(ValueError, match=said):
        image_tower(**{**TINY, **arguments})
