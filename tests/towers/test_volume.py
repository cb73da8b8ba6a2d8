"""The volume tower: contract, windowing, sizes of the variants, errors."""

import keras
import numpy as np
import pytest

from mmkeras.towers import volume_tower

# Arguments, and the cells that 5 x 8 x 9 voxels leave.
CASES = {
    "cnn": ({"stages": 3}, 2 * 2 * 3),
    "resnet": (
        {"variant": "resnet", "stages": 2, "blocks": 2, "channels": 2},
        2 * 2 * 3,
    ),
}


def build(**arguments):
    keras.utils.set_random_seed(0)
    return volume_tower(5, 8, 9, **{"units": 6, "filters": 4, **arguments})


def voxels(channels=1, count=2):
    rng = np.random.default_rng(0)
    shape = (count, 5, 8, 9, channels)
    return rng.uniform(-1024, 3071, shape).astype("float32")


@pytest.mark.parametrize("arguments, cells", CASES.values(), ids=CASES)
def test_what_it_says_of_a_batch(arguments, cells):
    tower = build(**arguments, name="ct")
    found = tower(voxels(arguments.get("channels", 1)))
    assert found["tokens"].shape == (2, cells, 6)
    np.testing.assert_array_equal(found["mask"], np.ones((2, cells)))
    np.testing.assert_allclose(
        found["vector"], np.mean(found["tokens"], axis=1), atol=1e-4
    )


def test_the_window_is_inside():
    tower = build(window_low=-150.0, window_high=250.0)
    inside = keras.Model(
        tower.inputs[0], tower.get_layer("volume_window").output
    )
    x = voxels()
    x[0, 0, 0, :4, 0] = [-150, 50, 250, 1e9]
    found = np.asarray(inside(x)).reshape(x.shape)
    wanted = np.clip((x.astype("float64") + 150) / 400, 0, 1)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    np.testing.assert_allclose(found[0, 0, 0, :4, 0], [0, 0.5, 1, 1])
    # What the window hides does not reach the tower.
    np.testing.assert_array_equal(
        tower(x)["vector"], tower(np.clip(x, -150, 250))["vector"]
    )


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_every_axis_counts(axis):
    tower, x = build(stages=2), voxels()
    other = np.flip(x, axis).copy()
    gap = np.asarray(tower(x)["vector"]) - np.asarray(tower(other)["vector"])
    assert np.abs(gap).max() > 1e-4


@pytest.mark.parametrize("blocks, layers", [(1, 10), (2, 18)])
def test_layers_of_the_resnets(blocks, layers):
    """Each counted one is a pair here; the last is a classifier's."""
    tower = volume_tower(
        4, 8, 8, variant="resnet", blocks=blocks, filters=2, units=4
    )
    pairs = [x for x in tower.layers if x.name.endswith("_across_conv")]
    assert len(pairs) + 1 == layers
    assert pairs[-1].filters == 16


def test_half_precision_takes_raw_units():
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        tower = build(stages=2, window_low=0.0, window_high=100_000.0)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    x = voxels() + 80_000
    found = tower(x)
    assert found["mask"].dtype == "float32"
    assert found["tokens"].dtype == "float16"
    assert all(np.isfinite(np.asarray(v)).all() for v in found.values())
    inside = keras.Model(
        tower.inputs[0], tower.get_layer("volume_window").output
    )
    np.testing.assert_allclose(
        np.asarray(inside(x)).reshape(x.shape), x / 100_000, atol=1e-6
    )


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"variant": "cnn3d"}, "`variant` must be one of cnn, resnet.*'cnn3d'"),
        ({"stages": 0}, "`stages` must be a positive integer.*stages=0"),
        ({"filters": 1.5}, "`filters` must be a positive integer"),
        (
            {"window_low": 400.0},
            "`window_low` must be less than `window_high`.*low=400.0",
        ),
    ],
)
def test_refuses(arguments, said):
    with pytest.raises(ValueError, match=said):
        build(**arguments)
