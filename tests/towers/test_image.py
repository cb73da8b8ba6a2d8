"""The image tower: contract, normalisation, backbones, errors."""

import keras
import numpy as np
import pytest

from mmkeras.towers import image_tower, load_backbone

TINY = {"height": 12, "width": 10, "channels": 3, "units": 5, "filters": 4}
RESNET = {"height": 32, "width": 32, "units": 5}
MOBILE = {**TINY, "variant": "mobilenet", "depth": 2}
VIT = {**TINY, "variant": "vit", "depth": 1, "patch": 2, "heads": 2}


def slow(*case):
    return pytest.param(*case, marks=pytest.mark.slow)


def pixels(*shape):
    return np.random.default_rng(0).integers(0, 256, shape).astype("uint8")


@pytest.mark.parametrize(
    "arguments, cells",
    [
        (TINY, 3 * 3),
        ({**TINY, "depth": 1}, 12 * 10),
        ({**TINY, "channels": 1, "depth": 2}, 6 * 5),
        (MOBILE, 3 * 3),
        (VIT, 6 * 5),
        ({**VIT, "channels": 1}, 6 * 5),
        ({**RESNET, "channels": 3, "variant": "resnet18"}, 1),
        ({**RESNET, "channels": 1, "variant": "resnet18"}, 1),
        slow({**RESNET, "channels": 1, "variant": "resnet50"}, 1),
        slow({**RESNET, "channels": 3, "variant": "resnet152"}, 1),
        slow({**RESNET, "channels": 3, "variant": "efficientnet"}, 1),
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
    [TINY, MOBILE, VIT, {**RESNET, "channels": 1, "variant": "resnet18"}],
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


@pytest.mark.parametrize("arguments", [MOBILE, VIT], ids=str)
def test_mixed_precision_stays_finite(arguments):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        out = image_tower(**arguments)(pixels(2, 12, 10, 3), training=True)
    finally:
        keras.config.set_dtype_policy("float32")
    assert all(np.isfinite(np.asarray(v)).all() for v in out.values())


def test_a_mobilenet_takes_the_multiply_adds_it_says():
    """Those of the first block behind the stem, one weight used each cell."""
    tower = image_tower(**MOBILE)
    block = [x for x in tower.layers if x.name.startswith("image_0_0_")]
    kernels = [x.kernel for x in block if hasattr(x, "kernel")]
    c = MOBILE["filters"]
    assert sum(np.prod(k.shape) for k in kernels) == 12 * c * c + 54 * c
    activations = [x for x in tower.layers if isinstance(x, keras.layers.ReLU)]
    assert {x.max_value for x in activations} == {6}


def preset_of(kind, folder, **config):
    backbone = load_backbone(kind, config)
    backbone.save_to_preset(str(folder))
    return backbone


def test_a_resnet_preset_sees_what_it_was_trained_on(tmp_path):
    backbone = preset_of(
        "ResNetBackbone",
        tmp_path,
        input_conv_filters=[64],
        input_conv_kernel_sizes=[3],
        stackwise_num_filters=[64],
        stackwise_num_blocks=[1],
        stackwise_num_strides=[1],
        block_type="basic_block",
        image_shape=(8, 8, 3),
    )
    tower = image_tower(16, 12, 1, variant="resnet18", pretrained=str(tmp_path))
    grey = pixels(2, 16, 12, 1)
    colours = np.repeat((grey / 255 - 0.449) / 0.226, 3, axis=-1)
    # The same weights, on an image of another size.
    other = load_backbone(
        "ResNetBackbone", {}, str(tmp_path), image_shape=(16, 12, 3)
    )
    np.testing.assert_array_equal(other.weights[0], backbone.weights[0])
    rows = np.reshape(other(colours), (2, -1, 64))
    np.testing.assert_allclose(
        tower(grey)["tokens"], tower.get_layer("image_tokens")(rows), atol=1e-5
    )


def test_a_vit_preset_sees_the_size_it_was_trained_on(tmp_path):
    backbone = preset_of(
        "ViTBackbone",
        tmp_path,
        image_shape=(8, 8, 3),
        patch_size=4,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        mlp_dim=16,
    )
    tower = image_tower(16, 16, 3, variant="vit", pretrained=str(tmp_path))
    # Each pixel four times: to make it smaller is to take one of the four.
    small = pixels(2, 8, 8, 3)
    large = np.repeat(np.repeat(small, 2, 1), 2, 2)
    rows = backbone((small / 255 - 0.5) / 0.5)
    assert rows.shape == (2, 1 + 4, 8)
    np.testing.assert_allclose(
        tower(large)["tokens"],
        tower.get_layer("image_tokens")(rows),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    "arguments, said",
    [
        (
            {"variant": "vgg"},
            r"`variant`.*of cnn, mobilenet, resnet18, .*'vgg'",
        ),
        ({"units": 0}, "`units` must be a positive integer.*units=0"),
        ({"height": -3}, "`height` must be a positive integer.*height=-3"),
        ({"depth": 2.5}, "`depth` must be a positive integer.*depth=2.5"),
        ({"mean": [0.5]}, "`mean` must have one number for each of the 3"),
        ({"std": [0.1, 0.0, 0.1]}, "`std` must be positive"),
        ({"pretrained": "x"}, "`pretrained` needs.*resnet18, resnet50"),
        ({"channels": 4, "variant": "vit"}, "`channels` must be 1 or 3"),
        (
            {"channels": 2, "variant": "vit", "pretrained": "x"},
            "`channels` must be 1 or 3.*channels=2 with variant='vit'",
        ),
        ({**VIT, "patch": 4}, "`patch` must divide.*patch=4 with 12x10"),
        ({**VIT, "heads": 3}, "`heads` four times the `filters`.*heads=3"),
        ({**VIT, "heads": 0}, "`heads` must be a positive integer"),
        ({"heads": 8}, "`heads` needs a variant.*vit.*heads=8 with.*'cnn'"),
        ({"hight": 8}, "`hight` is not a known.*filters"),
    ],
)
def test_refuses(arguments, said):
    with pytest.raises(ValueError, match=said):
        image_tower(**{**TINY, **arguments})
