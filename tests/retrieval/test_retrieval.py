"""Retrieval: exact neighbours, encoders as the device has them, and recall."""

import json

import keras
import numpy as np
import pytest
from data.data_toys import make_spec, write_set
from typer.testing import CliRunner

from mmkeras import artefact
from mmkeras.cli import app
from mmkeras.data import load_data, prepare
from mmkeras.heads import Category, Embedding
from mmkeras.metrics import recall_between
from mmkeras.runs import describe_run
from mmkeras.studies.retrieval import (
    Index,
    build_index,
    embedding_model,
    open_encoder,
    query,
)
from mmkeras.training import alignment_model, save_run


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def vectors(count=500, units=16, seed=0):
    draw = np.random.default_rng(seed)
    return unit(draw.normal(size=(count, units))).astype("float32")


# The index: against a sort of all cosines.


@pytest.mark.parametrize("chunk", [100, 8_000_000])
def test_the_nearest_are_those_of_a_full_sort(chunk, monkeypatch):
    monkeypatch.setattr("mmkeras.studies.retrieval.index.CHUNK", chunk)
    items, queries = vectors(), 3 * vectors(7, seed=1)
    ids, near = Index(items, [f"s{i}" for i in range(500)]).search(queries, 10)
    cosines = unit(queries) @ items.T
    expected = np.argsort(-cosines, axis=1)[:, :10]
    assert ids.tolist() == [[f"s{i}" for i in row] for row in expected]
    np.testing.assert_allclose(
        near, np.take_along_axis(cosines, expected, axis=1), atol=1e-6
    )


def test_int8_takes_a_quarter_and_finds_nearly_the_same():
    items, queries = vectors(2000), vectors(50, seed=1)
    names = list(map(str, range(2000)))
    whole, small = Index(items, names), Index(items, names, "int8")
    assert small.vectors.nbytes * 4 == whole.vectors.nbytes
    pairs = zip(whole.search(queries)[0], small.search(queries)[0], strict=True)
    overlap = np.mean([len(set(a) & set(b)) / 10 for a, b in pairs])
    assert overlap >= 0.95
    near = [index.search(queries)[1] for index in (whole, small)]
    np.testing.assert_allclose(*near, atol=0.01)


def test_of_equal_items_the_first_comes_first():
    items = np.repeat(vectors(3), 4, axis=0)
    ids, near = Index(items, list(range(12))).search(items[4:5], 6)
    assert ids[0, :4].tolist() == ["4", "5", "6", "7"]
    np.testing.assert_allclose(near[0, :4], 1, atol=1e-6)


@pytest.mark.parametrize("count, k", [(1000, 3), (100, 5)])
def test_of_more_equal_items_than_asked_for_the_first_come(count, k):
    items = np.repeat(vectors(1), count, axis=0)
    ids, _ = Index(items, list(range(count))).search(items[:2], k)
    assert ids.tolist() == [list(map(str, range(k)))] * 2


def test_few_items_give_few_answers():
    ids, _ = Index(vectors(3), "abc").search(vectors(2, seed=1), 10)
    assert ids.shape == (2, 3)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_an_index_comes_back_from_its_folder(tmp_path, dtype):
    index = Index(vectors(), list(range(500)), dtype)
    manifest = index.save(tmp_path / "index", name="toys")
    assert manifest["count"] == 500 and manifest["dtype"] == dtype
    again = Index.load(tmp_path / "index")
    for a, b in zip(
        index.search(vectors(5)), again.search(vectors(5)), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_a_damaged_index_is_refused(tmp_path):
    Index(vectors(), list(range(500))).save(tmp_path)
    raw = bytearray((tmp_path / "vectors.npy").read_bytes())
    raw[-1] ^= 1
    (tmp_path / "vectors.npy").write_bytes(raw)
    with pytest.raises(ValueError, match="is not the file that was written"):
        Index.load(tmp_path)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((vectors(3), "ab"), "an id for each item"),
        ((np.zeros((3, 4)), "abc"), "longer than 0. Received: 3"),
        ((vectors(3) * np.nan, "abc"), "must be finite"),
        ((vectors(3), "abc", "int4"), "one of float32, int8"),
    ],
)
def test_what_is_no_set_of_vectors_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Index(*arguments)


def test_a_query_of_another_width_is_refused():
    with pytest.raises(ValueError, match=r"shape \(2, 8\)"):
        Index(vectors(3), "abc").search(vectors(2, 8))


# Recall in both directions: numbers by hand.


def test_recall_between_is_asymmetric_and_counted_by_hand():
    one = np.eye(3)
    # The second item is also nearest to the third query.
    other = unit(np.array([[1, 0, 0], [0, 1, 0.9], [0, 0.9, 1.0]]))
    other[2] = unit(np.array([0, 1.0, 0.2]))
    found = recall_between(one, other, names=("a", "b"), resamples=50)
    forward, back = found["a -> b"], found["b -> a"]
    assert forward["recall_at_1"]["value"] == pytest.approx(1 / 3)
    assert forward["recall_at_5"]["value"] == 1
    assert back["recall_at_1"]["value"] == pytest.approx(2 / 3)
    assert (
        forward["recall_at_1"]["low"] <= 1 / 3 <= forward["recall_at_1"]["high"]
    )


def test_what_is_not_a_number_finds_nothing():
    broken = np.full((5, 4), np.nan)
    found = recall_between(broken, broken, resamples=0)
    assert found["one -> other"]["recall_at_1"]["value"] == 0
    # One broken item is missed, the others are not.
    whole = np.eye(20)
    broken = np.where(np.arange(20)[:, None] == 3, np.nan, whole)
    found = recall_between(whole, broken, resamples=0)
    for direction in ("one -> other", "other -> one"):
        assert found[direction]["recall_at_1"]["value"] == 0.95


def test_without_items_nothing_is_asked_for():
    x = vectors(3)
    found = recall_between(x, x[:0], (["a", "b", "c"], []), resamples=0)
    assert found["one -> other"]["recall_at_1"]["value"] is None


def test_a_constant_finds_nothing_and_strangers_do_not_count():
    constant = np.ones((20, 4)) / 2
    found = recall_between(constant, constant, resamples=0)
    assert found["one -> other"]["recall_at_1"]["value"] == 0
    x = vectors(4)
    found = recall_between(x[:3], x[1:], (["a", "b", "c"], ["b", "c", "d"]))
    assert found["one -> other"]["recall_at_1"]["value"] == 1
    found = recall_between(x[:1], x[1:2], (["a"], ["b"]))
    assert found["one -> other"]["recall_at_1"]["value"] is None


# Encoders: a run, its towers aligned, and the file of the device.


def tower(x, name):
    like = keras.Input(x.shape[1:], dtype=x.dtype, name=name)
    y = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(like))
    y = keras.layers.Dense(12, activation="tanh")(y)
    outputs = {
        "vector": y,
        "tokens": keras.layers.Reshape((1, 12))(y),
        "mask": keras.ops.ones_like(y[:, :1]),
    }
    return keras.Model(like, outputs, name=f"{name}_tower")


def toy_model():
    keras.utils.set_random_seed(0)
    inputs = {
        "image": keras.Input((8, 6, 1), dtype="uint8", name="image"),
        "present": keras.Input((1,), name="present"),
        "vector": keras.Input((2,), name="vector"),
    }
    found = [
        tower(inputs[name], name)(inputs[name])["vector"]
        for name in ("image", "vector")
    ]
    x = keras.layers.Concatenate()([*found, inputs["present"]])
    heads = {"color": Category(3), "who": Embedding(8)}
    return keras.Model(inputs, {n: h(x, n) for n, h in heads.items()})


def prepared(folder, **changed):
    """Writes data of pictures and vectors; returns their folder."""
    write_set(folder / "root")
    spec = make_spec(
        folder / "root",
        modalities__audio=None,
        modalities__text=None,
        targets__who={"kind": "embedding", "column": "group"},
        **changed,
    )
    prepare(spec, folder / "data", workers=1)
    return folder / "data"


@pytest.fixture(scope="module")
def toys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("retrieval")
    place = prepared(folder, modalities__image__optional=True)
    data = load_data(place, augment=False)
    history = keras.callbacks.History()
    history.epoch, history.history = [0], {"loss": [1.0]}
    model = toy_model()
    about = describe_run(data, {}, "full", 0)
    save_run(folder / "run", model, history, **about)
    aligned = alignment_model(model, "infonce", units=6, columns={"image": 0})
    save_run(folder / "align", aligned, history, stage="align")
    return folder


def test_other_data_and_other_folders_are_left_alone(toys, tmp_path):
    prepared(tmp_path, modalities__image__height=9)
    with pytest.raises(ValueError, match="`data` must fit those.*height"):
        build_index(toys / "run", tmp_path / "data", "image", tmp_path / "x")
    assert not (tmp_path / "x").exists()
    before = (toys / "run" / "manifest.json").read_bytes()
    for out in (toys / "run", toys / "align"):
        with pytest.raises(ValueError, match="`out` must be"):
            build_index(toys / "run", toys / "data", "image", out)
    assert (toys / "run" / "manifest.json").read_bytes() == before


def test_a_gallery_needs_what_the_encoder_reads_alone(toys, tmp_path):
    """Pictures without their vectors, each of them there."""
    prepared(
        tmp_path, modalities__vector=None, modalities__image__optional=False
    )
    build_index(toys / "run", tmp_path / "data", "image", tmp_path / "index")
    assert len(Index.load(tmp_path / "index")) > 0
    # This one reads both, and who is present.
    with pytest.raises(ValueError, match="vector.*not set"):
        build_index(toys / "run", tmp_path / "data", "who", tmp_path / "who")


def test_an_embedding_model_is_tower_and_projection(toys):
    model = toy_model()
    pictures = np.random.default_rng(0).integers(
        0, 255, (5, 8, 6, 1), dtype=np.uint8
    )
    alone = embedding_model(model, "image")
    got = alone.predict_on_batch({"image": pictures})["embedding"]
    expected = model.get_layer("image_tower")(pictures)["vector"]
    np.testing.assert_allclose(got, unit(np.asarray(expected)), atol=1e-6)
    aligned = alignment_model(model, "infonce", units=6, columns={"image": 0})
    got = embedding_model(aligned, "image").predict_on_batch(
        {"image": pictures}
    )["embedding"]
    project = aligned.get_layer("alignment").projections["image"]
    np.testing.assert_allclose(
        got, unit(np.asarray(project(expected))), atol=1e-6
    )
    with pytest.raises(ValueError, match="image, vector, color, who"):
        embedding_model(model, "sound")


@pytest.fixture(scope="module")
def indexes(toys, tmp_path_factory):
    """The same pictures, embedded by Keras and by the exported file."""
    folder = tmp_path_factory.mktemp("indexes")
    for form in ("keras", "tflite"):
        manifest = build_index(
            toys / "run", toys / "data", "image", folder / form,
            split="train", form=form,
        )  # fmt: skip
        assert manifest["recall"] == {}
    return folder


def test_the_exported_encoder_finds_what_keras_finds(indexes):
    pair = [Index.load(indexes / form) for form in ("keras", "tflite")]
    np.testing.assert_allclose(pair[0].vectors, pair[1].vectors, atol=1e-5)
    top = [index.search(index.vectors, 10)[0] for index in pair]
    overlap = [len(set(a) & set(b)) / 10 for a, b in zip(*top, strict=True)]
    assert np.mean(overlap) == 1


def test_a_picture_finds_itself(toys, indexes):
    names = load_data(toys / "data").ids("train")
    ids = json.loads((indexes / "tflite" / "ids.json").read_text())
    assert ids == names
    path = toys / "root" / f"{names[0].removeprefix('s')}.png"
    told = CliRunner().invoke(
        app, ["search", str(indexes / "tflite"), f"image={path}", "-k", "2"]
    )
    assert told.exit_code == 0
    first, second = told.output.splitlines()
    assert first == f" 1.0000  {names[0]}" and second < first
    for file, why in (
        ("none.png", "No such file"),
        (__file__, "is none of PNG"),
    ):
        with pytest.raises(ValueError, match=f"`image` must be a file.*{why}"):
            query(indexes / "tflite", {"image": file})


def test_numbers_look_for_pictures_where_towers_were_aligned(toys, tmp_path):
    manifest = build_index(
        toys / "align", toys / "data", "image", tmp_path / "index"
    )
    assert set(manifest["recall"]) == {"image -> vector", "vector -> image"}
    for metrics in manifest["recall"].values():
        assert set(metrics) == {"recall_at_1", "recall_at_5", "recall_at_10"}
    found = query(tmp_path / "index", {"vector": "1.5,994"}, k=3)
    encoder = open_encoder(tmp_path / "index" / "encoder_vector.keras")
    x = encoder({"vector": np.array([[1.5, 994]], "float32")})
    ids, near = Index.load(tmp_path / "index").search(x, 3)
    assert [name for name, _ in found] == ids[0].tolist()


def test_an_embedding_target_reads_all_modalities(toys, tmp_path):
    build_index(toys / "run", toys / "data", "who", tmp_path / "index")
    found = query(tmp_path / "index", {"vector": "0,1000"}, k=2)
    assert len(found) == 2
    with pytest.raises(ValueError, match="image and vector. Received: image"):
        query(tmp_path / "index", {"image": "x.png"})
    with pytest.raises(ValueError, match="must be 2 numbers.*3 numbers"):
        query(tmp_path / "index", {"vector": "0,1,2"})


def test_an_index_of_a_bundle_has_the_embeddings_of_its_file(toys, tmp_path):
    """The bundle's file is asked; its model here is that of the run."""
    from mmkeras.export import to_tflite

    bundle = tmp_path / "bundle"
    bundle.mkdir()
    to_tflite(toy_model(), bundle / "model.tflite")
    artefact.write_manifest(
        bundle, "bundle", ["model.tflite"],
        model={"file": "model.tflite", "format": "tflite",
               "signature": "serving_default"}, present=["image"],
        inputs={name: {"kind": name, "shape": [1], "dtype": "float32",
                       "optional": False} for name in ("image", "vector")},
        outputs={"color": {"kind": "category"}, "who": {"kind": "embedding"}},
    )  # fmt: skip
    for name in ("run", "bundle"):
        source = toys / "run" if name == "run" else bundle
        build_index(source, toys / "data", "who", tmp_path / name / "index")
    pair = [Index.load(tmp_path / n / "index") for n in ("run", "bundle")]
    np.testing.assert_allclose(pair[0].vectors, pair[1].vectors, atol=1e-5)
    with pytest.raises(ValueError, match="bundle: who. Received: 'color'"):
        build_index(bundle, toys / "data", "color", tmp_path / "no")


def test_nothing_is_left_that_looks_whole(toys, tmp_path):
    with pytest.raises(ValueError, match="one of keras, tflite"):
        build_index(toys / "run", toys / "data", "image", tmp_path, form="h5")
    with pytest.raises(ValueError, match="`name` must be a modality"):
        build_index(toys / "run", toys / "data", "x", tmp_path / "index")
    assert not (tmp_path / "index" / "manifest.json").exists()
