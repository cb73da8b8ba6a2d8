"""The vector tower: contract, normalisation, missing cells, errors."""

import keras
import numpy as np
import pytest

from mmkeras.towers import (
    STANDARDISED_LIMIT,
    CategoryIds,
    FeatureTokens,
    FillMissing,
    MissingCells,
    vector_tower,
)

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
        tower.inputs[0], tower.get_layer("vector_raw_cells_scale").output
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


def test_layers_against_numpy():
    x = np.array([[NAN, -50.0, 3.0, INF]], "float32")
    np.testing.assert_array_equal(MissingCells()(x), np.isnan(x))
    np.testing.assert_array_equal(
        FillMissing()(x),
        np.clip(np.nan_to_num(x), -STANDARDISED_LIMIT, STANDARDISED_LIMIT),
    )


FT = {"variant": "ft_transformer", "heads": 2}
TABLES = {
    "mlp": {"size": 3, "mean": [1.0] * 3, "variance": [4.0] * 3},
    "mlp-mixed": {"size": 3, "categories": [2, 5]},
    "mlp-categories": {"size": 0, "categories": [2, 5, 0]},
    "ft": {"size": 3, **FT},
    "ft-mixed": {"size": 3, **FT, "categories": [2, 5]},
    "ft-categories": {"size": 0, **FT, "categories": [2, 5, 0]},
}  # fmt: skip
each_table = pytest.mark.parametrize("arguments", TABLES.values(), ids=TABLES)


def table_rows(arguments, count=6):
    """Numbers with gaps, then every index there is and some there are not."""
    x = rows(count, arguments["size"]) if arguments["size"] else None
    parts = [] if x is None else [np.where(x > 400, NAN, x)]
    for size in arguments.get("categories", ()):
        parts.append(np.resize([0, size + 1, 1, size + 2, NAN, -3], (count, 1)))
    return np.concatenate(parts, axis=1).astype("float32")


@each_table
def test_every_table_keeps_the_contract(tmp_path, arguments):
    tower = vector_tower(units=8, **arguments)
    x = table_rows(arguments)
    out = {k: np.asarray(v) for k, v in tower(x).items()}
    tokens = x.shape[1] if "variant" in arguments else 1
    assert {k: v.shape for k, v in out.items()} == {
        "vector": (6, 8), "tokens": (6, tokens, 8), "mask": (6, tokens),
    }  # fmt: skip
    assert out["mask"].all() and out["mask"].dtype == "float32"
    assert all(np.isfinite(v).all() for v in out.values())
    tower.save(tmp_path / "tower.keras")
    loaded = keras.saving.load_model(tmp_path / "tower.keras")
    for key, value in loaded(x).items():
        np.testing.assert_array_equal(value, out[key])


@each_table
def test_half_precision_keeps_large_numbers_and_indices(arguments):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        if "mean" in arguments:
            arguments = {**arguments, "mean": [1e7] * 3}
        out = vector_tower(units=8, **arguments)(
            table_rows(arguments) + ("mean" in arguments) * np.float32(1e7)
        )
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert out["vector"].dtype == "float16" and out["mask"].dtype == "float32"
    assert all(np.isfinite(value).all() for value in out.values())


def test_categories_outside_are_unknown_and_nan_is_missing():
    x = [[0, 1, 2], [NAN, 5, 3], [1, 6, 1e30], [-1, -INF, 2.5], [3, 2, INF]]
    found = CategoryIds([2, 4, 1])(np.array(x, "float32"))
    expected = [[0, 5, 12], [0, 9, 11], [1, 5, 11], [1, 5, 11], [3, 6, 11]]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("variant", ["mlp", "ft_transformer"])
def test_unseen_categories_count_for_nothing_until_they_are_seen(variant):
    tower = vector_tower(1, variant=variant, units=4, categories=[3])
    out = tower(np.array([[5, 0], [5, 1], [5, 9], [5, 2]], "float32"))["vector"]
    np.testing.assert_array_equal(out[0], out[1])
    np.testing.assert_array_equal(out[1], out[2])
    assert np.abs(out[1] - out[3]).max() > 1e-4


@pytest.mark.parametrize("arguments", [{}, FT], ids=["mlp", "ft"])
def test_learns_a_rule_of_numbers_gaps_and_categories(arguments):
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(size=256), rng.integers(0, 4, 256)], axis=1)
    x[::4, 0] = NAN
    y = np.where(np.isnan(x[:, 0]), 2.0, x[:, 0]) * (x[:, 1] == 2)
    tower = vector_tower(1, units=8, categories=[2], depth=1, **arguments)
    out = keras.layers.Dense(1)(tower.output["vector"])
    model = keras.Model(tower.input, out)
    model.compile(keras.optimizers.Adam(0.02), "mse", jit_compile=False)
    model.fit(x, y, epochs=25, batch_size=64, verbose=0)
    assert model.evaluate(x, y, verbose=0) < 0.1 * y.var()


def test_feature_tokens_against_numpy():
    layer = FeatureTokens(3)
    x = np.array([[2.0, 0.0]], "float32")
    missing = np.array([[0.0, 1.0]], "float32")
    layer.build((None, 2))
    layer.if_missing.assign(np.full((2, 3), 7.0))
    scale, bias = (np.asarray(w) for w in (layer.scale, layer.bias))
    expected = x[..., None] * scale + bias + missing[..., None] * 7
    np.testing.assert_allclose(layer(x, missing), expected, rtol=1e-6)


def correlated(count=200, size=5):
    rng = np.random.default_rng(1)
    sources = rng.uniform(-1, 1, (count, 3))
    x = sources @ rng.normal(size=(3, size)) * [1, 10, 1, 3, 1] + 50
    return x.astype("float32")


@pytest.mark.parametrize("kind", ["pca", "ica"])
def test_a_projection_is_that_of_scikit_learn(kind):
    from sklearn.decomposition import PCA, FastICA

    x = correlated()
    mean, variance = x.mean(0).tolist(), x.var(0).tolist()
    tower = vector_tower(
        5, mean=mean, variance=variance, projection=kind, components=3, rows=x
    )
    scaled = (x - np.array(mean)) / np.sqrt(variance)
    make = {
        "pca": PCA(3, svd_solver="full"),
        "ica": FastICA(
            3, whiten="unit-variance", max_iter=1000, random_state=0
        ),
    }[kind]
    expected = make.fit(scaled).transform(scaled)
    layer = tower.get_layer(f"vector_{kind}")
    found = keras.Model(tower.input, layer.output).predict(x, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(
    "column",
    [
        lambda x: np.full(len(x), 7.0),
        lambda x: x[:, 0],
        lambda x: x[:, 0] + x[:, 1],
    ],
)
def test_columns_that_depend_on_others_have_no_component(column):
    x = np.random.default_rng(2).uniform(40, 60, (200, 5))
    x[:, 4] = column(x)
    scale = {"mean": x.mean(0), "variance": x.var(0)}
    given = {**scale, "projection": "ica", "rows": x}
    with pytest.raises(ValueError, match="components=5 with 4 of 5 columns"):
        vector_tower(5, components=5, **given)
    moved = []
    tower = vector_tower(5, components=4, **given)
    for shift in (0, 1e-3):
        moved.append(np.asarray(tower(x.astype("float32") + shift)["vector"]))
    assert np.abs(moved[1] - moved[0]).max() < 0.1


def test_statistics_may_be_arrays():
    x = correlated().astype("float32")
    mean, variance = x.mean(0), x.var(0)
    found = [
        vector_tower(5, mean=m, variance=v).get_layer(
            "vector_raw_cells_centre"
        )(x)
        for m, v in ((mean, variance), (mean.tolist(), variance.tolist()))
    ]
    np.testing.assert_array_equal(*found)


def test_a_projection_does_not_learn_and_comes_back(tmp_path):
    x = correlated()
    x[::7, 2] = NAN
    x = np.concatenate([x, np.resize([2, 3], (len(x), 1))], axis=1)
    tower = vector_tower(5, categories=[2], projection="pca", rows=x,
                         components=2)  # fmt: skip
    # As a strategy does that freezes a tower and lets it go.
    tower.trainable = False
    tower.trainable = True
    layer = tower.get_layer("vector_pca")
    assert not layer.trainable_weights and len(layer.weights) == 2
    tower.save(tmp_path / "tower.keras")
    loaded = keras.saving.load_model(tmp_path / "tower.keras")
    np.testing.assert_array_equal(loaded(x)["vector"], tower(x)["vector"])


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"rows": None}, "`rows` must hold the training rows"),
        ({"projection": "lda"}, "`projection` must be one of ica, pca .*'lda'"),
        ({"components": 6}, "`components` must be at most.*6 with 5 columns"),
        ({"variant": "ft_transformer"}, "`projection` needs.*mlp"),
    ],
)
def test_refuses_a_projection(arguments, said):
    given = {"projection": "pca", "components": 2, "rows": correlated()}
    with pytest.raises(ValueError, match=said):
        vector_tower(5, **{**given, **arguments})


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"size": 0}, "`size` must be a positive integer, or 0.*size=0"),
        ({"units": -1}, "`units` must be a positive integer.*units=-1"),
        ({"mean": [1.0]}, "`mean` must have one number for each of the 3"),
        ({"variance": [1.0, -1.0, 1.0]}, "`variance` must not be negative"),
        (
            {"variant": "tree"},
            "`variant` must be one of mlp, ft_transformer.*'tree'",
        ),
        ({"size": 0, "categories": [-1]}, "`size` must be a positive.*-1"),
        ({"variant": "ft_transformer", "heads": 3}, "`heads` must divide"),
    ],
)
def test_refuses(arguments, said):
    with pytest.raises(ValueError, match=said):
        vector_tower(**{"size": 3, **arguments})


def test_a_genome_needs_no_dense_layer_of_its_width():
    """20,000 columns, and the last group is shorter than the others."""
    size = 20_001
    groups = vector_tower(size, variant="grouped", groups=100)
    dense = vector_tower(size)
    assert groups.count_params() < dense.count_params() / 6
    draw = np.random.default_rng(0)
    row = draw.normal(size=(2, size)).astype("float32")
    before = groups(row)
    assert before["tokens"].shape == (2, 100, 64)
    # The first column is in the first group alone.
    row[:, 0] += 3
    moved = np.abs(groups(row)["tokens"] - before["tokens"]).max(axis=(0, 2))
    assert moved[0] > 1e-4 and not moved[1:].any()
    assert np.abs(groups(row)["vector"] - before["vector"]).max() > 1e-5
