"""The vector tower: contract, normalisation, missing cells, errors."""

import keras
import numpy as np
import pytest

from mmkeras.towers import vector_tower
from mmkeras.towers.vector import LIMIT, FillMissing, MissingCells

NAN, INF = np.nan, np.inf


def rows(count=4, size=3):
    x = np.random.default_rng(0).normal(size=(count, size)).astype("float32")
    return x * [1, 30, 500] + [0, -4, 1013]


@pytest.mark.parametrize("depth", [1, 3])
def test_contract(depth):
    tower = vector_tower(3, name="weather", units=5, depth=depth, width=8)
    assert tower.name == "weather_tower"
    assert [i.name for i in tower.inputs] == ["weather"]
    out = tower(rows())
    assert {k: tuple(v.shape) for k, v in out.items()} == {
        "vector": (4, 5),
        "tokens": (4, 1, 5),
        "mask": (4, 1),
    }
    np.testing.assert_array_equal(out["mask"], np.ones((4, 1)))
    np.testing.assert_array_equal(out["tokens"][:, 0], out["vector"])


@pytest.mark.parametrize(
    "mean, variance",
    [
        (None, None),
        ([0.1, -4.0, 1013.0], [1.0, 900.0, 250000.0]),
        # A constant column keeps its unit.
        ([0.0, 0.0, 1013.0], [0.0, 1.0, 4.0]),
        # Seconds since 1970: float32 has steps of 128 there.
        ([0.0, 0.0, 1.7e9], [1.0, 1.0, 1e8]),
    ],
)
def test_normalises_as_numpy_does(mean, variance):
    tower = vector_tower(3, mean=mean, variance=variance)
    inside = keras.Model(
        tower.inputs[0], tower.get_layer("vector_scale").output
    )
    x = (rows() + (np.asarray(mean or 0) > 1e8) * (1.7e9 + 2048)).astype(
        "float32"
    )
    std = np.sqrt(variance or [1, 1, 1])
    expected = (x.astype("float64") - (mean or 0)) / np.where(std, std, 1)
    np.testing.assert_allclose(inside(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "row", [[NAN, 1, 2], [NAN, NAN, NAN], [INF, -INF, 0], [3e38, -3e38, NAN]]
)
def test_no_nan_passes(row):
    tower = vector_tower(3, mean=[1.0] * 3, variance=[4.0] * 3)
    x = np.array([row], "float32")
    assert np.isfinite(tower(x)["vector"]).all()
    # Compiled as well: a graph optimiser may take x == x for always true.
    np.testing.assert_allclose(
        tower.predict(x, verbose=0)["vector"], tower(x)["vector"], atol=1e-6
    )


def test_untrained_on_gaps_a_missing_cell_counts_as_the_mean():
    tower = vector_tower(3, mean=[0.0, 7.0, 0.0])
    missing, mean = tower(np.array([[1, NAN, 2], [1, 7, 2]], "float32"))[
        "vector"
    ]
    np.testing.assert_array_equal(missing, mean)


def test_learns_from_what_is_missing():
    keras.utils.set_random_seed(0)
    x = rows(64, 3).astype("float32")
    x[::2, 1] = NAN
    y = np.isnan(x[:, 1]).astype("float32")
    tower = vector_tower(3, mean=[0, -4, 1013], variance=[1, 900, 250000])
    vector = tower(tower.inputs[0])["vector"]
    model = keras.Model(tower.inputs[0], keras.layers.Dense(1)(vector))
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.fit(x, y, epochs=20, verbose=0)
    assert model.evaluate(x, y, verbose=0) < 0.05


def test_layers_against_numpy():
    x = np.array([[NAN, -50.0, 3.0, INF]], "float32")
    np.testing.assert_array_equal(MissingCells()(x), np.isnan(x))
    np.testing.assert_array_equal(
        FillMissing()(x), np.clip(np.nan_to_num(x), -LIMIT, LIMIT)
    )


def test_saved_tower_reloads_equal(tmp_path):
    tower = vector_tower(3, mean=[1.0] * 3, variance=[4.0] * 3)
    tower.save(tmp_path / "tower.keras")
    loaded = keras.saving.load_model(tmp_path / "tower.keras")
    for key, value in tower(rows()).items():
        np.testing.assert_array_equal(loaded(rows())[key], value)


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"size": 0}, "`size` must be a positive integer.*size=0"),
        ({"units": -1}, "`units` must be a positive integer.*units=-1"),
        ({"mean": [1.0]}, "`mean` must have one number for each of the 3"),
        ({"variance": [1.0, -1.0, 1.0]}, "`variance` must not be negative"),
    ],
)
def test_refuses(arguments, said):
    with pytest.raises(ValueError, match=said):
        vector_tower(**{"size": 3, **arguments})
