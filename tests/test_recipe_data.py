"""Recipes that need the data themselves: projections, words, presets."""

import csv

import keras
import numpy as np
import pytest
from keras import layers

from mmkeras import build_from_recipe
from mmkeras.data import load_data, prepare
from mmkeras.kinds import Vector
from mmkeras.runs import from_data
from mmkeras.spec import DataSpec

TOWNS = ["Rome", "Oslo", ""]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Forty rows with gaps, categories and a text; some rows are absent."""
    root = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(0)
    rows = [("a", "b", "c", "town", "note", "ill")]
    for i in range(40):
        numbers = (rng.normal(size=2) @ rng.normal(size=(2, 3)) + 9).tolist()
        cells = ["" if (i + j) % 7 == 0 else n for j, n in enumerate(numbers)]
        town = TOWNS[i % 3]
        if i % 10 == 9:
            cells, town = ["", "", ""], ""
        rows.append((*cells, town, f"he is from {town}", ["no", "yes"][i % 2]))
    with open(root / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    (root / "words.txt").write_text("he 1 2\nfrom 3 4\nsea 5 6\n")
    table = {"kind": "vector", "columns": ["a", "b", "c"],
             "categorical": ["town"], "optional": True}  # fmt: skip
    note = {"kind": "text", "column": "note", "max_tokens": 6,
            "tokenizer": "word"}  # fmt: skip
    spec = DataSpec.from_dict(
        {
            "name": "people",
            "data": {"root": str(root)},
            "modalities": {"table": table, "note": note},
            "targets": {
                "ill": {"kind": "category", "column": "ill",
                        "classes": ["no", "yes"]},
            },
        }
    )  # fmt: skip
    prepare(spec, root / "out", workers=1)
    return load_data(root / "out", batch_size=8)


def build(data, name, **arguments):
    towers = {"note": {"variant": "bag"}, name: {"units": 4, **arguments}}
    recipe = {"towers": towers, "fusion": {"method": "concat"}}
    model, _ = build_from_recipe(data.spec, data.statistics, recipe, data)
    return model, model.get_layer(f"{name}_tower")


@pytest.mark.parametrize("kind", ["pca", "ica"])
def test_a_projection_is_fitted_on_the_training_rows_that_are_there(data, kind):
    from sklearn.decomposition import PCA, FastICA

    _, tower = build(data, "table", projection=kind, components=2)
    there = [x["table"][x["present"][:, 0] > 0] for x, _, _ in
             data.ordered("train")]  # fmt: skip
    rows = np.concatenate(there)
    assert 0 < len(rows) < data.counts["train"]
    known = data.statistics["modalities"]["table"]
    scaled = (rows[:, :3] - known["mean"]) / np.sqrt(known["variance"])
    scaled = np.nan_to_num(scaled)
    make = {
        "pca": PCA(2, svd_solver="full"),
        "ica": FastICA(
            2, whiten="unit-variance", max_iter=1000, random_state=0
        ),
    }[kind]
    layer = tower.get_layer(f"table_{kind}")
    found = keras.Model(tower.input, layer.output).predict(rows, verbose=0)
    np.testing.assert_allclose(
        found, make.fit(scaled).transform(scaled), atol=1e-4
    )


def test_word_vectors_find_the_tokenizer(data, capsys):
    path = str(data.spec.root / "words.txt")
    _, tower = build(data, "note", variant="bag", word_vectors=path)
    assert "has 2 of" in capsys.readouterr().out
    table = np.asarray(tower.get_layer("note_embedding").embeddings)
    vocabulary_size = data.statistics["modalities"]["note"]["vocabulary_size"]
    assert table.shape == (vocabulary_size, 2)
    assert [1, 2] in table.tolist() and [5, 6] not in table.tolist()


def test_such_a_model_learns_from_gaps_and_categories(data):
    model, tower = build(data, "table")
    assert tower.get_layer("table_categories").input_dim == 4
    loss = {"ill": "sparse_categorical_crossentropy"}
    model.compile("adam", loss, jit_compile=False)
    history = model.fit(data.train, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


@pytest.mark.parametrize(
    "name, arguments, said",
    [
        ("table", {"projection": "pca"}, "`towers.table`.*`rows` must hold"),
        ("note", {"word_vectors": "w.txt"}, "`towers.note`.*`tokenizer`"),
        (
            "note",
            {"variant": "bert", "pretrained": "bert_tiny"},
            "`towers.note.pretrained` needs `tokenizer = 'bert'`.*'word'",
        ),
        (
            "note",
            {"variant": "roberta", "pretrained": "folder"},
            "needs `tokenizer = 'roberta'`.*'word' with variant='roberta'",
        ),
    ],
)
def test_what_is_missing_is_told(data, name, arguments, said):
    recipe = {"towers": {name: arguments}}
    with pytest.raises(ValueError, match=said):
        build_from_recipe(data.spec, data.statistics, recipe)


def test_the_report_shows_gaps_and_categories(data):
    row = np.float32([2.5, np.nan, 1e6, 3, 0, 1])
    table = Vector(
        kind="vector", columns=list("abc"), categorical=["town", "job", "pet"]
    )
    shown = table.show(row, None)["text"]
    assert shown == "2.5, –, 1e+06, town: #2, job: –, pet: ?"
    many = Vector(kind="vector", columns=list("abcdefghijklm"))
    assert many.show(np.zeros(13), None)["text"].endswith("0, …")


@pytest.fixture
def saved(tmp_path):
    """A network that learned elsewhere to read three numbers and a town."""
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(5)])
    path = tmp_path / "own.keras"
    model.save(path)
    return path


def test_a_saved_model_becomes_a_tower_with_its_weights(data, saved):
    model, tower = build(data, "table", model=str(saved))
    own = keras.saving.load_model(saved)
    inner = next(w for w in tower.weights if tuple(w.shape) == (4, 5))
    np.testing.assert_array_equal(inner, own.layers[0].kernel)
    assert tower.output["vector"].shape == (None, 4)
    assert {t.name for t in model.inputs} >= {"table", "note"}


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"variant": "mlp"}, "`towers.table.variant` is not a known key"),
        ({"model": 3}, "`towers.table.model` must be the path"),
        ({"model": "nowhere.keras"}, "nowhere.keras"),
        ({"units": 0}, "`towers.table.units`"),
    ],
)
def test_a_saved_model_takes_its_own_keys_alone(
    data, saved, arguments, message
):
    with pytest.raises(ValueError, match=message):
        build(data, "table", **{"model": str(saved), **arguments})


def test_a_saved_model_reads_what_the_spec_gives(data, tmp_path):
    model = keras.Sequential([keras.Input((7,)), layers.Dense(5)])
    model.save(tmp_path / "other.keras")
    wanted = r"reads \(4,\).*other.keras, which reads \(7,\)"
    with pytest.raises(ValueError, match=wanted):
        build(data, "table", model=str(tmp_path / "other.keras"))


def test_of_many_rows_some_are_fitted_on_evenly_spread(data, capsys):
    whole = from_data(data, "note")["rows"]()
    assert len(whole) == data.counts["train"] == 32
    assert capsys.readouterr().out == ""
    some = from_data(data, "note", max_rows=10)["rows"]()
    np.testing.assert_array_equal(some, whole[::4])
    assert "`note`: its tower is fitted on 8 of 32" in capsys.readouterr().out
    present = [
        np.asarray(x["present"])[:, 0] for x, _, _ in data.ordered("train")
    ]
    there = from_data(data, "table", max_rows=10)["rows"]()
    assert len(there) == np.concatenate(present)[::4].sum()
